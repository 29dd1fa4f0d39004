"""The web process. System checks run before the first request is taken."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsys_project.settings")

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()
call_command("check", "--fail-level", "ERROR")  # fail at start, not at midnight

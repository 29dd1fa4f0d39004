"""The same application for ASGI servers."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsys_project.settings")

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402

application = get_asgi_application()
call_command("check", "--fail-level", "ERROR")

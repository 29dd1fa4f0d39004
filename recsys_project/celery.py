"""The Celery application. What runs when stands in ``segmentation.clock``."""

import os
import sys

from celery.signals import beat_init, celeryd_init
from django.core.management import call_command
from django.core.management.base import SystemCheckError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsys_project.settings")

from segmentation import clock  # noqa: E402  (Django's settings must be named first)

app = clock.make_app("strata")


@celeryd_init.connect
@beat_init.connect
def fail_at_start(**_: object) -> None:
    """Celery itself only runs the system checks; a wrong setting must stop it."""
    try:
        call_command("check", "--fail-level", "ERROR")
    except SystemCheckError as error:
        sys.exit(str(error))

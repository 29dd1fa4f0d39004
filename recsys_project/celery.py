"""The Celery application. What runs when stands in ``segmentation.clock``."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsys_project.settings")

from segmentation import clock  # noqa: E402  (Django's settings must be named first)

app = clock.make_app("strata")

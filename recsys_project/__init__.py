"""The Django project: settings, addresses and the clock."""

from recsys_project.celery import app as celery_app

__all__ = ["celery_app"]

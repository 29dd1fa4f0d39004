"""The app and what must be true before it starts."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class SegmentationConfig(AppConfig):
    name = "segmentation"
    verbose_name = _("Interest and catalogue")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from celery import _state

        from segmentation import checks, clock
        from segmentation.services import consents, personalisation, roles

        checks.register_all()
        consents.register(personalisation.FromFiles())
        post_migrate.connect(roles.after_migrate, dispatch_uid="strata.roles")
        if _state.default_app is None:  # a host without Celery of its own
            clock.make_app("strata").set_default()

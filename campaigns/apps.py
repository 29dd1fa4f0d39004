"""The app. Its settings are checked beside those of segmentation."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = _("Campaigns and ads")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from campaigns import checks
        from campaigns.services import consent_imports, exporting
        from segmentation.services import consents

        checks.register_all()
        consents.register(consent_imports.Imported())
        exporting.register_tables()

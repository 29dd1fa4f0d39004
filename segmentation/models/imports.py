"""What was brought in, how its columns were read, and what was refused."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from segmentation.models.catalog import Source
from segmentation.models.jobs import Job


class ImportKind(models.TextChoices):
    ITEMS = "items", _("items")
    CUSTOMERS = "customers", _("customers")
    EVENTS = "events", _("events")


class Mapping(models.Model):
    """A saved way of reading a kind of file: target field → header or ``=constant``."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=ImportKind)
    columns = models.JSONField(_("columns"), default=dict)

    class Meta:
        verbose_name = _("mapping")
        verbose_name_plural = _("mappings")

    def __str__(self) -> str:
        return self.name


class ImportJob(Job):
    """One file brought in. The six counts always add up to ``rows_read``."""

    task = "segmentation.tasks.run_import"

    kind = models.CharField(_("kind"), max_length=10, choices=ImportKind)
    source = models.ForeignKey(Source, models.PROTECT, verbose_name=_("source"))
    path = models.CharField(_("file"), max_length=500)
    original_name = models.CharField(_("file name"), max_length=255, blank=True)
    encoding = models.CharField(_("encoding"), max_length=30, blank=True)
    columns = models.JSONField(_("columns"), default=dict, blank=True)
    is_dry_run = models.BooleanField(_("dry run"), default=False)
    chunks_applied = models.PositiveIntegerField(default=0, editable=False)
    rows_read = models.BigIntegerField(_("rows read"), default=0)
    rows_new = models.BigIntegerField(_("new"), default=0)
    rows_updated = models.BigIntegerField(_("updated"), default=0)
    rows_unchanged = models.BigIntegerField(_("unchanged"), default=0)
    rows_duplicate = models.BigIntegerField(_("duplicate"), default=0)
    rows_rejected = models.BigIntegerField(_("rejected"), default=0)
    rows_ignored = models.BigIntegerField(_("ignored"), default=0)
    quality = models.JSONField(_("quality report"), default=dict, blank=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        indexes = [models.Index(fields=["status"], name="import_status")]

    def __str__(self) -> str:
        return self.original_name or self.path

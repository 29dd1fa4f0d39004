"""What was brought in, how its columns were read, and what was refused."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from segmentation.models.catalog import Source
from segmentation.models.fields import KeyField
from segmentation.models.jobs import Job, JobQuerySet


class ImportKind(models.TextChoices):
    ITEMS = "items", _("items")
    CUSTOMERS = "customers", _("customers")
    EVENTS = "events", _("events")
    LINKS = "links", _("who is who")


class Mapping(models.Model):
    """A saved way of reading a kind of file.

    ``columns`` says where each target field comes from (``engine.mapping``), ``layout``
    how the file is written (``importing.reading``), ``rules`` what to do with what is
    unknown or doubled (``importing.rules``). ``signature`` finds it again by headers.
    """

    name = models.CharField(_("name"), max_length=80, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=ImportKind)
    columns = models.JSONField(_("columns"), default=dict)
    layout = models.JSONField(_("layout"), default=dict, blank=True)
    rules = models.JSONField(_("rules"), default=dict, blank=True)
    signature = models.CharField(
        max_length=32, blank=True, db_index=True, editable=False
    )

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
    layout = models.JSONField(_("layout"), default=dict, blank=True)
    columns = models.JSONField(_("columns"), default=dict, blank=True)
    rules = models.JSONField(_("rules"), default=dict, blank=True)
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
    # What a person should see of it: the first rejects, the first changes, warnings.
    findings = models.JSONField(_("findings"), default=dict, blank=True)
    undone_at = models.DateTimeField(_("undone"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        indexes = [models.Index(fields=["status"], name="import_status")]

    def __str__(self) -> str:
        return self.original_name or self.path


class UndoJobQuerySet(JobQuerySet):
    def begun(self) -> UndoJobQuerySet:
        """Those that did something already, however they ended."""
        names = ("rows_removed", "rows_restored", "rows_kept")
        counted = (models.Q(**{f"{name}__gt": 0}) for name in names)
        return self.filter(reduce(or_, counted))


class UndoJob(Job):
    """One import taken back: the rows it alone brought, and what it changed."""

    task = "segmentation.tasks.undo_import"

    job = models.ForeignKey(
        ImportJob, models.CASCADE, verbose_name=_("import"), related_name="undos"
    )
    rows_removed = models.BigIntegerField(_("removed"), default=0)
    rows_restored = models.BigIntegerField(_("restored"), default=0)
    rows_kept = models.BigIntegerField(_("kept"), default=0)
    kept = models.JSONField(_("why kept"), default=dict, blank=True)

    objects: ClassVar[Any] = UndoJobQuerySet.as_manager()

    class Meta:
        verbose_name = _("undo of an import")
        verbose_name_plural = _("undos of imports")
        indexes = [models.Index(fields=["status"], name="undo_status")]
        constraints = [
            models.UniqueConstraint(
                fields=["job"],
                condition=models.Q(status__in=("queued", "running")),
                name="one_undo_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return _("undo of %(file)s") % {"file": self.job}


class EventClaim(models.Model):
    """An event that this import brought too: it was there from an earlier one.

    Undoing the earlier import passes the event to a later claim instead of removing
    it. Only overlaps have a row here; a first import writes none.
    """

    event_key = KeyField()
    import_id = models.IntegerField()

    class Meta:
        verbose_name = _("event claim")
        verbose_name_plural = _("event claims")
        constraints = [
            models.UniqueConstraint(
                fields=["event_key", "import_id"], name="one_claim_an_import"
            )
        ]
        indexes = [models.Index(fields=["import_id"], name="claim_of_import")]

    def __str__(self) -> str:
        return f"{self.import_id} {self.event_key}"


class ImportChange(models.Model):
    """What an import changed on an item or customer that was there: old and new.

    ``before`` and ``after`` hold only the columns that differ, as they are stored
    (encrypted ones as cipher text). A column of ``before`` alone, null there, was told
    as another import had told it. What the import made says so itself (import_id).
    """

    import_id = models.IntegerField()
    kind = models.CharField(_("kind"), max_length=10, choices=ImportKind)
    object_id = models.BigIntegerField()
    before = models.JSONField(_("before"))
    after = models.JSONField(_("after"))

    class Meta:
        verbose_name = _("change by an import")
        verbose_name_plural = _("changes by imports")
        constraints = [
            models.UniqueConstraint(
                fields=["import_id", "kind", "object_id"],
                name="one_change_an_object_and_import",
            )
        ]
        indexes = [models.Index(fields=["kind", "object_id"], name="changes_of_object")]

    def __str__(self) -> str:
        return f"{self.import_id} {self.kind} {self.object_id}"


class ExportJob(Job):
    """A table written to a file in the background, for an operator to download."""

    task = "segmentation.tasks.run_export"

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        XLSX = "xlsx", "XLSX"
        PARQUET = "parquet", "Parquet"

    table = models.CharField(_("table"), max_length=40)
    format = models.CharField(_("format"), max_length=10, choices=Format)
    query = models.JSONField(_("filter"), default=dict, blank=True)
    path = models.CharField(_("file"), max_length=500, blank=True)
    rows_written = models.BigIntegerField(_("rows"), default=0)

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        indexes = [models.Index(fields=["status"], name="export_status")]

    def __str__(self) -> str:
        return f"{self.table}.{self.format}"

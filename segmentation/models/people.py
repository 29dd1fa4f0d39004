"""Who is who across sources, and who behaves like nobody a shop should learn from."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from segmentation.models.catalog import Customer, Source
from segmentation.models.fields import EncryptedField
from segmentation.models.jobs import Job


class CustomerClaim(models.Model):
    """What one source says about a customer; ``services.people`` decides who is right.

    One row per customer and source. ``values`` is the encrypted JSON of the told
    fields; the Customer holds, per field, what the most trusted source says, and among
    equals the latest.
    """

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="claims")
    source = models.ForeignKey(Source, models.PROTECT, related_name="claims")
    values = EncryptedField(_("values"))
    told_at = models.DateTimeField(_("told"))
    import_id = models.IntegerField(null=True, editable=False)

    class Meta:
        verbose_name = _("claim about a customer")
        verbose_name_plural = _("claims about customers")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "source"], name="one_claim_a_source"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.customer_id}"


class Telling(models.Model):
    """What one import told about a customer: a layer of the claim of its source.

    A later import of the source lies over an earlier one, field by field. So taking
    one of them back, in any order, leaves exactly what the others told.
    """

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="tellings")
    source = models.ForeignKey(Source, models.PROTECT, related_name="+")
    values = EncryptedField(_("values"))
    told_at = models.DateTimeField(_("told"))
    import_id = models.IntegerField(null=True, editable=False)

    class Meta:
        verbose_name = _("what an import told about a customer")
        verbose_name_plural = _("what imports told about customers")
        constraints = [
            models.UniqueConstraint(
                fields=["import_id", "customer"], name="one_telling_an_import"
            )
        ]

    def __str__(self) -> str:
        return f"{self.import_id} {self.customer_id}"


class Merge(models.Model):
    """Two customers that were found to be one; taking it back moves names only."""

    class Reason(models.TextChoices):
        HAND = "hand", _("by hand")
        FILE = "file", _("a file of pairs")
        EMAIL = "email", _("equal e-mail")
        PHONE = "phone", _("equal phone")

    kept = models.ForeignKey(
        Customer,
        models.CASCADE,
        verbose_name=_("customer that stays"),
        related_name="merges",
    )
    merged = models.ForeignKey(
        Customer,
        models.CASCADE,
        verbose_name=_("customer that went in"),
        related_name="merged_into",
    )
    # Who they are by now, after the merges of ``kept`` too; so one join answers it.
    home = models.ForeignKey(
        Customer, models.CASCADE, related_name="parts", editable=False
    )
    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    identity_ids = models.JSONField(default=list, editable=False)
    merged_at = models.DateTimeField(_("merged"), auto_now_add=True)
    undone_at = models.DateTimeField(_("taken back"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("by"),
        null=True,
        blank=True,
        related_name="+",
    )

    class Meta:
        verbose_name = _("merge of customers")
        verbose_name_plural = _("merges of customers")
        constraints = [
            models.UniqueConstraint(
                fields=["merged"],
                condition=models.Q(undone_at=None),
                name="merged_into_one",
            ),
            models.CheckConstraint(
                condition=~models.Q(kept=models.F("merged")),
                name="merge_is_of_two",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merged_id} → {self.kept_id}"


class Suspicion(models.Model):
    """A customer who behaves like a bot, a till or a reseller, with the evidence.

    The operator quarantines or keeps them; training honours that at its next run.
    """

    class Verdict(models.TextChoices):
        OPEN = "open", _("to decide")
        QUARANTINED = "quarantined", _("quarantined")
        KEPT = "kept", _("kept")

    customer = models.OneToOneField(
        Customer, models.CASCADE, verbose_name=_("customer"), related_name="suspicion"
    )
    likeness = models.CharField(_("looks like"), max_length=20)
    score = models.FloatField(_("score"))
    evidence = models.JSONField(_("evidence"), default=list)
    found_at = models.DateTimeField(_("found"))
    verdict = models.CharField(
        _("verdict"), max_length=12, choices=Verdict, default=Verdict.OPEN
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("decided by"),
        null=True,
        blank=True,
        related_name="+",
    )

    class Meta:
        verbose_name = _("suspicious customer")
        verbose_name_plural = _("suspicious customers")
        indexes = [models.Index(fields=["verdict"], name="suspicion_verdict")]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.likeness}"


class QualityReport(Job):
    """What all data look like at an instant; the newest finished row is shown."""

    task = "segmentation.tasks.look_at_quality"

    report = models.JSONField(_("report"), default=dict, editable=False)

    class Meta:
        verbose_name = _("quality report")
        verbose_name_plural = _("quality reports")
        indexes = [models.Index(fields=["status"], name="quality_status")]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M}"


class Erasure(Job):
    """What is left to do for a person whose rows are gone: files, exports, models.

    ``person`` is what files may call them, encrypted, and is emptied when all is done.
    """

    task = "segmentation.tasks.finish_erasure"

    number = models.BigIntegerField(_("customer"))  # who was; bare, so no use of them
    person = EncryptedField(blank=True, editable=False)
    erased_at = models.DateTimeField(_("erased"))
    rows = models.JSONField(_("rows"), default=dict, editable=False)
    files = models.JSONField(_("files and models"), default=dict, editable=False)
    remains = models.JSONField(_("what remains"), default=list, editable=False)

    class Meta:
        verbose_name = _("erasure of a customer")
        verbose_name_plural = _("erasures of customers")
        indexes = [models.Index(fields=["status"], name="erasure_status")]

    def __str__(self) -> str:
        return _("erasure of customer %(id)s") % {"id": self.number}

"""Ways of dividing customers, the groups, and who is in them since when."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from segmentation.models.catalog import Customer
from segmentation.models.jobs import Job
from segmentation.models.runs import ModelRun


class SegmentSet(Job):
    """One way of dividing customers: a clustering, value tiers, rules or a list."""

    task = "segmentation.tasks.build_segments"
    queue = "train"

    class Stage(models.TextChoices):
        CANDIDATE = "candidate", _("candidate")
        LIVE = "live", _("live")
        RETIRED = "retired", _("retired")

    name = models.CharField(_("name"), max_length=120, blank=True)
    method = models.CharField(_("method"), max_length=40)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    run = models.ForeignKey(
        ModelRun,
        models.SET_NULL,
        verbose_name=_("interest model"),
        null=True,
        blank=True,
        related_name="+",
    )
    stage = models.CharField(
        _("stage"), max_length=10, choices=Stage, default=Stage.CANDIDATE
    )
    n_customers = models.PositiveIntegerField(_("customers"), default=0)
    scores = models.JSONField(_("scores"), default=dict, blank=True)
    k_curve = models.JSONField(_("k curve"), default=list, blank=True)
    picture = models.JSONField(_("map of customers"), default=dict, blank=True)
    timings = models.JSONField(_("seconds"), default=dict, blank=True)

    class Meta:
        verbose_name = _("segment set")
        verbose_name_plural = _("segment sets")
        constraints = [
            models.UniqueConstraint(
                fields=["method"],
                condition=models.Q(stage="live"),
                name="one_live_set_per_method",
            )
        ]
        indexes = [models.Index(fields=["status"], name="segment_set_status")]

    def __str__(self) -> str:
        """The name somebody gave it, else ours in the language of whoever reads."""
        if self.name not in ("", f"Interests by {self.method}"):  # older rows keep it
            return self.name
        return str(_("Interests by %(method)s") % {"method": self.method})


class Segment(models.Model):
    """One group. Its id stays the same for the same people's interest."""

    segment_set = models.ForeignKey(
        SegmentSet, models.CASCADE, related_name="segments", verbose_name=_("set")
    )
    label = models.IntegerField(_("cluster"))
    name = models.CharField(_("name"), max_length=120)
    size = models.PositiveIntegerField(_("size"), default=0)
    profile = models.JSONField(_("profile"), default=dict, blank=True)

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        constraints = [
            models.UniqueConstraint(
                fields=["segment_set", "label"], name="one_segment_per_label"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """Who is in a segment now."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="memberships")
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="memberships")
    since = models.DateTimeField(_("since"), db_default=Now())

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(
                fields=["segment", "customer"], name="one_membership_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} ∈ {self.segment_id}"


class MembershipHistory(models.Model):
    """A closed period of membership, appended on change."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="+")
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+")
    since = models.DateTimeField(_("since"))
    until = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("past membership")
        verbose_name_plural = _("past memberships")

    def __str__(self) -> str:
        return f"{self.customer_id} ∈ {self.segment_id} until {self.until:%Y-%m-%d}"

"""ModelRun: one training, what it was made from and how good it was."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from segmentation.models.jobs import Job


class Purpose(models.TextChoices):
    AGAIN = "again", _("again: what this person buys again")
    DISCOVER = "discover", _("discover: what this person never bought")
    TASTE = "taste", _("taste: customer vectors for segments")
    SIMILAR = "similar", _("similar: item to item")


class ModelRun(Job):
    task = "segmentation.tasks.train_model"
    queue = "train"

    class Stage(models.TextChoices):
        CANDIDATE = "candidate", _("candidate")
        LIVE = "live", _("live")
        RETIRED = "retired", _("retired")

    algorithm = models.CharField(_("algorithm"), max_length=40)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose)
    stage = models.CharField(
        _("stage"), max_length=10, choices=Stage, default=Stage.CANDIDATE
    )
    params = models.JSONField(_("asked parameters"), default=dict, blank=True)
    chosen_params = models.JSONField(_("chosen parameters"), default=dict, blank=True)
    protocol = models.JSONField(_("protocol"), default=dict, blank=True)
    snapshot = models.JSONField(_("data snapshot"), default=dict, blank=True)
    seed = models.IntegerField(_("seed"), default=7)
    code_version = models.CharField(_("code version"), max_length=40, blank=True)
    metrics = models.JSONField(_("metrics"), default=dict, blank=True)
    curve = models.JSONField(_("training curve"), default=list, blank=True)
    timings = models.JSONField(_("seconds"), default=dict, blank=True)
    gate = models.JSONField(_("gate"), default=dict, blank=True)
    artifact = models.CharField(_("artifact"), max_length=200, blank=True)
    promoted_at = models.DateTimeField(_("live since"), null=True, blank=True)

    class Meta:
        verbose_name = _("model run")
        verbose_name_plural = _("model runs")
        constraints = [
            models.UniqueConstraint(
                fields=["purpose"],
                condition=models.Q(stage="live"),
                name="one_live_run_per_purpose",
            ),
            models.CheckConstraint(
                condition=~models.Q(stage="live") | ~models.Q(artifact=""),
                name="a_live_run_has_an_artifact",
            ),
        ]
        indexes = [models.Index(fields=["status"], name="model_run_status")]

    def __str__(self) -> str:
        return f"{self.algorithm} · {self.purpose} · {self.pk}"


class ServedList(models.Model):
    """A list that was given out, so that events can name it."""

    recommendation_id = models.UUIDField(
        unique=True, default=uuid.uuid4, editable=False
    )
    served_at = models.DateTimeField(_("served"), auto_now_add=True, db_index=True)
    run = models.ForeignKey(
        ModelRun, models.SET_NULL, null=True, related_name="+", verbose_name=_("run")
    )
    identity_id = models.BigIntegerField(_("identity"), null=True, db_index=True)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose)
    placement = models.CharField(_("placement"), max_length=60, blank=True)
    list_source = models.CharField(_("source of the list"), max_length=20)
    item_ids = models.JSONField(_("items"), default=list)

    class Meta:
        verbose_name = _("served list")
        verbose_name_plural = _("served lists")

    def __str__(self) -> str:
        return str(self.recommendation_id)

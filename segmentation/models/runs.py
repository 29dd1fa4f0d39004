"""ModelRun: one training, what it was made from, how good it was, and when anew."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
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
    # What was tried so far, written after each trial: a killed search goes on from it.
    trials = models.JSONField(_("trials"), default=list, blank=True, editable=False)
    # What the run would take, before it began: {"memory_mb", "seconds", …}.
    estimate = models.JSONField(_("estimate"), default=dict, blank=True)
    # The artifact its lists are served from: its own, or that of the last refresh.
    lists = models.CharField(_("lists"), max_length=200, blank=True, editable=False)
    refreshed_at = models.DateTimeField(_("lists refreshed"), null=True, blank=True)
    plan = models.ForeignKey(
        "segmentation.TrainingPlan",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="runs",
        verbose_name=_("training plan"),
    )
    due_at = models.DateTimeField(_("was due"), null=True, blank=True)

    class Meta:
        verbose_name = _("model run")
        verbose_name_plural = _("model runs")
        permissions = [("overrule_gate", _("Can overrule the gate of a model"))]
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
            models.UniqueConstraint(
                fields=["plan", "due_at"], name="one_run_an_appointment"
            ),
        ]
        indexes = [models.Index(fields=["status"], name="model_run_status")]

    def __str__(self) -> str:
        return f"{self.algorithm} · {self.purpose} · {self.pk}"


class TrainingPlan(models.Model):
    """When a purpose is trained anew: by cron, or when enough new events came."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    algorithm = models.CharField(_("algorithm"), max_length=40)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    cron = models.CharField(
        _("cron"),
        max_length=80,
        blank=True,
        help_text=_("Five fields in shop time, such as “0 4 * * 1”: Mondays at 4."),
    )
    new_events = models.PositiveIntegerField(
        _("new events"),
        null=True,
        blank=True,
        help_text=_("Train as soon as so many events came since the last training."),
    )
    goes_live = models.BooleanField(
        _("goes live by itself"),
        default=False,
        help_text=_("If it passes the gate. Otherwise somebody decides."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # A change of the plan makes nothing due that passed before it.
    counts_from = models.DateTimeField(
        _("counts from"), default=timezone.now, editable=False
    )

    class Meta:
        verbose_name = _("training plan")
        verbose_name_plural = _("training plans")

    def __str__(self) -> str:
        return self.name


class ListRefresh(Job):
    """New lists of a live run from newer behaviour, without learning anew."""

    task = "segmentation.tasks.refresh_lists"
    queue = "train"

    run = models.ForeignKey(
        ModelRun, models.CASCADE, related_name="refreshes", verbose_name=_("model run")
    )
    counts = models.JSONField(_("counts"), default=dict, blank=True)

    class Meta:
        verbose_name = _("refresh of lists")
        verbose_name_plural = _("refreshes of lists")
        indexes = [models.Index(fields=["status"], name="list_refresh_status")]
        constraints = [
            models.UniqueConstraint(
                fields=["run"],
                condition=models.Q(status__in=("queued", "running")),
                name="one_refresh_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.run_id} · {self.pk}"

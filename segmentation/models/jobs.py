"""Job: the row behind every background deed. ``services/jobs.py`` moves it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class JobQuerySet(models.QuerySet):
    def unfinished(self) -> JobQuerySet:
        return self.filter(status__in=(Job.Status.QUEUED, Job.Status.RUNNING))

    def abandoned(self, now: datetime) -> JobQuerySet:
        """Running rows whose worker let the lease run out."""
        return self.filter(status=Job.Status.RUNNING, lease_until__lt=now)


class Job(models.Model):
    """Status, progress and lease of one deed.

    ``fence`` grows with every claim; each write of a worker is conditional on the
    fence it was given, so one that lost its lease can finish nothing. ``task`` is the
    Celery task that does the deed, ``queue`` where it is offered.
    """

    task: ClassVar[str]
    queue: ClassVar[str] = "default"

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.QUEUED
    )
    progress_done = models.BigIntegerField(_("done"), default=0)
    progress_total = models.BigIntegerField(_("of"), default=0)
    progress_unit = models.CharField(_("unit"), max_length=20, blank=True)
    # Where and when the present count began, for the rate: a resumed deed starts late.
    progress_from = models.BigIntegerField(default=0, editable=False)
    progress_since = models.DateTimeField(null=True, blank=True, editable=False)
    message = models.TextField(_("message"), blank=True)
    cancel_requested = models.BooleanField(_("cancel requested"), default=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    lost_leases = models.PositiveSmallIntegerField(_("lost leases"), default=0)
    fence = models.PositiveIntegerField(default=0, editable=False)
    holder = models.CharField(_("worker"), max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    heartbeat_at = models.DateTimeField(_("last heartbeat"), null=True, blank=True)
    worked_at = models.DateTimeField(_("last progress"), null=True, blank=True)
    hinted_at = models.DateTimeField(null=True, blank=True, editable=False)
    peak_memory_mb = models.PositiveIntegerField(_("peak memory, MB"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("created by"),
        null=True,
        blank=True,
        related_name="+",
    )

    objects = JobQuerySet.as_manager()

    class Meta:
        abstract = True

    @property
    def seconds(self) -> float | None:
        """How long the last attempt took, or has been taking."""
        if self.started_at is None:
            return None
        end = self.finished_at or self.heartbeat_at or self.started_at
        return max((end - self.started_at).total_seconds(), 0.0)

    @property
    def rate(self) -> float | None:
        """Units a second since the present count began; None when too early to say."""
        if self.progress_since is None or self.worked_at is None:
            return None
        seconds = (self.worked_at - self.progress_since).total_seconds()
        counted = self.progress_done - self.progress_from
        return counted / seconds if counted > 0 and seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Time to the end at the present rate; None when nobody can know."""
        if self.status != self.Status.RUNNING or not self.progress_total:
            return None
        if not self.rate:
            return None
        return max(self.progress_total - self.progress_done, 0) / self.rate

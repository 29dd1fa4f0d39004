"""The score: which deed follows which. Each task loads a row and makes one call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from celery import current_app, shared_task
from celery.signals import worker_shutting_down
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from segmentation.models import (
    Erasure,
    ExportJob,
    ImportJob,
    Job,
    ListRefresh,
    ModelRun,
    QualityReport,
    SegmentSet,
    UndoJob,
)
from segmentation.services import (
    cleanup,
    erasing,
    exporting,
    importing,
    jobs,
    keeping,
    quality,
    refreshing,
    schedules,
    segmenting,
    stopping,
    training,
)

log = logging.getLogger(__name__)


@worker_shutting_down.connect
def give_deeds_back(**_: object) -> None:
    """A worker that is told to end waits for its children; they must not take long."""
    stopping.tell()


@shared_task(name="segmentation.tasks.sweep_jobs")
def sweep_jobs() -> None:
    for job in jobs.sweep(timezone.now()):
        hint(job)


@shared_task(name="segmentation.tasks.sweep_files")
def sweep_files() -> None:
    """Remove files that nobody needs any more (STRATA_KEEP_…)."""
    cleanup.sweep(timezone.now())
    keeping.sweep(timezone.now())


@shared_task(name="segmentation.tasks.sweep_plans")
def sweep_plans() -> None:
    """Train what is due by the clock; what was trained goes live where it may."""
    now = timezone.now()
    schedules.settle(now)
    for run in schedules.start_due(now):
        hint(run)


@shared_task(name="segmentation.tasks.sweep_news")
def sweep_news() -> None:
    """What new events ask for: lists made anew, and models trained."""
    now = timezone.now()
    for refresh in refreshing.due(now):
        hint(refresh)
    for run in schedules.start_for_events(now):
        hint(run)


@shared_task(name=ImportJob.task, throws=(jobs.Stopped,))
def run_import(job_id: int) -> None:
    _look_at(ImportJob, job_id, importing.run_import)


@shared_task(name=UndoJob.task, throws=(jobs.Stopped,))
def undo_import(undo_id: int) -> None:
    _look_at(UndoJob, undo_id, importing.run_undo)


@shared_task(name=Erasure.task, throws=(jobs.Stopped,))
def finish_erasure(erasure_id: int) -> None:
    _look_at(Erasure, erasure_id, erasing.finish)


@shared_task(name=ExportJob.task, throws=(jobs.Stopped,))
def run_export(job_id: int) -> None:
    _look_at(ExportJob, job_id, exporting.run_export)


@shared_task(name=ModelRun.task, throws=(jobs.Stopped,))
def train_model(run_id: int) -> None:
    _look_at(ModelRun, run_id, training.train)


@shared_task(name=ListRefresh.task, throws=(jobs.Stopped,))
def refresh_lists(refresh_id: int) -> None:
    _look_at(ListRefresh, refresh_id, refreshing.refresh)


@shared_task(name=SegmentSet.task, throws=(jobs.Stopped,))
def build_segments(set_id: int) -> None:
    _look_at(SegmentSet, set_id, segmenting.build)


@shared_task(name=QualityReport.task, throws=(jobs.Stopped,))
def look_at_quality(report_id: int) -> None:
    _look_at(QualityReport, report_id, quality.look)


def _look_at(model: type[Job], pk: int, deed: Callable[..., None]) -> None:
    job = model._default_manager.filter(pk=pk).first()
    if job is not None:  # it may have been deleted since it was offered
        perform(job, deed)


def perform(job: Job, deed: Callable[..., None]) -> None:
    """Hold the job and do its deed; also what a command does in its own process."""
    with jobs.hold(job) as held:
        deed(job, held)


def hint(job: Job) -> None:
    """Offer a job to its queue once it is committed.

    A broker that is down is no failure: the sweep offers the row again.
    """
    transaction.on_commit(partial(_offer, type(job), job.pk))


def _offer(model: type[Job], pk: int) -> None:
    model._default_manager.filter(pk=pk).update(hinted_at=timezone.now())
    try:
        # By then the sweep has offered it anew: old hints must not pile up.
        expires = 2 * jobs.HINT_AGAIN_SECONDS
        current_app.send_task(model.task, args=[pk], queue=model.queue, expires=expires)
    except (OSError, OperationalError):
        log.warning("the broker is down; %s %s waits for the sweep", model, pk)

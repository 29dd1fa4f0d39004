"""Trainings that come by themselves: by cron, or when enough new events came.

An appointment is a row: a run with its plan and the instant it was due, unique, so that
no two beats train it twice. What was missed while nobody was there is made up for once.
A plan has one run at a time. A run that fails leaves what is live as it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.models import (
    ImportJob,
    ImportKind,
    Job,
    ModelRun,
    Notice,
    TrainingPlan,
)
from segmentation.services import cron, gating, jobs, notices, registry, training

DECIDED = "plan"  # key of a run's gate: what its plan did with it


def check(plan: TrainingPlan) -> None:
    """Refused or BadCron where the plan could never train."""
    if plan.cron:
        cron.read(plan.cron)
    if not plan.cron and not plan.new_events:
        raise jobs.Refused(_("Say when: a cron expression, new events, or both."))
    with transaction.atomic():  # the door that will make the run says what it refuses
        training.create_run(plan.algorithm, plan.purpose, params=plan.params)
        transaction.set_rollback(True)


def next_at(plan: TrainingPlan, now: datetime) -> datetime | None:
    """The next appointment by the clock; None where there is none."""
    if not plan.enabled or not plan.cron:
        return None
    return cron.read(plan.cron).next(now, conf.time_zone())


def start_due(now: datetime) -> list[ModelRun]:
    """Queue a run of each plan whose time has come since its last one."""
    plans = TrainingPlan.objects.filter(enabled=True).exclude(cron="")
    return _started((plan, _due(plan, now)) for plan in plans)


def start_for_events(now: datetime) -> list[ModelRun]:
    """Queue a run of each plan for which enough new events came."""
    plans = TrainingPlan.objects.filter(enabled=True, new_events__gt=0)
    return _started((plan, now if _has_news(plan) else None) for plan in plans)


def start_now(plan: TrainingPlan, now: datetime, *, actor: Any = None) -> ModelRun:
    """Queue a run because somebody asks; Refused while one is at work."""
    run = _appoint(plan, now, actor=actor)
    if run is None:
        raise jobs.Refused(_("A run of this plan is at work already."))
    return run


def new_events(plan: TrainingPlan) -> int:
    """How many events came since the data of the plan's last run were read."""
    last = plan.runs.order_by("-pk").first()
    since = plan.counts_from
    if last is not None:
        since = max(since, registry.written_at(last))
    imports = ImportJob.objects.filter(
        kind=ImportKind.EVENTS,
        status=Job.Status.DONE,
        finished_at__gt=since,
        undone_at=None,
    )
    brought = imports.aggregate(n=Sum("rows_new"))["n"] or 0
    return brought + _told_since(since)


def settle(now: datetime) -> list[ModelRun]:
    """Let finished runs of plans go live that may; answers those that did.

    Of several of a plan the newest. One whose gate is closed stays a candidate, and a
    notice says why.
    """
    rows = ModelRun.objects.filter(
        plan__goes_live=True,
        plan__enabled=True,
        status=Job.Status.DONE,
        stage=ModelRun.Stage.CANDIDATE,
        finished_at__lte=now,
    )
    waiting = rows.exclude(gate__has_key=DECIDED).select_related("plan")
    newest: dict[int | None, int] = {}
    for run in waiting:
        newest[run.plan_id] = max(run.pk, newest.get(run.plan_id, 0))
    return [
        run
        for run in waiting
        if _is_decided(run, is_newest=run.pk == newest[run.plan_id])
    ]


def _is_decided(run: ModelRun, *, is_newest: bool) -> bool:
    """Whether a run of a plan went live."""
    plan = run.plan
    assert plan is not None, "only runs of plans are asked about"
    if not is_newest or run.created_at < plan.counts_from:
        _decide(run, _("A newer run, or a change of the plan, came in between."))
        return False
    try:
        gating.go_live(run, actor_name=_("plan “%(name)s”") % {"name": plan})
    except jobs.Refused as error:  # the gate, or another run was quicker
        _decide(run, str(error), is_told=True)
        return False
    return True


def _decide(run: ModelRun, why: str, *, is_told: bool = False) -> None:
    """Note that a run stays a candidate, so that it is not asked about again."""
    with transaction.atomic():
        rows = ModelRun.objects.filter(pk=run.pk)
        if not rows.update(gate={**run.gate, DECIDED: why}) or not is_told:
            return
        notices.tell(
            Notice.Level.WARNING,
            _("“%(run)s” does not go live by itself") % {"run": run},
            why,
            key=f"{run._meta.label_lower}:{run.pk}:gate",
            link=f"{run._meta.app_label}:{run._meta.model_name}:{run.pk}",
        )


def _started(found: Any) -> list[ModelRun]:
    runs = (_appoint(plan, due_at) for plan, due_at in found if due_at is not None)
    return [run for run in runs if run is not None and run.status == Job.Status.QUEUED]


def _due(plan: TrainingPlan, now: datetime) -> datetime | None:
    """The last instant that passed and that no run was made for."""
    try:
        times = cron.read(plan.cron)
    except cron.BadCron:  # written past the form: nobody can know when
        return None
    last = plan.runs.exclude(due_at=None).order_by("-due_at").first()
    since = plan.counts_from
    if last is not None and last.due_at is not None:
        since = max(since, last.due_at)
    return times.last(now, conf.time_zone(), since=since)


def _has_news(plan: TrainingPlan) -> bool:
    if plan.runs.filter(status__in=jobs.UNFINISHED).exists():
        return False
    return new_events(plan) >= (plan.new_events or 0)


def _told_since(since: datetime) -> int:
    """Events of calls that happened since; by the index of whose they are."""
    text = connection.ops.adapt_datetimefield_value(since)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM segmentation_identity i JOIN segmentation_event e "
            f"ON e.identity_id = i.id AND e.occurred_at > '{text}' "
            "AND e.import_id IS NULL"
        )
        return int(cursor.fetchone()[0])


def _appoint(
    plan: TrainingPlan, due_at: datetime, *, actor: Any = None
) -> ModelRun | None:
    """Make the run of an appointment; None where there is one, or one is at work."""
    try:
        with transaction.atomic():
            # Two beats: the second waits here and then sees the first's run.
            TrainingPlan.objects.select_for_update().get(pk=plan.pk)
            if plan.runs.filter(status__in=jobs.UNFINISHED).exists():
                return None
            run = _run_of(plan, actor)
            run.plan, run.due_at = plan, due_at
            run.save(update_fields=["plan", "due_at"])
            if run.status == Job.Status.FAILED:
                notices.about_failed(run, run.message)
            return run
    except (IntegrityError, TrainingPlan.DoesNotExist):
        return None


def _run_of(plan: TrainingPlan, actor: Any) -> ModelRun:
    """A queued run; a failed one, which keeps the appointment, where it is refused."""
    try:
        with transaction.atomic():
            return training.create_run(
                plan.algorithm, plan.purpose, params=plan.params, actor=actor
            )
    except jobs.Refused as error:
        return ModelRun.objects.create(
            algorithm=plan.algorithm,
            purpose=plan.purpose,
            params=plan.params,
            status=Job.Status.FAILED,
            message=str(error),
            finished_at=timezone.now(),
            created_by=actor,
        )

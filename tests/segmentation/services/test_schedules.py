"""Plans train when they should: once for an instant, and what was missed once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from segmentation.models import AuditEntry, ImportJob, ModelRun, Notice, TrainingPlan
from segmentation.services import cron, gating, jobs, registry, schedules, training
from tests import storefront
from tests.segmentation.services import behaviour

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 11, 30, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _afresh():
    storefront.start_afresh()


def plan(**told) -> TrainingPlan:
    told = {
        "name": "weekly",
        "algorithm": "popularity",
        "purpose": "discover",
        "cron": "0 4 * * 1",
        "counts_from": MONDAY - 6 * 24 * HOUR,
        **told,
    }
    return TrainingPlan.objects.create(**told)


def due(now: datetime) -> list[ModelRun]:
    return schedules.start_due(now)


def end(run: ModelRun, status: str = "done") -> None:
    ModelRun.objects.filter(pk=run.pk).update(
        status=status, finished_at=timezone.now(), started_at=timezone.now()
    )


def test_an_appointment_is_trained_once():
    mondays = plan(params={"count": "users"})
    assert due(MONDAY - timedelta(seconds=1)) == []
    [run] = due(MONDAY + timedelta(seconds=5))
    assert (run.plan, run.due_at, run.status) == (mondays, MONDAY, "queued")
    assert (run.algorithm, run.params) == ("popularity", {"count": "users"})
    assert due(MONDAY + HOUR) == []
    end(run)
    assert due(MONDAY + HOUR) == []
    [again] = due(MONDAY + 7 * 24 * HOUR)
    assert again.due_at == MONDAY + 7 * 24 * HOUR


def test_what_was_missed_while_nobody_was_there_is_made_up_for_once():
    plan(cron="0 4 * * *")
    [run] = due(MONDAY + 9 * HOUR)
    assert run.due_at == MONDAY
    end(run)
    assert due(MONDAY + 10 * HOUR) == []


def test_a_plan_has_one_run_at_a_time():
    hourly = plan(cron="0 * * * *")
    [run] = due(MONDAY)
    assert due(MONDAY + 3 * HOUR) == []
    with pytest.raises(jobs.Refused, match="at work already"):
        schedules.start_now(hourly, MONDAY + 3 * HOUR)
    end(run)
    [late] = due(MONDAY + 3 * HOUR)
    assert late.due_at == MONDAY + 3 * HOUR


def test_a_change_of_the_plan_makes_nothing_due_that_passed_before_it():
    plan(counts_from=MONDAY + HOUR)
    assert due(MONDAY + 2 * HOUR) == []


def test_a_plan_that_is_off_trains_nothing():
    off = plan(enabled=False)
    assert due(MONDAY) == []
    assert schedules.next_at(off, MONDAY) is None


def test_the_clock_is_the_shops(settings):
    settings.STRATA_TIME_ZONE = "Asia/Shanghai"
    told = plan()
    assert schedules.next_at(told, MONDAY - 24 * HOUR) == MONDAY - 8 * HOUR
    [run] = due(MONDAY - 8 * HOUR)
    assert run.due_at == MONDAY - 8 * HOUR


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_make_one_run():
    plan()
    together, found, wrong = threading.Barrier(4), [], []

    def beat() -> None:
        try:
            together.wait()
            found.extend(due(MONDAY))
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=beat) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert len(found) == ModelRun.objects.count() == 1


def test_a_plan_that_cannot_train_says_so_once():
    plan(purpose="taste")  # popularity has no customer vectors
    assert due(MONDAY) == due(MONDAY + HOUR) == []
    run = ModelRun.objects.get()
    assert (run.status, run.due_at) == ("failed", MONDAY)
    assert "no customer vectors" in run.message
    assert "no customer vectors" in Notice.objects.get().text


def test_enough_new_events_ask_for_a_training():
    source = behaviour.world(n_customers=4, weeks=1)
    told = plan(cron="", new_events=6, counts_from=timezone.now())
    assert schedules.start_for_events(timezone.now()) == []
    later = [
        behaviour.purchase(f"c-{who:02}", "i-00", 52 + week, f"{who}")
        for who in range(2)
        for week in range(3)
    ]
    behaviour.record(source, later[:5])
    told.counts_from = behaviour.START + timedelta(weeks=51)
    told.save()
    assert schedules.new_events(told) == 5
    assert schedules.start_for_events(timezone.now()) == []
    behaviour.record(source, later)
    [run] = schedules.start_for_events(timezone.now())
    assert run.plan == told
    assert schedules.start_for_events(timezone.now()) == []
    end(run)
    ModelRun.objects.update(started_at=behaviour.START + timedelta(weeks=100))
    assert schedules.new_events(told) == 0  # they were learned from


def test_events_of_a_file_count_when_they_came_in():
    told = plan(cron="", new_events=100, counts_from=MONDAY)
    source = storefront.source("shop")
    for at, n in ((MONDAY - HOUR, 1000), (MONDAY + HOUR, 60), (MONDAY + HOUR, 39)):
        ImportJob.objects.create(
            kind="events",
            source=source,
            path="x",
            status="done",
            finished_at=at,
            rows_new=n,
        )
    assert schedules.new_events(told) == 99
    assert schedules.start_for_events(MONDAY + 2 * HOUR) == []
    ImportJob.objects.filter(rows_new=39).update(rows_new=40)
    assert len(schedules.start_for_events(MONDAY + 2 * HOUR)) == 1


def test_a_run_that_failed_leaves_the_live_one_and_is_not_tried_at_once():
    behaviour.world(n_customers=6, weeks=20)
    live = behaviour.live("popularity", "discover")
    told = plan(goes_live=True, params={"min_lines": 10_000})
    [run] = due(MONDAY)
    with pytest.raises(jobs.Refused), jobs.hold(run) as held:
        training.train(run, held)
    assert Notice.objects.get().level == "error"
    assert schedules.settle(timezone.now()) == []
    assert due(MONDAY + HOUR) == []
    live.refresh_from_db()
    assert live.stage == "live"
    assert told.runs.get().status == "failed"


def trained(told: TrainingPlan, **gate) -> ModelRun:
    run = behaviour.train(told.algorithm, told.purpose, count="users")
    ModelRun.objects.filter(pk=run.pk).update(plan=told, due_at=run.created_at)
    run.refresh_from_db()
    return run


def test_a_plan_lets_its_run_go_live_when_the_gate_does():
    behaviour.world()
    told = plan(goes_live=True)
    run = trained(told)
    assert schedules.settle(timezone.now()) == [run]
    run.refresh_from_db()
    assert run.stage == "live"
    assert run.gate["passed"]
    assert AuditEntry.objects.get(action="promote").actor_name == "plan “weekly”"
    assert schedules.settle(timezone.now()) == []


def test_a_closed_gate_keeps_the_live_run_and_says_why_once(monkeypatch):
    behaviour.world()
    live = behaviour.live("item_knn", "discover")
    run = trained(plan(goes_live=True))
    closed = {"passed": False, "live_run": live.pk, "reason": "It is worse."}
    monkeypatch.setattr(gating, "verdict", lambda _run: dict(closed))
    assert schedules.settle(timezone.now()) == []
    assert schedules.settle(timezone.now()) == []
    notice = Notice.objects.get()
    assert (notice.level, notice.text) == ("warning", "It is worse.")
    run.refresh_from_db()
    live.refresh_from_db()
    assert (run.stage, live.stage) == ("candidate", "live")
    # A person can still decide otherwise.
    gating.go_live(run, overrule="we know better", actor_name="somebody")


def test_of_several_the_newest_goes_live_and_nothing_after_a_way_back():
    behaviour.world()
    told = plan(goes_live=True)
    older, newer = trained(told), trained(told)
    assert schedules.settle(timezone.now()) == [newer]
    older.refresh_from_db()
    assert older.stage == "candidate"
    hand = behaviour.train("popularity", "discover", count="weight")
    registry.promote(hand)
    assert schedules.settle(timezone.now()) == []
    assert ModelRun.objects.get(stage="live") == hand


def test_a_run_of_before_a_plan_was_told_to_go_live_stays_where_it_is():
    behaviour.world()
    told = plan(goes_live=False)
    run = trained(told)
    assert schedules.settle(timezone.now()) == []
    TrainingPlan.objects.update(goes_live=True, counts_from=timezone.now())
    assert schedules.settle(timezone.now()) == []
    assert not Notice.objects.exists()
    run.refresh_from_db()
    assert run.stage == "candidate"


@pytest.mark.parametrize(
    ("told", "error", "says"),
    [
        ({"cron": "every day"}, cron.BadCron, "five fields"),
        ({"cron": ""}, jobs.Refused, "Say when"),
        ({"purpose": "taste"}, jobs.Refused, "no customer vectors"),
        ({"params": {"magic": 1}}, jobs.Refused, "no parameter magic"),
    ],
)
def test_a_plan_that_could_never_train_is_refused(told, error, says):
    odd = plan()
    for name, value in told.items():
        setattr(odd, name, value)
    with pytest.raises(error, match=says):
        schedules.check(odd)
    assert not ModelRun.objects.exists()

"""Models killed at random moments, over and over; ``make soak``, then docs/soak.md."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from django.utils import timezone

from segmentation import tasks
from segmentation.models import (
    AuditEntry,
    ImportJob,
    Job,
    ListRefresh,
    ModelRun,
    Notice,
    TrainingPlan,
)
from segmentation.services import (
    artifacts,
    events,
    gating,
    importing,
    keeping,
    refreshing,
    registry,
    schedules,
    training,
)
from tests import processes, storefront
from tests.flows import deeds
from tests.processes import until

pytestmark = pytest.mark.soak

SEED = 2026
N_TRAININGS, N_SWITCHES, N_REFRESHES = 5, 30, 5
N_CUSTOMERS, N_EVENTS = 4000, 120_000

# One process switches back and forth for as long as it lives.
SWITCHING = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsys_project.settings")
import django
django.setup()
from segmentation.models import ModelRun
from segmentation.services import gating
while True:
    for pk in map(int, sys.argv[1:]):
        run = ModelRun.objects.get(pk=pk)
        if run.stage == "retired":
            gating.roll_back(run)
        elif run.stage == "candidate":
            gating.go_live(run, overrule="to die of it")
"""


@pytest.fixture
def started(started: processes.Started) -> Iterator[processes.Started]:
    deeds.flush_broker()
    yield started
    deeds.kill_all(started)
    deeds.flush_broker()


def test_trainings_of_a_plan_go_live_although_they_are_killed(
    real_database, started, note, tmp_path
):
    shopping(tmp_path)
    plan = TrainingPlan.objects.create(
        name="soak",
        algorithm="als",
        purpose="discover",
        params={"n_factors": 16},
        new_events=1_000_000_000,
        goes_live=True,
    )
    chance, struck = random.Random(SEED), []
    live: ModelRun | None = None
    while len(struck) < N_TRAININGS:
        run = schedules.start_now(plan, timezone.now())
        tasks.hint(run)
        moment = deeds.kill_at_random(started, run, "train", chance, 1.0)
        struck += [moment] if moment else []
        tasks.sweep_plans()
        check_live(live if run.status != Job.Status.DONE else run)
        last = deeds.worker(started, "train")
        until(deeds.sweeping(lambda: deeds.is_over(run)), of=last)  # noqa: B023
        last.kill()
        assert run.status == Job.Status.DONE, run.message
        tasks.sweep_plans()
        check_live(run)
        live = run
        check_no_orphans()
    assert not Notice.objects.exists()
    note("training of a plan that goes live (als)", len(struck), struck)


def test_switches_are_killed_and_one_run_is_live(
    real_database, started, note, tmp_path
):
    shopping(tmp_path)
    runs = [trained() for _number in range(2)]
    gating.go_live(runs[0])
    chance, struck = random.Random(SEED), []
    own = {run.pk: np.array(registry.read_lists(run).item_ids) for run in runs}
    while len(struck) < N_SWITCHES:
        before = AuditEntry.objects.count()
        process = started.program(
            sys.executable, "-c", SWITCHING, *(str(run.pk) for run in runs)
        )
        until(lambda: AuditEntry.objects.count() > before + 2, of=process)  # noqa: B023
        end = chance.uniform(0.0, 0.3)
        time.sleep(end)
        process.kill()
        live = ModelRun.objects.get(stage="live")
        check_live(live)
        # The audit trail tells of every switch that happened, and of no other.
        last = AuditEntry.objects.latest("pk")
        assert last.changes["live run"][1] == live.pk
        assert np.array_equal(registry.live_lists("discover").item_ids, own[live.pk])
        struck.append(f"{end:.2f} s")
    note("promotion and roll-back, back and forth", len(struck), struck)


def test_refreshes_are_killed_and_end_as_undisturbed(
    real_database, started, note, tmp_path
):
    storefront.start_afresh()
    crowd(tmp_path)
    run = trained("item_knn", n_neighbors=50)
    gating.go_live(run)
    read_at = timezone.now()
    ModelRun.objects.update(started_at=read_at)
    ImportJob.objects.update(finished_at=read_at - timedelta(hours=1))
    rows = [
        {"customer": f"c{who}", "item": f"i{who % 700}", "kind": "purchase"}
        for who in range(0, N_CUSTOMERS, 2)
    ]
    for start in range(0, len(rows), 1000):
        source = storefront.source("shop")
        block = rows[start : start + 1000]
        events.record_events(block, source=source, now=timezone.now())
    former = lists()
    calm = ListRefresh.objects.create(run=run)
    began = time.monotonic()
    tasks.perform(calm, refreshing.refresh)
    longest = time.monotonic() - began
    expected = lists()
    assert calm.counts["folded_in"] == N_CUSTOMERS // 2
    chance, struck = random.Random(SEED), []
    while len(struck) < N_REFRESHES:
        ModelRun.objects.update(lists="", refreshed_at=None)
        job = ListRefresh.objects.create(run=run)
        tasks.hint(job)
        moment = deeds.kill_at_random(started, job, "train", chance, longest)
        check_live(run)
        if moment:
            struck.append(moment)
            assert all(map(np.array_equal, lists(), former))
        last = deeds.worker(started, "train")
        until(deeds.sweeping(lambda: deeds.is_over(job)), of=last)  # noqa: B023
        last.kill()
        assert job.status == Job.Status.DONE, job.message
        assert all(map(np.array_equal, lists(), expected))
        check_no_orphans()
    note("refresh of 2,000 lists of 4,000 (item-kNN)", len(struck), struck)


def check_live(run: ModelRun | None) -> None:
    """At most one run is live, and another process could serve from it now."""
    registry.forget()
    live = list(ModelRun.objects.filter(stage="live"))
    assert [each.pk for each in live] == ([run.pk] if run else [])
    if run is not None:
        found = registry.live_lists("discover")
        assert found is not None and found.run_id == run.pk
        assert len(found.owner_ids) == len(np.array(found.item_ids))
        assert registry.live_model("discover") is not None


def check_no_orphans() -> None:
    """Once nobody may need them, exactly what rows name is left in the storage."""
    border, keeping.GRACE_SECONDS = keeping.GRACE_SECONDS, -1.0
    keeping.sweep(timezone.now())
    keeping.GRACE_SECONDS = border
    rows = ModelRun.objects.values_list("artifact", "lists")
    assert set(artifacts.names()) == {name for pair in rows for name in pair if name}


def lists() -> list[np.ndarray]:
    registry.forget()
    found = registry.live_lists("discover")
    assert found is not None
    arrays = (found.owner_ids, found.item_ids, found.scores, found.popular_ids)
    return [np.array(array) for array in arrays]


def trained(algorithm: str = "als", **params: int) -> ModelRun:
    told = params or {"n_factors": 16}
    run = training.create_run(algorithm, "discover", params=told)
    tasks.perform(run, training.train)
    run.refresh_from_db()
    return run


def shopping(folder: Path) -> None:
    storefront.start_afresh()
    path = deeds.write_shopping(folder / "shopping.csv")
    job = importing.create_job("events", path, columns={})
    tasks.perform(job, importing.run_import)


def crowd(folder: Path) -> None:
    """Four thousand customers of tastes of their own, half a year long."""
    rng = np.random.default_rng(SEED)
    customer = rng.integers(0, N_CUSTOMERS, N_EVENTS)
    item = (customer % 7 * 100 + rng.geometric(0.03, N_EVENTS)) % 700
    start = np.datetime64("now", "s") - np.timedelta64(182, "D")
    lines = pa.table(
        {
            "customer": np.char.add("c", customer.astype(str)),
            "item": np.char.add("i", item.astype(str)),
            "kind": np.full(N_EVENTS, "purchase"),
            "occurred_at": start + rng.integers(0, 181 * 86_400, N_EVENTS),
            "event_id": np.char.add("n", np.arange(N_EVENTS).astype(str)),
        }
    )
    path = folder / "crowd.csv"
    pyarrow.csv.write_csv(lines, path)
    job = importing.create_job("events", path, columns={})
    tasks.perform(job, importing.run_import)

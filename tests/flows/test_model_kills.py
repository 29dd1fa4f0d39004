"""A kill in a training, promotion, roll-back or refresh leaves no half-live model.

Real processes that die by SIGKILL at the very points between two writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from segmentation import tasks
from segmentation.models import AuditEntry, Job, ListRefresh, ModelRun
from segmentation.services import (
    artifacts,
    gating,
    jobs,
    keeping,
    refreshing,
    registry,
    training,
)
from tests import storefront
from tests.flows.model_kills import Dying
from tests.segmentation.services import behaviour

pytestmark = pytest.mark.slow

ARRAYS = ("owner_ids", "item_ids", "scores", "popular_ids")
PARAMS = {"min_lines": 3, "n_neighbors": 8}


@pytest.fixture
def dying(real_database) -> Iterator[Dying]:
    with Dying(real_database) as process:
        yield process


@pytest.fixture
def live(real_database) -> ModelRun:
    """A run that is live, trained by the world's last week."""
    storefront.start_afresh()
    behaviour.world()
    run = trained()
    gating.go_live(run)
    read_at = behaviour.START + timedelta(weeks=behaviour.WEEKS)
    ModelRun.objects.update(started_at=read_at)
    run.refresh_from_db()
    return run


def trained() -> ModelRun:
    run = queued()
    tasks.perform(run, training.train)
    run.refresh_from_db()
    return run


def queued() -> ModelRun:
    return training.create_run("item_knn", "discover", params=PARAMS)


def served() -> dict[str, np.ndarray]:
    """What another process would serve now, read from the disk."""
    registry.forget()
    lists = registry.live_lists("discover")
    assert lists is not None
    assert registry.live_model("discover") is not None
    return {name: np.array(getattr(lists, name)) for name in ARRAYS} | {
        "run": np.array(lists.run_id)
    }


def check_served(expected: dict[str, np.ndarray]) -> None:
    found = served()
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name
    assert ModelRun.objects.filter(stage="live").count() == 1


def lose_lease(job: Job) -> None:
    """As 20 s later: the sweep offers it, another worker takes it up."""
    job.refresh_from_db()
    assert job.status == Job.Status.RUNNING  # the kill struck inside
    past = timezone.now() - timedelta(seconds=1)
    type(job)._default_manager.filter(pk=job.pk).update(lease_until=past)
    assert job in jobs.sweep(timezone.now())


def check_no_orphans() -> None:
    """Once nobody may need them, exactly what rows name is left in the storage."""
    for name in artifacts.names():
        os.utime(artifacts.local_folder(name), (0, 0))
    keeping.sweep(timezone.now())
    rows = ModelRun.objects.values_list("artifact", "lists")
    assert set(artifacts.names()) == {name for pair in rows for name in pair if name}


def test_a_training_that_is_killed_leaves_the_live_run_and_is_done_by_another(
    live, dying
):
    before, run = served(), queued()
    for point in (
        "before the folder is published",
        "before the row names the folder",
        "before the row is done",
    ):
        dying.do("train", point, run.pk)
        check_served(before)
        with pytest.raises(jobs.Refused):
            registry.promote(run)  # half a run cannot go live
        lose_lease(run)
        ModelRun.objects.filter(pk=run.pk).update(lost_leases=0)
    tasks.perform(run, training.train)
    run.refresh_from_db()
    assert (run.status, run.attempts) == (Job.Status.DONE, 4)
    assert run.snapshot == live.snapshot
    for name in ARRAYS:  # of the same data as the live one, which nobody killed
        assert np.array_equal(getattr(registry.read_lists(run), name), before[name])
    check_served(before)
    check_no_orphans()


def test_a_promotion_or_a_way_back_that_is_killed_did_not_happen(live, dying):
    before = served()
    run, n_entries = trained(), AuditEntry.objects.count()
    for deed, way in (("promote", gating.go_live), ("roll_back", gating.roll_back)):
        dying.do(deed, "before the switch is committed", run.pk)
        check_served(before)
        assert AuditEntry.objects.count() == n_entries
        run.refresh_from_db()
        way(run)  # and is done when it is asked for again
        assert served()["run"] == run.pk
        before, n_entries = served(), n_entries + 1
        run = ModelRun.objects.get(stage="retired")


def test_a_refresh_that_is_killed_leaves_the_former_lists_and_is_done_by_another(
    live, dying
):
    before = served()
    source = storefront.source("shop")
    rows = [
        behaviour.purchase(f"c-{who:02}", "i-31", behaviour.WEEKS + 1, f"new-{who}")
        for who in range(0, 12, 2)
    ]
    behaviour.record(source, rows)
    [job] = refreshing.due(timezone.now())
    for point in (
        "before the folder is published",
        "before the row names the folder",
        "before the switch is committed",
    ):
        dying.do("refresh", point, job.pk)
        check_served(before)
        lose_lease(job)
        ListRefresh.objects.update(lost_leases=0)
    tasks.perform(job, refreshing.refresh)
    live.refresh_from_db()
    after = served()
    assert after["run"] == live.pk
    changed = (after["item_ids"] != before["item_ids"]).any(axis=1)
    whose = {behaviour.customer_id(f"c-{who:02}") for who in range(0, 12, 2)}
    assert set(after["owner_ids"][changed].tolist()) <= whose
    assert changed.any()
    check_no_orphans()
    check_served(after)

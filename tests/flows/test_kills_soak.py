"""Many kills at random moments, of every deed; ``make soak``, then ``docs/soak.md``."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from segmentation import frames, tasks
from segmentation.models import (
    Event,
    ImportJob,
    Job,
    Membership,
    ModelRun,
    SegmentSet,
)
from segmentation.services import importing, registry, segmenting, training
from tests import processes
from tests.flows import deeds
from tests.processes import until

pytestmark = pytest.mark.soak

SEED = 2026
N_IMPORT_KILLS, N_OTHER_KILLS = 20, 5


@pytest.fixture
def started(started: processes.Started) -> Iterator[processes.Started]:
    deeds.flush_broker()
    yield started
    deeds.kill_all(started)
    deeds.flush_broker()


def test_imports_killed_at_random_moments(real_database, started, note, tmp_path):
    path = deeds.write_events(tmp_path / "events.csv")
    undisturbed = deeds.Undisturbed(path)
    chance = random.Random(SEED)
    struck: list[str] = []
    while len(struck) < N_IMPORT_KILLS:
        job = deeds.queue_import(path)
        for _kill in range(2):
            moment = deeds.kill_at_random(started, job, "default", chance, 5.0)
            if moment is None:
                break
            struck.append(moment)
        last = deeds.worker(started)
        until(deeds.sweeping(lambda: deeds.is_over(job)), of=last)  # noqa: B023
        last.kill()
        undisturbed.check(job)
        Event.objects.all()._raw_delete(Event.objects.db)
        ImportJob.objects.all().delete()
    note("import of 300,000 events", len(struck), struck)


def test_trainings_killed_at_random_moments(real_database, started, note, tmp_path):
    _shopping(tmp_path)
    calm = _run()
    tasks.perform(calm, training.train)
    expected = _lists(calm)
    chance = random.Random(SEED)
    struck: list[str] = []
    while len(struck) < N_OTHER_KILLS:
        run = _run()
        tasks.hint(run)
        moment = deeds.kill_at_random(started, run, "train", chance, 1.0)
        struck += [moment] if moment else []
        last = deeds.worker(started, "train")
        until(deeds.sweeping(lambda: deeds.is_over(run)), of=last)  # noqa: B023
        last.kill()
        assert run.status == Job.Status.DONE, run.message
        assert run.snapshot == calm.snapshot
        found = _lists(run)
        assert np.array_equal(found.owner_ids, expected.owner_ids)
        same = np.mean(found.item_ids == expected.item_ids)
        assert same > 0.99  # sums of floats in another order may swap equals
    note("training (als)", len(struck), struck)


def test_segment_sets_killed_at_random_moments(real_database, started, note, tmp_path):
    _shopping(tmp_path)
    run = _run("taste")
    tasks.perform(run, training.train)
    registry.promote(run)
    calm = _segments()
    tasks.perform(calm, segmenting.build)
    expected = _members(calm)
    chance = random.Random(SEED)
    struck: list[str] = []
    while len(struck) < N_OTHER_KILLS:
        made = _segments()
        tasks.hint(made)
        moment = deeds.kill_at_random(started, made, made.queue, chance, 1.5)
        struck += [moment] if moment else []
        last = deeds.worker(started, made.queue)
        until(deeds.sweeping(lambda: deeds.is_over(made)), of=last)  # noqa: B023
        last.kill()
        assert made.status == Job.Status.DONE, made.message
        assert _members(made) == expected
        live = SegmentSet.objects.filter(stage=SegmentSet.Stage.LIVE)
        assert list(live) == [made]
    note("segment set (k-means)", len(struck), struck)


def _shopping(folder: Path) -> None:
    path = deeds.write_shopping(folder / "shopping.csv")
    job = importing.create_job("events", path, columns={})
    tasks.perform(job, importing.run_import)
    assert frames.interactions().num_rows > 10_000


def _run(purpose: str = "discover") -> ModelRun:
    return training.create_run("als", purpose, params={"n_factors": 16})


def _lists(run: ModelRun) -> registry.Lists:
    run.refresh_from_db()
    return registry.read_lists(run)


def _segments() -> SegmentSet:
    return segmenting.create_set("kmeans", params={"n_clusters": 4})


def _members(made: SegmentSet) -> set[tuple[int, int]]:
    rows = Membership.objects.filter(segment__segment_set=made)
    return set(rows.values_list("segment__label", "customer_id"))

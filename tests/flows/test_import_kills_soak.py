"""Many kills of imports and undos at random moments; ``make soak``, ``docs/soak.md``.

Every table that they write is compared, row by row, with what is there when nobody is
killed: events, claims on events of others, items, prices, customers, noted changes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segmentation import tasks
from segmentation.models import ImportJob, Job, UndoJob
from segmentation.services import importing
from tests import processes
from tests.flows import deeds
from tests.processes import until

pytestmark = pytest.mark.soak

SEED = 2026
N_KILLS, N_ROUNDS = 20, 6
N_LINES, N_BEFORE = 300_000, 120_000


@pytest.fixture
def started(started: processes.Started) -> Iterator[processes.Started]:
    deeds.flush_broker()
    yield started
    deeds.kill_all(started)
    deeds.flush_broker()


def test_item_imports_killed_at_random_moments(real_database, started, note, tmp_path):
    """Half of a catalogue that is there changes, a tenth of it is new."""
    first = deeds.write_items(tmp_path / "first.csv")
    more = deeds.write_items(tmp_path / "more.csv", changed=True)

    def world() -> ImportJob:
        deeds.empty_catalogue()
        _brought("items", first)
        return importing.create_job("items", more, columns={})

    struck = _killed(started, world, importing.run_import)
    note(f"import of {deeds.N_ITEMS:,} items", len(struck), struck)


def test_overlapping_imports_killed_at_random_moments(
    real_database, started, note, tmp_path
):
    """An export without ids, whose first lines came in with an earlier one."""
    before = deeds.write_order_lines(tmp_path / "june.csv", N_LINES, N_BEFORE)
    whole = deeds.write_order_lines(tmp_path / "july.csv", N_LINES)

    def world() -> ImportJob:
        deeds.empty_catalogue()
        _brought("events", before)
        return importing.create_job("events", whole, columns={})

    struck = _killed(started, world, importing.run_import)
    note(
        f"import of {N_LINES:,} events, {N_BEFORE:,} there before", len(struck), struck
    )


def test_undos_killed_at_random_moments(real_database, started, note, tmp_path):
    """An import whose first lines a later one brought too: they pass to that one."""
    whole = deeds.write_order_lines(tmp_path / "july.csv", N_LINES)
    part = deeds.write_order_lines(tmp_path / "june.csv", N_LINES, N_BEFORE)

    def world() -> UndoJob:
        deeds.empty_catalogue()
        first, _second = (_brought("events", each) for each in (whole, part))
        return importing.create_undo(first)

    struck = _killed(started, world, importing.run_undo)
    note(f"undo of {N_LINES:,} events", len(struck), struck)


def test_item_undos_killed_at_random_moments(real_database, started, note, tmp_path):
    """Former prices come back, new items go."""
    first = deeds.write_items(tmp_path / "first.csv")
    more = deeds.write_items(tmp_path / "more.csv", changed=True)

    def world() -> UndoJob:
        deeds.empty_catalogue()
        _first, second = (_brought("items", each) for each in (first, more))
        return importing.create_undo(second)

    struck = _killed(started, world, importing.run_undo)
    note(f"undo of {deeds.N_ITEMS:,} items", len(struck), struck)


def test_double_starts_and_flushed_brokers(real_database, started, note, tmp_path):
    """Two workers are told of one import several times, the broker is emptied at a
    random moment, and one of the two is killed at another."""
    before = deeds.write_order_lines(tmp_path / "june.csv", N_LINES, N_BEFORE)
    whole = deeds.write_order_lines(tmp_path / "july.csv", N_LINES)

    def world() -> ImportJob:
        deeds.empty_catalogue()
        _brought("events", before)
        return importing.create_job("events", whole, columns={})

    calm, expected, told = _undisturbed(world, importing.run_import)
    chance = random.Random(SEED)
    moments: list[str] = []
    n_struck = 0
    for _round in range(N_ROUNDS):
        job = world()
        both = [deeds.ready(deeds.worker(started)) for _worker in range(2)]
        for _time in range(4):
            tasks.hint(job)
        half = (calm.seconds or 1.0) / 2
        until_flushed, until_killed = (chance.uniform(0.0, half) for _each in range(2))
        time.sleep(until_flushed)
        deeds.flush_broker()
        time.sleep(until_killed)
        chance.choice(both).kill()
        moments.append(f"{until_flushed:.2f} + {until_killed:.2f} s")
        until(deeds.sweeping(lambda: deeds.is_over(job)))  # noqa: B023
        n_struck += job.attempts > 1
        deeds.kill_all(started)
        assert (job.status, _counts(job)) == (Job.Status.DONE, told), job.message
        deeds.check_equal(deeds.everything(), expected)
    note(f"{N_ROUNDS} double starts, broker emptied", n_struck, moments)


def _killed(
    started: processes.Started,
    world: Callable[[], Job],
    deed: Callable[[Job, object], None],
) -> list[str]:
    """Do a deed over and over, each time killed up to twice; when each kill came."""
    calm, expected, told = _undisturbed(world, deed)
    chance = random.Random(SEED)
    struck: list[str] = []
    while len(struck) < N_KILLS:
        job = world()
        tasks.hint(job)
        for _kill in range(2):
            moment = deeds.kill_at_random(
                started, job, "default", chance, calm.seconds or 1.0
            )
            if moment is None:
                break
            struck.append(moment)
        last = deeds.worker(started)
        until(deeds.sweeping(lambda: deeds.is_over(job)), of=last)  # noqa: B023
        last.kill()
        assert (job.status, _counts(job)) == (Job.Status.DONE, told), job.message
        deeds.check_equal(deeds.everything(), expected)
    return struck


def _undisturbed(world: Callable[[], Job], deed: Callable) -> tuple[Job, dict, dict]:
    """The deed done once in peace: its row, all tables after it, and its counts."""
    calm = world()
    tasks.perform(calm, deed)
    counts = _counts(calm)
    return calm, deeds.everything(), counts


def _brought(kind: str, path: Path) -> ImportJob:
    job = importing.create_job(kind, path, columns={})
    tasks.perform(job, importing.run_import)
    return job


def _counts(job: Job) -> dict[str, object]:
    job.refresh_from_db()
    names = [f.name for f in job._meta.concrete_fields if f.name.startswith("rows_")]
    return {name: getattr(job, name) for name in names}

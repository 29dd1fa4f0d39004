"""Workers killed inside an import of items and inside an undo: the same tables after.

The kill of an import of events is in ``test_kills``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from segmentation import tasks
from segmentation.models import Event, ImportJob, Item, ItemChange, Job, UndoJob
from segmentation.services import importing
from segmentation.services.importing import applying
from tests import processes
from tests.flows import deeds
from tests.processes import until

pytestmark = pytest.mark.slow

# One whole chunk and a small one: a kill after the first falls into the work.
N_ITEMS = applying.APPLY_ROWS * 6 // 5
# Three steps of an undo on SQLite; on PostgreSQL where they lie as ``thinly`` says.
N_EVENTS, N_IN_BOTH = 60_000, 20_000


@pytest.fixture
def started(started: processes.Started) -> Iterator[processes.Started]:
    deeds.flush_broker()
    yield started
    deeds.kill_all(started)
    deeds.flush_broker()


def test_a_killed_import_of_items_is_finished_by_another_worker(
    real_database, started, tmp_path
):
    worker = deeds.worker(started)  # it starts while the first file comes in
    first = deeds.write_items(tmp_path / "first.csv", n=N_ITEMS)
    more = deeds.write_items(tmp_path / "more.csv", changed=True, n=N_ITEMS)
    bring_in("items", first)
    before = deeds.catalogue()
    job = importing.create_job("items", more, columns={})
    tasks.hint(job)
    second = started_beside(started, job, worker)
    until(lambda: deeds.is_writing(job), of=worker)
    worker.kill()
    job.refresh_from_db()
    assert job.status == Job.Status.RUNNING
    assert job.chunks_applied == 1
    assert 0.05 < job.chunks_applied * applying.APPLY_ROWS / N_ITEMS < 0.95
    until(deeds.sweeping(lambda: deeds.is_over(job)), of=second)
    assert (job.status, job.attempts) == (Job.Status.DONE, 2)
    found, counted = deeds.catalogue(), deeds.counts(job)

    # What is remembered of it is whole as well: it can be taken back.
    undo = take_back(job)
    assert (undo.rows_removed, undo.rows_kept) == (job.rows_new, 0)
    assert undo.rows_restored == job.rows_updated
    assert deeds.catalogue().equals(before)
    assert Item.objects.count() == ItemChange.objects.count() == N_ITEMS

    # The same file in peace, upon the same items: the same rows and counts.
    calm = bring_in("items", more)
    assert deeds.counts(calm) == counted
    assert deeds.catalogue().equals(found)


@pytest.fixture
def thinly(real_database) -> Iterator[None]:
    """PostgreSQL keeps few events in a block, so that a few events are many steps."""
    table = Event._meta.db_table
    is_postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        if is_postgres:
            cursor.execute(f"ALTER TABLE {table} SET (fillfactor = 20)")
        yield
        if is_postgres:
            cursor.execute(f"ALTER TABLE {table} RESET (fillfactor)")


def test_a_killed_undo_is_finished_by_another_worker(thinly, started, tmp_path):
    worker = deeds.worker(started)  # it starts while the files come in
    path = deeds.write_events(tmp_path / "events.csv", n=N_EVENTS)
    part = deeds.write_events(tmp_path / "part.csv", n=N_IN_BOTH)
    calm = bring_in("events", path)
    bring_in("events", part)
    whole = take_back(calm)
    expected, told = deeds.state(), counts_of(whole)
    deeds.empty_catalogue()

    job = bring_in("events", path)
    bring_in("events", part)
    undo = importing.create_undo(job)
    tasks.hint(undo)
    with last_event_held():
        until(lambda: is_removing(undo), of=worker)
        worker.kill()
    second = deeds.worker(started)
    undo.refresh_from_db()
    assert undo.status == Job.Status.RUNNING
    share = undo.progress_done / undo.progress_total
    assert 0.05 < share < 0.95
    until(deeds.sweeping(lambda: deeds.is_over(undo)), of=second)
    assert (undo.status, undo.attempts) == (Job.Status.DONE, 2)
    assert counts_of(undo) == told
    found = deeds.state()
    assert all(found[n].equals(expected[n]) for n in expected.column_names)
    job.refresh_from_db()
    assert job.undone_at is not None


@contextmanager
def last_event_held() -> Iterator[None]:
    """On PostgreSQL the last step waits for us: so few are taken back in no time."""
    if connection.vendor != "postgresql":
        yield
        return
    table = Event._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {table} ORDER BY ctid DESC LIMIT 1 FOR UPDATE")
        yield


def started_beside(
    started: processes.Started, job: Job, worker: processes.Process
) -> processes.Process:
    """A second worker, which starts while the first works on what it took up."""
    until(lambda: deeds.is_running(job), of=worker)
    return deeds.worker(started)


def bring_in(kind: str, path) -> ImportJob:
    job = importing.create_job(kind, path, columns={})
    tasks.perform(job, importing.run_import)
    job.refresh_from_db()
    return job


def take_back(job: ImportJob) -> UndoJob:
    undo = importing.create_undo(job)
    tasks.perform(undo, importing.run_undo)
    undo.refresh_from_db()
    return undo


def counts_of(undo: UndoJob) -> tuple:
    return undo.rows_removed, undo.rows_restored, undo.rows_kept, undo.kept


def is_removing(undo: UndoJob) -> bool:
    undo.refresh_from_db()
    assert not deeds.is_over(undo), undo.message
    return undo.rows_removed > 0 and undo.progress_done > 0.05 * undo.progress_total

"""Imports that are killed, fail, lose their lease or wait for each other."""

from __future__ import annotations

import contextlib
import shutil

import pytest

from segmentation import frames, tasks
from segmentation.models import Customer, Event, Identity, ImportJob, Item
from segmentation.services import catalog, events, importing, jobs
from segmentation.services.importing import applying, pacing, reading, staging
from tests.segmentation.services.imports import (
    LINES,
    SALES,
    bring_in,
    counts,
    queue,
    write,
)

pytestmark = pytest.mark.django_db


def test_what_an_unfinished_import_brought_is_not_there_yet(tmp_path):
    job = bring_in("events", write(tmp_path, LINES), SALES)
    assert frames.interactions().num_rows == 3
    for status in (ImportJob.Status.RUNNING, ImportJob.Status.FAILED):
        ImportJob.objects.filter(pk=job.pk).update(status=status)
        assert frames.interactions().num_rows == 0


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_what_a_failed_import_left_comes_in_with_the_next(status, tmp_path):
    path = write(tmp_path, LINES)
    failed = bring_in("events", path, SALES)
    ImportJob.objects.filter(pk=failed.pk).update(status=status)
    assert counts(bring_in("events", path, SALES, dry_run=True))[0] == 3
    again = bring_in("events", path, SALES)
    assert counts(again) == (3, 0, 0, 0, 0, 0)
    assert frames.interactions().num_rows == 3
    assert set(Event.objects.values_list("import_id", flat=True)) == {again.pk}


def small_chunks(monkeypatch):
    monkeypatch.setattr(applying, "APPLY_ROWS", 2)
    monkeypatch.setattr(applying, "CUSTOMER_ROWS", 2)


def many(n: int = 7) -> str:
    header = LINES.splitlines()[0]
    rows = [f"c-{i},tea,2017-01-{i + 1:02},1,1.5,b-{i}" for i in range(n)]
    return "\n".join([header, *rows]) + "\n"


class Killed(BaseException):
    """What a SIGTERM does to a worker in the middle of a chunk."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("n_chunks", range(1, 5))
def test_a_killed_import_loses_no_row_whatever_its_pace_was(
    n_chunks, tmp_path, monkeypatch
):
    monkeypatch.setattr(applying, "APPLY_ROWS", 3)
    monkeypatch.setattr(pacing, "FIRST_ROWS", 1)
    monkeypatch.setattr(pacing, "LEAST_ROWS", 1)
    job = queue("events", write(tmp_path, many()), SALES)
    with monkeypatch.context() as patched:
        patched.setattr(events, "insert", dying_after(n_chunks))
        with contextlib.suppress(Killed), jobs.hold(job) as held:
            importing.run_import(job, held)
    job.refresh_from_db()
    if job.status != "done":  # PostgreSQL has no pace, and less chunks
        monkeypatch.setattr(pacing, "FIRST_ROWS", 2)
        with jobs.hold(job) as held:
            importing.run_import(job, held)
    assert (job.rows_new, job.rows_duplicate) == (7, 0)
    assert Event.objects.count() == 7


def dying_after(n_chunks: int):
    insert, inserted = events.insert, []

    def insert_or_die(staging_name, **options):
        if len(inserted) == n_chunks:
            raise Killed
        inserted.append(1)
        return insert(staging_name, **options)

    return insert_or_die


@pytest.mark.django_db(transaction=True)
def test_a_killed_import_goes_on_after_its_last_chunk(tmp_path, monkeypatch):
    small_chunks(monkeypatch)
    job = queue("events", write(tmp_path, many()), SALES)
    insert, inserted = events.insert, []

    def struck(staging_name, **options):
        if len(inserted) == 2:
            raise Killed
        inserted.append(1)
        return insert(staging_name, **options)

    monkeypatch.setattr(events, "insert", struck)
    with pytest.raises(Killed), jobs.hold(job) as held:
        importing.run_import(job, held)
    job.refresh_from_db()
    assert (job.chunks_applied, job.rows_new, Event.objects.count()) == (2, 4, 4)
    assert frames.interactions().num_rows == 0

    def never(*_arguments):
        raise AssertionError("the staged file is there; it is not read again")

    monkeypatch.setattr(events, "insert", insert)
    monkeypatch.setattr(reading, "open_file", never)
    with jobs.hold(job) as held:
        importing.run_import(job, held)
    job.refresh_from_db()
    assert counts(job) == (7, 0, 0, 0, 0, 0)
    assert frames.interactions().num_rows == 7


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_after_the_last_chunk_does_not_fail_the_import(tmp_path):
    job = queue("events", write(tmp_path, LINES), SALES)
    with pytest.raises(Killed), jobs.hold(job) as held:
        importing.run_import(job, held)
        raise Killed
    with jobs.hold(job) as held:
        importing.run_import(job, held)
    job.refresh_from_db()
    assert (job.status, counts(job)) == ("done", (3, 0, 0, 0, 0, 0))


def test_a_worker_that_lost_its_lease_does_not_touch_the_staged_file(
    tmp_path, monkeypatch
):
    job = queue("events", write(tmp_path, LINES), SALES)
    report = staging.Tally.report

    def lost_meanwhile(self):
        ImportJob.objects.filter(pk=job.pk).update(fence=job.fence + 1)
        return report(self)

    monkeypatch.setattr(staging.Tally, "report", lost_meanwhile)
    with pytest.raises(jobs.LostLease), jobs.hold(job) as held:
        staging.stage(job, held)
    assert not any(staging.folder_of(job).iterdir())


@pytest.mark.parametrize("kind", ["events", "customers"])
def test_a_worker_that_lost_its_lease_makes_no_item_and_no_customer(
    kind, tmp_path, monkeypatch
):
    text = "customer,item,kind,occurred_at\na,tea,view,2026-01-01\n"
    job = queue(kind, write(tmp_path, text))
    module, name = (events, "look_up") if kind == "events" else (catalog, "customers")
    look = getattr(module, name)

    def late(*asked, **by):
        ImportJob.objects.filter(pk=job.pk).update(fence=99)  # another has it
        return look(*asked, **by)

    monkeypatch.setattr(module, name, late)
    with pytest.raises(jobs.LostLease):
        tasks.perform(job, importing.run_import)
    assert not Item.objects.exists() and not Identity.objects.exists()
    assert not Customer.objects.exists()


def test_files_of_an_earlier_job_with_the_same_number_are_not_taken(tmp_path):
    old = queue("events", write(tmp_path, LINES), SALES)
    with jobs.hold(old) as held:
        staging.stage(old, held)
    job = queue("events", write(tmp_path, many()), SALES)
    folder = staging.folder_of(job)
    shutil.copytree(staging.folder_of(old), folder, dirs_exist_ok=True)
    with jobs.hold(job) as held:
        importing.run_import(job, held)
    assert job.rows_read == 7


def test_small_chunks_give_the_same_counts(tmp_path, monkeypatch):
    small_chunks(monkeypatch)
    assert counts(bring_in("events", write(tmp_path, many()), SALES))[0] == 7
    text = "customer,name\n" + "".join(f"c-{i % 6},{i}\n" for i in range(8))
    assert counts(bring_in("customers", write(tmp_path, text))) == (0, 6, 0, 2, 0, 0)
    text = "item,title\n" + "".join(f"i-{i % 6},{i}\n" for i in range(8))
    tried = bring_in("items", write(tmp_path, text), dry_run=True)
    assert counts(tried) == (6, 0, 0, 2, 0, 0)
    assert counts(bring_in("items", write(tmp_path, text))) == counts(tried)


def test_two_files_of_a_source_write_one_after_the_other(tmp_path):
    first, second = (
        queue("events", write(tmp_path, LINES, f"{name}.csv"), SALES)
        for name in ("first", "second")
    )
    with jobs.hold(first) as held:
        importing.run_import(first, held)
        with pytest.raises(jobs.GivenBack), jobs.hold(second) as other:
            importing.run_import(second, other)
    second.refresh_from_db()
    assert second.status == ImportJob.Status.QUEUED
    assert "another file" in second.message
    with jobs.hold(second) as other:
        importing.run_import(second, other)
    assert (first.rows_new, second.rows_new, second.rows_duplicate) == (3, 0, 3)


def test_the_turn_of_a_failed_import_is_free_and_its_rows_are_taken_over(tmp_path):
    failed = queue("events", write(tmp_path, LINES), SALES)
    with pytest.raises(jobs.Refused), jobs.hold(failed) as held:
        importing.run_import(failed, held)
        raise jobs.Refused("the disk is full")
    assert bring_in("events", write(tmp_path, LINES), SALES).rows_new == 3
    assert len(frames.interactions()) == 3

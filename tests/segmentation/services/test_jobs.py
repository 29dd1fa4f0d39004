"""Lease, fence, heartbeat, cancel and sweep, without processes or a broker."""

from __future__ import annotations

import datetime as dt
import mmap
import os
import signal
import threading
import time

import pytest
from django.db import InternalError, OperationalError, connection, transaction
from django.utils import timezone

from segmentation import tasks
from segmentation.models import ImportJob, Job, Notice, Source
from segmentation.services import jobs, stopping
from tests.processes import until

Status = Job.Status


@pytest.fixture
def job(real_database) -> ImportJob:
    return make_job()


def make_job(**fields) -> ImportJob:
    source, _created = Source.objects.get_or_create(name="shop")
    return ImportJob.objects.create(kind="events", source=source, path="x", **fields)


def lose_lease(job: ImportJob) -> None:
    """What a worker that was killed leaves, once its lease is over."""
    ImportJob.objects.filter(pk=job.pk).update(
        lease_until=timezone.now() - dt.timedelta(seconds=1)
    )


def claimed(job: ImportJob) -> jobs.Held:
    """A claim whose worker neither beats nor ends: it was killed."""
    mine = ImportJob.objects.get(pk=job.pk)
    return jobs.Held(mine, jobs._claim(mine))


def wanted(seconds_later: float = 0.0) -> list[int]:
    now = timezone.now() + dt.timedelta(seconds=seconds_later)
    return [job.pk for job in jobs.sweep(now)]


# Claiming ----------------------------------------------------------------------------


def test_of_many_workers_at_one_row_one_wins(job):
    together = threading.Barrier(8)
    outcomes = []

    def work() -> None:
        mine = ImportJob.objects.get(pk=job.pk)
        together.wait()
        try:
            with jobs.hold(mine) as held:
                outcomes.append(held.fence)
                time.sleep(0.5)
        except jobs.Taken:
            outcomes.append("taken")
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [1, *["taken"] * 7]
    job.refresh_from_db()
    assert (job.status, job.attempts, job.lost_leases) == (Status.DONE, 1, 0)


def test_a_row_that_is_over_or_held_cannot_be_claimed(job):
    for status in (Status.DONE, Status.FAILED, Status.CANCELLED, Status.DRAFT):
        with pytest.raises(jobs.Taken):
            claimed(make_job(status=status))
    claimed(job)
    with pytest.raises(jobs.Taken):
        claimed(job)


def test_a_lease_that_ran_out_is_taken_over_and_counted(job):
    first = claimed(job)
    lose_lease(job)
    second = claimed(job)
    job.refresh_from_db()
    assert second.fence == first.fence + 1
    assert (job.attempts, job.lost_leases) == (2, 1)


def test_a_hint_for_a_row_that_another_holds_changes_nothing(job):
    claimed(job)
    with pytest.raises(jobs.Taken):
        tasks.run_import(job.pk)
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Status.RUNNING, 1)


def test_a_hint_for_a_deleted_row_is_no_error(job):
    job.delete()
    tasks.run_import(10**6)
    tasks.train_model(10**6)
    tasks.build_segments(10**6)


# The fence ---------------------------------------------------------------------------


def test_rows_written_under_an_old_fence_are_rolled_back(job):
    old = claimed(job)
    lose_lease(job)
    claimed(job)
    with pytest.raises(jobs.LostLease), transaction.atomic():
        Source.objects.create(name="written too late")
        old.guard()
    assert not Source.objects.filter(name="written too late").exists()
    for write in (
        lambda: old.write(rows_new=7),
        lambda: old.progress(7, 10),
        lambda: old.finish(Status.DONE),
    ):
        with pytest.raises(jobs.LostLease):
            write()
    old.release()
    job.refresh_from_db()
    assert (job.status, job.rows_new, job.fence) == (Status.RUNNING, 0, 2)


def test_a_worker_that_lost_its_lease_cannot_finish_and_says_nothing(job):
    with pytest.raises(jobs.LostLease), jobs.hold(job):
        lose_lease(job)
        claimed(job)
    job.refresh_from_db()
    assert job.status == Status.RUNNING
    assert not Notice.objects.exists()


def test_one_lost_write_ends_the_worker_even_if_the_fence_fits_again(job):
    held = claimed(job)
    ImportJob.objects.filter(pk=job.pk).update(status=Status.QUEUED)
    with pytest.raises(jobs.LostLease):
        held.write(rows_new=1)
    ImportJob.objects.filter(pk=job.pk).update(status=Status.RUNNING)
    with pytest.raises(jobs.LostLease):
        held.write(rows_new=1)


@pytest.mark.slow
def test_a_worker_that_is_stopped_in_a_transaction_keeps_nobody_waiting(
    job, monkeypatch
):
    """PostgreSQL ends its transaction, or the row's lock would stop every claim.

    On SQLite the file itself waits, and all that can be asked is that work goes on.
    """
    monkeypatch.setattr(jobs, "LEASE_SECONDS", 0.5)
    held = claimed(job)  # without a heart: that was stopped too
    other = threading.Thread(target=_claim_and_leave, args=(job,))
    try:
        with transaction.atomic():
            Source.objects.create(name="never committed")
            held.guard()
            time.sleep(1.0)
            other.start()
            other.join(0.2 if connection.vendor == "sqlite" else 5)
            waited = other.is_alive()
            Source.objects.count()
            transaction.set_rollback(True)
    except InternalError as error:
        assert "idle-in-transaction" in str(error)
    other.join()
    assert waited == (connection.vendor == "sqlite")
    job.refresh_from_db()
    assert (job.status, job.fence) == (Status.RUNNING, 2)
    assert not Source.objects.filter(name="never committed").exists()


def _claim_and_leave(job: ImportJob) -> None:
    try:
        claimed(job)
    finally:
        connection.close()


# The heart ---------------------------------------------------------------------------


# Progress ----------------------------------------------------------------------------


# How it ends -------------------------------------------------------------------------


def test_a_refusal_is_written_as_its_sentence_and_noticed(job):
    with pytest.raises(jobs.Refused), jobs.hold(job):
        raise jobs.Refused("The file is empty.")
    job.refresh_from_db()
    assert (job.status, job.message) == (Status.FAILED, "The file is empty.")
    notice = Notice.objects.get()
    assert (notice.level, notice.text) == (Notice.Level.ERROR, "The file is empty.")
    assert notice.link == f"segmentation:importjob:{job.pk}"


def test_an_accident_is_written_and_let_through(job):
    with pytest.raises(ZeroDivisionError), jobs.hold(job):
        raise ZeroDivisionError("by zero")
    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert "by zero" in job.message
    assert Notice.objects.count() == 1


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
def test_a_process_that_ends_gives_the_job_back(job, end):
    ImportJob.objects.filter(pk=job.pk).update(hinted_at=timezone.now())
    with pytest.raises(end), jobs.hold(job):
        raise end
    job.refresh_from_db()
    assert (job.status, job.lost_leases, job.holder) == (Status.QUEUED, 0, "")
    assert wanted() == [job.pk]
    assert claimed(job).fence == 2


@pytest.fixture
def untold(monkeypatch) -> None:
    """This process hears, but it is not really ended."""
    monkeypatch.setattr(stopping, "_told", mmap.mmap(-1, 1))


def test_a_sigterm_gives_the_job_back_at_its_next_step_and_costs_no_lease(job, untold):
    mine = ImportJob.objects.get(pk=job.pk)
    with pytest.raises(jobs.ToldToEnd, match="another takes"), jobs.hold(mine) as held:
        held.progress(1, 10)
        os.kill(os.getpid(), signal.SIGTERM)
        held.progress(2, 10)
    job.refresh_from_db()
    assert (job.status, job.lost_leases, job.holder) == (Status.QUEUED, 0, "")
    assert wanted() == [job.pk]
    with pytest.raises(jobs.ToldToEnd), jobs.hold(mine):
        pass  # who is ending takes up nothing new
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_deed_that_does_not_hear_is_let_go_by_its_heart(job, untold, monkeypatch):
    monkeypatch.setattr(jobs, "LET_GO_SECONDS", 0.4)
    mine = ImportJob.objects.get(pk=job.pk)
    with pytest.raises(jobs.LostLease), jobs.hold(mine) as held:
        stopping.tell()
        until(lambda: ImportJob.objects.get(pk=job.pk).status == Status.QUEUED)
        held.guard()
    job.refresh_from_db()
    assert (job.status, job.lost_leases) == (Status.QUEUED, 0)
    assert wanted() == [job.pk]


def test_a_database_that_goes_away_leaves_the_job_to_the_next_worker(job):
    """A server that restarts is no reason to fail: nothing is written, nor noticed."""
    with pytest.raises(jobs.LostLease, match="database went away"), jobs.hold(job):
        connection.close()
        raise OperationalError("the server closed the connection unexpectedly")
    job.refresh_from_db()
    assert (job.status, job.fence) == (Status.RUNNING, 1)
    lose_lease(job)
    assert wanted() == [job.pk]
    assert not Notice.objects.exists()


def test_a_statement_that_the_database_refuses_fails_the_job(job):
    with pytest.raises(Exception, match="no_such_table"), jobs.hold(job):
        connection.cursor().execute("SELECT * FROM no_such_table")
    job.refresh_from_db()
    assert job.status == Status.FAILED


# Cancel ------------------------------------------------------------------------------


def test_a_waiting_job_is_cancelled_at_once(job):
    jobs.request_cancel(job)
    job.refresh_from_db()
    assert (job.status, job.message) == (
        Status.CANCELLED,
        "Cancelled before it started.",
    )
    with pytest.raises(jobs.Taken):
        claimed(job)


def test_a_running_job_stops_at_its_next_step(job):
    with pytest.raises(jobs.Cancelled), jobs.hold(job) as held:
        held.progress(1, 10)
        jobs.request_cancel(ImportJob.objects.get(pk=job.pk))
        assert ImportJob.objects.get(pk=job.pk).status == Status.RUNNING
        held.progress(10, 10)
    job.refresh_from_db()
    assert (job.status, job.message) == (Status.CANCELLED, "Cancelled.")
    assert job.finished_at is not None
    assert not Notice.objects.exists()


def test_a_wish_to_stop_outlives_the_worker(job):
    """Asked while a worker ran it, killed before it heard: it is not done again."""
    claimed(job)
    jobs.request_cancel(job)
    for _lost in range(3):
        ImportJob.objects.filter(pk=job.pk).update(lost_leases=2)
        lose_lease(job)
    assert wanted() == [job.pk]  # not given up as killed: it was to stop anyway
    with pytest.raises(jobs.Cancelled), jobs.hold(job):
        raise AssertionError("it must not start")
    job.refresh_from_db()
    assert job.status == Status.CANCELLED


def test_a_wish_that_crosses_with_a_worker_giving_it_back_is_kept(job, monkeypatch):
    """RUNNING when the first update looks, QUEUED when the second does."""
    held = claimed(job)
    cancel_then = type(ImportJob.objects.all()).update

    def slow_update(rows, **fields):
        done = cancel_then(rows, **fields)
        if "cancel_requested" in fields:
            held.release()
        return done

    monkeypatch.setattr(type(ImportJob.objects.all()), "update", slow_update)
    jobs.request_cancel(job)
    job.refresh_from_db()
    assert job.status == Status.CANCELLED


def test_what_is_over_stays_as_it_ended(job):
    ImportJob.objects.filter(pk=job.pk).update(status=Status.DONE)
    jobs.request_cancel(job)
    job.refresh_from_db()
    assert (job.status, job.cancel_requested) == (Status.DONE, False)


# The sweep ---------------------------------------------------------------------------


# Hints -------------------------------------------------------------------------------

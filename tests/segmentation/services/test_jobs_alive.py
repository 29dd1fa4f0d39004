"""A heart lengthens the lease of a deed that works; progress tells how far it is."""

from __future__ import annotations

import datetime as dt
import threading
import time

import pytest
from django.db import connection
from django.utils import timezone

from segmentation.models import ImportJob, Job
from segmentation.services import jobs
from tests.processes import until
from tests.segmentation.services.test_jobs import claimed, lose_lease, make_job

Status = Job.Status


@pytest.fixture
def job(real_database) -> ImportJob:
    return make_job()


@pytest.fixture
def short_lease(monkeypatch) -> None:
    monkeypatch.setattr(jobs, "LEASE_SECONDS", 0.8)
    monkeypatch.setattr(jobs, "STALL_SECONDS", 60.0)


@pytest.mark.slow
def test_the_lease_is_lengthened_while_the_deed_works(job, short_lease):
    with jobs.hold(job) as held:
        for done in range(10):
            held.progress(done, 10)
            time.sleep(0.2)
        with pytest.raises(jobs.Taken):
            claimed(job)
        row = ImportJob.objects.get(pk=job.pk)
        assert row.lease_until > timezone.now()
        assert row.heartbeat_at > row.started_at + dt.timedelta(seconds=1)
        assert row.peak_memory_mb > 10
    job.refresh_from_db()
    assert (job.status, job.lease_until) == (Status.DONE, None)


@pytest.mark.slow
def test_a_beating_heart_without_progress_is_dead(job, short_lease, monkeypatch):
    monkeypatch.setattr(jobs, "STALL_SECONDS", 0.3)
    with pytest.raises(jobs.LostLease), jobs.hold(job) as held:
        time.sleep(1.6)
        assert claimed(job).fence == 2
        held.progress(1, 10)


@pytest.mark.slow
def test_a_deed_that_wakes_up_before_another_takes_it_goes_on(
    job, short_lease, monkeypatch
):
    monkeypatch.setattr(jobs, "STALL_SECONDS", 0.3)
    with jobs.hold(job) as held:
        time.sleep(1.2)
        assert ImportJob.objects.get(pk=job.pk).lease_until < timezone.now()
        monkeypatch.setattr(jobs, "STALL_SECONDS", 60.0)
        held.progress(1, 10)
        time.sleep(0.5)
        assert ImportJob.objects.get(pk=job.pk).lease_until > timezone.now()
    job.refresh_from_db()
    assert job.status == Status.DONE


def test_the_heart_sees_that_another_took_over(job, short_lease):
    with pytest.raises(jobs.LostLease), jobs.hold(job) as held:
        ImportJob.objects.filter(pk=job.pk).update(fence=99)
        assert held.lost.wait(5)
        held.progress(1, 10)


@pytest.mark.slow
def test_the_heart_leaves_no_thread_and_no_connection(job, short_lease):
    n_threads = threading.active_count()
    for _turn in range(6):
        with jobs.hold(make_job()):
            time.sleep(0.3)  # at least one beat
    assert threading.active_count() == n_threads
    # SQLite keeps the file of a closed connection open for the next one, and a server
    # takes a moment to end a session: not more than that.
    until(lambda: n_connections() <= 2, seconds=5)


def n_connections() -> int:
    if connection.vendor == "sqlite":
        import psutil

        path = str(connection.settings_dict["NAME"])
        opened = psutil.Process().open_files()
        return sum(file.path == path for file in opened)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend'"
        )
        return cursor.fetchone()[0]


def test_progress_is_written_twice_a_second_at_most(job, django_assert_max_num_queries):
    held = claimed(job)
    with django_assert_max_num_queries(2 * 3):
        for done in range(2000):
            held.progress(done, 100_000)
    held.progress(100_000, 100_000)
    job.refresh_from_db()
    assert (job.progress_done, job.progress_total) == (100_000, 100_000)


def test_a_new_message_is_written_at_once(job):
    held = claimed(job)
    held.progress(1, 10, message="Reading", unit="rows")
    held.progress(2, 10, message="Writing")
    job.refresh_from_db()
    assert (job.message, job.progress_done, job.progress_unit) == ("Writing", 2, "rows")


def test_rate_and_time_left_are_those_of_the_present_count():
    start = timezone.now()
    job = ImportJob(
        status=Status.RUNNING,
        started_at=start - dt.timedelta(seconds=100),
        progress_since=start,
        worked_at=start + dt.timedelta(seconds=10),
        progress_from=600,
        progress_done=800,
        progress_total=1000,
    )
    assert job.rate == pytest.approx(20)
    assert job.seconds_left == pytest.approx(10)
    job.progress_total = 0  # nobody knows how much there is
    assert job.seconds_left is None
    job.progress_done = 600
    assert job.rate is None


def test_what_an_earlier_attempt_did_does_not_count_as_speed(job, monkeypatch):
    monkeypatch.setattr(jobs, "REPORT_SECONDS", 0.0)
    claimed(job).progress(900, 1000)
    lose_lease(job)
    held = claimed(job)
    held.progress(900, 1000)
    time.sleep(0.5)
    held.progress(905, 1000)
    job.refresh_from_db()
    assert 2 < job.rate < 10.5
    held.progress(0, 50, message="the next phase")
    job.refresh_from_db()
    assert (job.rate, job.progress_from) == (None, 0)

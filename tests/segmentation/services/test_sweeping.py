"""What waits or was left is offered again, and a hint is only a hint."""

from __future__ import annotations

import datetime as dt
import time

import celery
import pytest
from django.db import transaction
from django.utils import timezone

from segmentation import clock, tasks
from segmentation.models import ImportJob, Job, Notice
from segmentation.services import jobs
from tests.segmentation.services.test_jobs import claimed, lose_lease, make_job, wanted

Status = Job.Status


@pytest.fixture
def job(real_database) -> ImportJob:
    return make_job()


def test_the_sweep_offers_what_was_never_offered(job):
    assert wanted() == [job.pk]


def test_what_was_offered_is_offered_again_after_a_while(job):
    ImportJob.objects.filter(pk=job.pk).update(hinted_at=timezone.now())
    assert wanted() == []
    assert wanted(jobs.HINT_AGAIN_SECONDS + 1) == [job.pk]


def test_a_lost_lease_is_offered_at_once_and_then_not_all_the_time(job):
    ImportJob.objects.filter(pk=job.pk).update(hinted_at=timezone.now())
    claimed(job)
    assert wanted() == []
    over = jobs.LEASE_SECONDS + 1
    assert wanted(over) == [job.pk]
    ImportJob.objects.filter(pk=job.pk).update(
        hinted_at=timezone.now() + dt.timedelta(seconds=over)
    )
    assert wanted(over + 3) == []
    assert wanted(over + jobs.HINT_AGAIN_SECONDS + 1) == [job.pk]


def test_a_long_queue_is_not_offered_as_a_whole_again_and_again(real_database):
    long_ago = timezone.now() - dt.timedelta(hours=1)
    made = [make_job(hinted_at=long_ago).pk for _number in range(30)]
    assert wanted() == made[: jobs.HINTS_AHEAD]
    ImportJob.objects.filter(pk__in=wanted()).update(hinted_at=timezone.now())
    assert wanted() == []  # the head of the queue has its hints: the rest waits
    ImportJob.objects.filter(pk__in=made[:3]).update(status=Status.DONE)
    assert wanted() == made[jobs.HINTS_AHEAD : jobs.HINTS_AHEAD + 3]


def test_who_lost_three_leases_fails_and_says_so(job):
    for n_lost in range(jobs.MAX_LOST_LEASES):
        held = claimed(job)
        held.progress(10, 100, message="Writing events")
        ImportJob.objects.filter(pk=job.pk).update(peak_memory_mb=437)
        lose_lease(job)
        if n_lost < jobs.MAX_LOST_LEASES - 1:
            assert wanted() == [job.pk]
    with pytest.raises(jobs.Taken):  # a late hint must not give it a fourth life
        claimed(job)
    assert wanted() == []
    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert job.message == (
        "It was killed 3 times, the last time at “Writing events”; "
        "peak memory 437 MB. It is not tried again by itself."
    )
    assert Notice.objects.get().text == job.message
    with pytest.raises(jobs.Taken):
        claimed(job)
    with pytest.raises(jobs.LostLease):
        held.write(rows_new=1)


def test_the_sweep_leaves_ends_and_drafts_alone(real_database):
    for status in (Status.DONE, Status.FAILED, Status.CANCELLED, Status.DRAFT):
        make_job(status=status)
    assert wanted(10_000) == []


def test_a_hint_leaves_only_when_the_row_is_committed(job, monkeypatch):
    sent = []
    monkeypatch.setattr(
        tasks.current_app, "send_task", lambda name, **how: sent.append((name, how))
    )
    with transaction.atomic():
        tasks.hint(job)
        assert sent == []
    (name, how), *rest = sent
    assert (name, how["args"], how["queue"]) == (ImportJob.task, [job.pk], "default")
    assert how["expires"] > jobs.HINT_AGAIN_SECONDS
    assert rest == []
    job.refresh_from_db()
    assert job.hinted_at is not None


def test_a_broker_that_is_down_is_no_failure(job, monkeypatch, settings, caplog):
    usual = celery.current_app._get_current_object()
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    down = clock.make_app("down")
    usual.set_current()
    monkeypatch.setattr(tasks, "current_app", down)
    started = time.monotonic()
    tasks.hint(job)
    assert time.monotonic() - started < 2  # a person waits for the page
    assert "waits for the sweep" in caplog.text
    assert wanted(jobs.HINT_AGAIN_SECONDS + 1) == [job.pk]

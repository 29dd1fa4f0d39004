"""Whatever is killed, frozen or emptied: nothing is lost, nothing is done twice."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from segmentation import frames, tasks
from segmentation.models import Event, ImportJob, Job, Notice, Source
from segmentation.services import importing, jobs
from tests import processes
from tests.flows import deeds
from tests.processes import until

pytestmark = pytest.mark.slow

_undisturbed: dict[str, deeds.Undisturbed] = {}


@pytest.fixture(scope="module")
def events_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deeds.write_events(tmp_path_factory.mktemp("events") / "events.csv")


@pytest.fixture
def undisturbed(real_database, database, events_file) -> deeds.Undisturbed:
    if database not in _undisturbed:
        _undisturbed[database] = deeds.Undisturbed(events_file)
    return _undisturbed[database]


@pytest.fixture
def started(started: processes.Started) -> Iterator[processes.Started]:
    deeds.flush_broker()
    yield started
    deeds.kill_all(started)
    deeds.flush_broker()


def test_a_killed_import_is_finished_by_another_worker(undisturbed, started):
    first = deeds.worker(started)
    job = deeds.queue_import(undisturbed.path)
    until(lambda: deeds.is_writing(job, chunks=2), of=first)
    first.kill()
    deeds.check_struck_inside(job)
    second = deeds.worker(started)
    until(deeds.sweeping(lambda: deeds.is_over(job)), of=second)
    undisturbed.check(job)
    assert (job.attempts, job.lost_leases) == (2, 1)


def test_beat_sweeps_although_every_worker_is_busy(real_database, started):
    """Here there is none at all: two imports of an hour would be as good."""
    source, _created = Source.objects.get_or_create(name="shop")
    lost = ImportJob.objects.create(
        kind="events", source=source, path="x", status=Job.Status.RUNNING
    )
    long_ago = lost.created_at.replace(year=2020)
    ImportJob.objects.update(lease_until=long_ago, lost_leases=2)
    beat = started.manage("work", "--only", "beat")
    until(lambda: deeds.is_over(lost), of=beat)
    assert (lost.status, Notice.objects.count()) == (Job.Status.FAILED, 1)
    assert "Traceback" not in beat.said()


@pytest.mark.parametrize("whom", ["the parent", "everybody"])
def test_a_worker_that_is_told_to_end_gives_its_import_back(undisturbed, started, whom):
    """As a deployment stops it: no lease is lost, so it may happen any number of times.

    A supervisor tells the parent only, or (systemd) the children of its pool as well.
    """
    first = deeds.worker(started)
    job = deeds.queue_import(undisturbed.path)
    until(lambda: deeds.is_writing(job, chunks=2), of=first)
    if whom == "everybody":
        first.send(signal.SIGTERM)
    else:
        psutil.Process(first.pid).terminate()
    assert first.wait(10) == 0
    job.refresh_from_db()
    assert (job.status, job.lost_leases) == (Job.Status.QUEUED, 0)
    assert 0 < job.chunks_applied < deeds.N_CHUNKS
    assert "Traceback" not in first.said()
    second = deeds.worker(started)
    until(deeds.sweeping(lambda: deeds.is_over(job)), of=second)
    undisturbed.check(job)
    assert (job.attempts, job.lost_leases) == (2, 0)


def test_a_frozen_worker_that_wakes_up_can_finish_nothing(undisturbed, started):
    """Two workers at one row: one does it. Frozen past its lease, the other goes on."""
    workers = [deeds.worker(started), deeds.worker(started)]
    for each in workers:
        deeds.ready(each)
    job = deeds.queue_import(undisturbed.path)
    for _more in range(4):  # as if the sweep were too eager
        tasks.hint(job)
    until(lambda: deeds.is_writing(job))
    holder = int(job.holder.rpartition(":")[2])
    first = next(w for w in workers if holder in {m.pid for m in w.family()})
    deeds.freeze(first)
    deeds.check_struck_inside(job)
    assert (job.attempts, job.fence) == (1, 1)

    until(deeds.sweeping(lambda: deeds.is_over(job)))
    undisturbed.check(job)
    first.thaw()
    time.sleep(2)  # what it would have done, it does now
    undisturbed.check(job)
    assert (job.attempts, job.fence) == (2, 2)
    assert not Notice.objects.exists()
    assert "Traceback" not in first.said() + workers[1 - workers.index(first)].said()


def test_what_was_killed_three_times_fails_and_says_so(undisturbed, started):
    """Its child is killed, as by a kernel without memory; the worker makes another."""
    process = deeds.worker(started, STRATA_LEASE_SECONDS="2")
    job = deeds.queue_import(undisturbed.path)
    for attempt in (1, 2, 3):
        until(
            deeds.sweeping(lambda: _has_begun(job, attempt)),  # noqa: B023
            of=process,
        )
        deeds.check_running(job)
        psutil.Process(int(job.holder.rpartition(":")[2])).send_signal(signal.SIGKILL)
    until(deeds.sweeping(lambda: deeds.is_over(job)), of=process)
    assert (job.status, job.attempts) == (Job.Status.FAILED, 3)
    assert job.message.startswith("It was killed 3 times, the last time at “")
    assert f"peak memory {job.peak_memory_mb} MB" in job.message
    assert job.peak_memory_mb > 50
    notice = Notice.objects.get()
    assert (notice.text, notice.level) == (job.message, Notice.Level.ERROR)
    assert frames.interactions().num_rows == 0  # what it wrote is seen by nobody


def _has_begun(job: ImportJob, attempt: int) -> bool:
    job.refresh_from_db()
    return job.attempts == attempt and job.peak_memory_mb > 0


def test_a_running_import_is_cancelled_within_seconds(undisturbed, started):
    process = deeds.worker(started)
    job = deeds.queue_import(undisturbed.path)
    until(lambda: deeds.is_writing(job), of=process)
    deeds.check_struck_inside(job)
    jobs.request_cancel(job)
    until(lambda: deeds.is_over(job), seconds=5, of=process)
    assert (job.status, job.message) == (Job.Status.CANCELLED, "Cancelled.")
    assert job.chunks_applied < deeds.N_CHUNKS
    assert frames.interactions().num_rows == 0
    assert "Traceback" not in process.said()


def test_an_emptied_broker_and_a_beat_that_stops_lose_nothing(
    real_database, started, tmp_path
):
    few = deeds.write_events(tmp_path / "few.csv", 500)
    flushed = [deeds.queue_import(few) for _number in range(3)]
    deeds.flush_broker()
    process = deeds.worker(started)
    beat = started.manage("work", "--only", "beat")
    deeds.ready(process)
    # They were offered a while ago: the time until beat offers them again is over.
    long_ago = flushed[0].created_at.replace(year=2020)
    ImportJob.objects.update(hinted_at=long_ago)
    until(lambda: all(deeds.is_over(job) for job in flushed), of=beat)
    assert [job.status for job in flushed] == [Job.Status.DONE] * 3
    assert Event.objects.count() == sum(job.rows_new for job in flushed) == 495
    assert sum(job.rows_duplicate for job in flushed) == 3 * 500 - 495

    beat.kill()
    late = importing.create_job("events", few, columns={})
    time.sleep(3.5)  # longer than a sweep takes to come round
    late.refresh_from_db()
    assert late.status == Job.Status.QUEUED
    beat = started.manage("work", "--only", "beat")
    until(lambda: deeds.is_over(late), of=beat)
    assert late.status == Job.Status.DONE
    assert "Traceback" not in process.said() + beat.said()


WRITE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsys_project.settings")
import django
django.setup()
from django.utils import timezone
from segmentation.models import ImportJob, Source
from segmentation.services import events
job = int(sys.argv[1])
for number in range(4):
    if os.fork() == 0:
        break
else:
    sys.exit(sum(os.wait()[1] != 0 for _number in range(4)))
source = Source.objects.get(name="shop")
n = 0
while n < 100 or ImportJob.objects.filter(pk=job, status__in=("queued", "running")):
    rows = [
        {"customer": f"c{(n + i) % 50}", "item": f"i{i}", "kind": "view",
         "event_id": f"w{number}-{n + i}"}
        for i in range(10)
    ]
    recorded = events.record_events(rows, source=source, now=timezone.now())
    assert recorded.n_new == 10, recorded
    n += 10
sys.stdout.write(f"wrote {n}\\n")
"""


def test_four_processes_write_while_an_import_runs(undisturbed, started):
    job = importing.create_job("events", undisturbed.path, columns={})
    writers = started.program(sys.executable, "-c", WRITE, str(job.pk))
    process = deeds.worker(started)
    until(lambda: Event.objects.count() >= 40, of=writers)
    tasks.hint(job)
    until(lambda: deeds.is_over(job), of=process)
    assert writers.wait() == 0, writers.said()
    written = [int(n) for n in re.findall(r"wrote (\d+)", writers.said())]
    undisturbed.check(job)
    assert len(written) == 4
    assert Event.objects.filter(import_id=None).count() == sum(written) >= 400
    said = process.said() + writers.said()
    assert "locked" not in said
    assert "Traceback" not in said

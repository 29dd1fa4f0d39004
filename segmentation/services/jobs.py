"""How any background deed survives a SIGKILL: claim, beat, fence, sweep.

A deed is a row (``models.Job``). A worker *holds* it::

    with jobs.hold(job) as held:
        held.progress(done, total)          # also raises Cancelled and LostLease
        with transaction.atomic():
            held.guard()                    # the fence, in the same transaction
            ...

The heartbeat runs on a thread with a database connection of its own and lengthens the
lease, but only while the deed itself reports work: a beating heart without progress
for ``STALL_SECONDS`` is dead. Machines need clocks that agree to a second or two.
A transaction that was guarded must end well within a lease: until then the heart waits
for the row.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psutil
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Case, F, PositiveSmallIntegerField, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation.models import Job
from segmentation.services import notices, stopping
from segmentation.services.stopping import (
    Cancelled,
    GivenBack,
    LostLease,
    Refused,
    Taken,
    ToldToEnd,
)
from segmentation.services.stopping import Stopped as Stopped  # what doors catch

log = logging.getLogger(__name__)

LEASE_SECONDS = float(getattr(settings, "STRATA_LEASE_SECONDS", 20))
STALL_SECONDS = float(getattr(settings, "STRATA_STALL_SECONDS", 900))
MAX_LOST_LEASES = 3
REPORT_SECONDS = 0.5
HINT_AGAIN_SECONDS = 30.0
LET_GO_SECONDS = 8.0  # after SIGTERM; most supervisors kill after 10 s
HINTS_AHEAD = 8  # queued rows of one kind that are offered again and again

LET_GO = {"status": Job.Status.QUEUED, "lease_until": None, "holder": ""}
UNFINISHED = (Job.Status.DRAFT, Job.Status.QUEUED, Job.Status.RUNNING)


@contextlib.contextmanager
def hold(job: Job) -> Iterator[Held]:
    """Claim the job, keep it alive while the block runs, and write how it ended.

    Raises Taken when it cannot be claimed; lets the block's own exception through
    after it was recorded. A process that is told to end meanwhile gives the job back.
    """
    stopping.check()
    held = Held(job, _claim(job))
    heart = _Heart(held)
    heart.start()
    try:
        with stopping.heard():
            yield held
        held.finish(Job.Status.DONE)
    except GivenBack:  # the row was written by who gave it back
        raise
    except LostLease:
        log.warning("%s lost its lease; another worker goes on", job)
        raise
    except Cancelled:
        held.finish(Job.Status.CANCELLED, message=_("Cancelled."))
        raise
    except ToldToEnd:
        held.release()
        raise
    except Refused as error:
        _fail(held, str(error))
        raise
    except Exception as error:
        if stopping.is_database_gone(error):
            # Nothing can be written; the lease runs out and another worker goes on.
            log.warning("%s lost its database: %s", job, error)
            connection.close()
            raise LostLease(
                _("The database went away; a worker takes this up again.")
            ) from error
        log.exception("%s failed", job)
        _fail(held, _("It failed unexpectedly: %(error)s") % {"error": error})
        raise
    except BaseException:  # Ctrl-C and the like: let another take it up
        held.release()
        raise
    finally:
        heart.stop()


class Held:
    """A worker's hand on a job: every write is conditional on the fence."""

    def __init__(self, job: Job, fence: int) -> None:
        self.job = job
        self.fence = fence
        self.lost = threading.Event()
        self.worked_monotonic = time.monotonic()
        self._reported_monotonic = 0.0
        self._peak_memory_mb = job.peak_memory_mb
        self._counting: tuple[int, int] | None = None  # done and total, last told

    def rows(self) -> Any:
        """The queryset that matches only while the job is ours."""
        return type(self.job)._default_manager.filter(
            pk=self.job.pk, fence=self.fence, status=Job.Status.RUNNING
        )

    def write(self, **fields: Any) -> None:
        """Write fields of the job; LostLease when it is not ours any more."""
        self._refuse_when_lost()
        if self.rows().update(**fields) != 1:
            self.lost.set()
            self._refuse_when_lost()
        for name, value in fields.items():
            setattr(self.job, name, value)

    def guard(self) -> None:
        """Call first in a transaction: its rows commit only while the job is ours.

        The update takes the row's lock (PostgreSQL) or the file's (SQLite), so nobody
        can claim the job between this check and the commit.
        """
        self.worked_monotonic = time.monotonic()
        self.write(worked_at=timezone.now(), lease_until=_lease_end())
        _let_nobody_wait_for_us()

    def progress(
        self,
        done: int,
        total: int | None = None,
        *,
        unit: str | None = None,
        message: str | None = None,
    ) -> None:
        """Report work; raises Cancelled or ToldToEnd when asked to stop, or LostLease.

        Writes at most every half second, unless the message changes or all is done.
        Where the total changes or the count goes back, a new count begins: the rate and
        the time left are those of the present count.
        """
        now = time.monotonic()
        self.worked_monotonic = now
        self._refuse_when_lost()
        stopping.check()
        fields: dict[str, Any] = {"progress_total": total, "message": message}
        fields["progress_unit"] = unit
        fields = {name: value for name, value in fields.items() if value is not None}
        changed = any(getattr(self.job, name) != fields[name] for name in fields)
        total = self.job.progress_total if total is None else total
        begins = self._begins(done, total)
        soon = now - self._reported_monotonic < REPORT_SECONDS
        if soon and not changed and not begins and done != total:
            return
        self._reported_monotonic = now
        fields |= {"progress_done": done, "worked_at": timezone.now()}
        fields["peak_memory_mb"] = self.peak_memory_mb()
        if begins:
            fields |= {"progress_from": done, "progress_since": fields["worked_at"]}
        self.write(**fields)
        self.check_cancelled()

    def _begins(self, done: int, total: int) -> bool:
        """Whether a new count begins with this report."""
        last, self._counting = self._counting, (done, total)
        return last is None or done < last[0] or total != last[1]

    def _refuse_when_lost(self) -> None:
        if self.lost.is_set():
            raise LostLease(_("Another worker has taken this over."))

    def peak_memory_mb(self) -> int:
        """The most that this process was seen to use during any attempt."""
        memory = psutil.Process().memory_info().rss // 2**20
        self._peak_memory_mb = max(self._peak_memory_mb, memory)
        return self._peak_memory_mb

    def check_cancelled(self) -> None:
        if self.rows().filter(cancel_requested=True).exists():
            raise Cancelled(_("Cancelled."))

    def finish(self, status: str, **fields: Any) -> None:
        now = timezone.now()
        self.write(status=status, finished_at=now, lease_until=None, **fields)

    def give_back(self, message: str, *, not_before: datetime | None = None) -> None:
        """Queue the job again, to be offered now or at an instant; raises GivenBack."""
        hinted_at = None
        if not_before is not None:
            # The sweep offers a queued row again so long after its last offer.
            hinted_at = not_before - timedelta(seconds=HINT_AGAIN_SECONDS)
        self.write(**LET_GO, hinted_at=hinted_at, message=message)
        raise GivenBack(message)

    def release(self) -> None:
        """Give the job back to the queue; the next sweep offers it again."""
        self.rows().update(**LET_GO, hinted_at=None)


def request_cancel(job: Job) -> None:
    """Ask a running deed to stop at its next step; stop a waiting one at once."""
    rows = type(job)._default_manager.filter(pk=job.pk, status__in=UNFINISHED)
    # Asked first and stopped then: whoever claims the row in between sees the wish.
    rows.update(cancel_requested=True)
    waiting = rows.exclude(status=Job.Status.RUNNING)
    stopped = {"status": Job.Status.CANCELLED, "finished_at": timezone.now()}
    waiting.filter(attempts=0).update(
        **stopped, message=_("Cancelled before it started.")
    )
    waiting.update(**stopped, message=_("Cancelled."))


def sweep(now: datetime) -> list[Job]:
    """Give up what was killed too often; answer every job that wants a worker.

    Of many waiting rows only the oldest are offered again, or an hour's training would
    let thousands of messages pile up that all say the same.
    """
    wanting: list[Job] = []
    stale = now - timedelta(seconds=HINT_AGAIN_SECONDS)
    for model in job_models():
        _give_up(model, now)
        rows = model._default_manager.order_by("pk")
        queued = rows.filter(status=Job.Status.QUEUED)
        wanting += queued.filter(hinted_at__isnull=True)
        oldest = queued.filter(hinted_at__lte=now)[:HINTS_AHEAD]
        wanting += [job for job in oldest if job.hinted_at and job.hinted_at < stale]
        wanting += rows.abandoned(now).filter(
            Q(hinted_at__isnull=True)
            | Q(hinted_at__lt=F("lease_until"))
            | Q(hinted_at__lt=stale)
        )
    return wanting


def job_models() -> list[type[Job]]:
    return [model for model in apps.get_models() if issubclass(model, Job)]


def _claim(job: Job) -> int:
    """Take the row by one conditional update and answer the new fence."""
    now = timezone.now()
    queued = Q(status=Job.Status.QUEUED, lost_leases__lt=MAX_LOST_LEASES)
    abandoned = Q(status=Job.Status.RUNNING, lease_until__lt=now)
    # A lease lost for the last time is for the sweep to see, which gives the row up.
    again = Q(lost_leases__lt=MAX_LOST_LEASES - 1) | Q(cancel_requested=True)
    free = queued | abandoned & again
    rows = type(job)._default_manager.filter(pk=job.pk)
    with transaction.atomic():
        won = rows.filter(free).update(
            lost_leases=Case(
                When(status=Job.Status.RUNNING, then=F("lost_leases") + 1),
                default=F("lost_leases"),
                output_field=PositiveSmallIntegerField(),
            ),
            status=Value(Job.Status.RUNNING),
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            holder=f"{socket.gethostname()}:{os.getpid()}"[:100],
            lease_until=_lease_end(),
            heartbeat_at=now,
            worked_at=now,
            started_at=now,
            finished_at=None,
        )
        if won != 1:
            raise Taken(_("Another worker holds this, or it is over."))
        job.refresh_from_db()
    if job.cancel_requested:
        Held(job, job.fence).finish(Job.Status.CANCELLED, message=_("Cancelled."))
        raise Cancelled(_("Cancelled."))
    return job.fence


def _give_up(model: type[Job], now: datetime) -> None:
    """Fail what lost its lease for the third time, and say so."""
    last = MAX_LOST_LEASES - 1  # the lease that just ran out is the third
    lost = model._default_manager.abandoned(now).exclude(cancel_requested=True)
    for job in lost.filter(lost_leases__gte=last):
        text = _(
            "It was killed %(n)d times, the last time at “%(message)s”; "
            "peak memory %(memory)d MB. It is not tried again by itself."
        ) % {
            "n": MAX_LOST_LEASES,
            "message": job.message or _("start"),
            "memory": job.peak_memory_mb,
        }
        ours = lost.filter(pk=job.pk, fence=job.fence)
        with transaction.atomic():  # nobody may see it failed and nothing said
            won = ours.update(
                status=Job.Status.FAILED,
                lost_leases=MAX_LOST_LEASES,
                finished_at=now,
                lease_until=None,
                message=text,
            )
            if won:
                notices.about_failed(job, text)


def _lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=LEASE_SECONDS)


def _let_nobody_wait_for_us() -> None:
    """Let PostgreSQL end this transaction if we are stopped in the middle of it.

    A stopped process keeps the lock of the job's row, and with it everybody who would
    take the job up. SQLite has nothing like it: there the file waits with us.
    """
    if connection.vendor == "postgresql" and connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, true)",
                [str(int(LEASE_SECONDS * 1000))],
            )


def _fail(held: Held, text: str) -> None:
    held.finish(Job.Status.FAILED, message=text)
    notices.about_failed(held.job, text)


class _Heart(threading.Thread):
    """Lengthens the lease while the deed works; has its own connection.

    Where the process is told to end and the deed does not come round to hear of it, the
    heart lets the row go, so that the kill that follows costs no lease.
    """

    def __init__(self, held: Held) -> None:
        super().__init__(name=f"heartbeat {held.job.pk}", daemon=True)
        self._held = held
        self._stopped = threading.Event()
        self._is_stalled = False

    def run(self) -> None:
        rest = min(LEASE_SECONDS / 4, LET_GO_SECONDS / 8)
        beat_at = time.monotonic() + LEASE_SECONDS / 4
        told_at = 0.0
        try:
            while not self._stopped.wait(rest) and not self._held.lost.is_set():
                now = time.monotonic()
                told_at = (told_at or now) if stopping.is_told() else 0.0
                if told_at and now - told_at >= LET_GO_SECONDS:
                    self._held.lost.set()
                    self._held.release()
                elif now >= beat_at:
                    beat_at = now + LEASE_SECONDS / 4
                    self._beat_unless_stalled()
        finally:
            connection.close()

    def _beat_unless_stalled(self) -> None:
        """The lease of a stalled deed runs out, unless it wakes up before."""
        idle = time.monotonic() - self._held.worked_monotonic
        if idle <= STALL_SECONDS:
            self._is_stalled = False
            self._beat()
        elif not self._is_stalled:
            self._is_stalled = True
            log.error("%s made no progress for %d s", self._held.job, idle)

    def _beat(self) -> None:
        try:
            beats = self._held.rows().update(
                lease_until=_lease_end(),
                heartbeat_at=timezone.now(),
                peak_memory_mb=self._held.peak_memory_mb(),
            )
        except DatabaseError:  # a busy or restarting database: try at the next beat
            log.warning("a heartbeat of %s failed", self._held.job, exc_info=True)
            connection.close()
            return
        if beats != 1 and not self._stopped.is_set():
            self._held.lost.set()

    def stop(self) -> None:
        self._stopped.set()
        self.join(timeout=5)

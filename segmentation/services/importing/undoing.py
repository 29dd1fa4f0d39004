"""One import taken back: in chunks, each of them committed with its count.

What a chunk did is gone from what is left to do, so a killed undo goes on where it
was, and counts nothing twice. From the moment it is asked for, nobody sees what the
import alone brought (``queries.unfinished_imports``).

1. Events that another import brought too pass to it (``EventClaim``).
2. All other events of it go, with their search terms.
3. Events that it brought too, but that belong to another, stay with that one.
4. Consent is what it would be without it (``consents``).
5. Values that it changed on items and customers come back, unless they were changed
   since, or another import told the same.
6. Items and customers that it made go, unless they are in use (``leftovers``); then
   only what it told about them goes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.bulk import literals
from segmentation.models import (
    Event,
    EventClaim,
    EventDetail,
    ImportChange,
    ImportJob,
    ImportKind,
    Job,
    UndoJob,
)
from segmentation.services import changes, consents, jobs, unsaying
from segmentation.services.importing import leftovers, pacing
from segmentation.services.importing.leftovers import EMPTIED, IN_USE, PASSED

CHUNK_ROWS = 20_000  # at most: none may hold SQLite for a second (DESIGN 4)
BLOCKS = 2000  # of PostgreSQL's 8 kB
WAIT_SECONDS = 3.0
OF_ANOTHER, CHANGED_SINCE = "of_another", "changed_since"

KEPT = {
    PASSED: gettext_lazy("another import brought them too, and has them now"),
    OF_ANOTHER: gettext_lazy("they came in before, by another import or a call"),
    CHANGED_SINCE: gettext_lazy("somebody changed them since"),
    IN_USE: gettext_lazy("items and customers that are in use"),
    EMPTIED: gettext_lazy(
        "items and customers that are in use, without what it told about them"
    ),
}


def create_undo(job: ImportJob, *, actor: Any = None) -> UndoJob:
    """Queue the taking back of an import; Refused when that cannot be."""
    _refuse_impossible(job)
    coming = ImportJob.objects.filter(
        source=job.source, is_dry_run=False, status=Job.Status.RUNNING
    )
    if coming.exists():
        raise jobs.Refused(
            _(
                "Another file of this source is coming in; take this one back when "
                "that is done."
            )
        )
    try:
        with transaction.atomic():
            return UndoJob.objects.create(
                job=job, progress_unit=_("rows"), created_by=actor
            )
    except IntegrityError as error:
        raise jobs.Refused(_("This import is being taken back already.")) from error


def run_undo(undo: UndoJob, held: jobs.Held) -> None:
    """Take the import back; waits while any file comes in, or another is taken back."""
    job = undo.job
    if job.undone_at is not None:  # killed after its last word
        return
    _refuse_impossible(job)
    _await_others(undo, held)
    run = _Undoing(job, held)
    run.events()
    run.said(consents.take_back)
    for kind in (ImportKind.ITEMS, ImportKind.CUSTOMERS):
        run.changes(kind)
        run.made(kind)
    run.said(unsaying.take_back)
    with transaction.atomic():
        held.guard()
        left = ImportJob.objects.filter(pk=job.pk, undone_at=None)
        left.update(undone_at=timezone.now())
    held.progress(run.n_seen, run.n_seen, message=_("Taken back."))


def _await_others(undo: UndoJob, held: jobs.Held) -> None:
    """An undo runs alone, or what it passes on might go to what is gone by then."""
    later = timezone.now() + timedelta(seconds=WAIT_SECONDS)
    running = Job.Status.RUNNING
    if ImportJob.objects.filter(is_dry_run=False, status=running).exists():
        held.give_back(_("Waiting for a file that is coming in."), not_before=later)
    if UndoJob.objects.filter(status=running).exclude(pk=undo.pk).exists():
        held.give_back(
            _("Waiting for an import that is being taken back."), not_before=later
        )


def _refuse_impossible(job: ImportJob) -> None:
    job.refresh_from_db()
    if job.is_dry_run:
        raise jobs.Refused(_("A dry run changed nothing; there is nothing to undo."))
    if job.status in jobs.UNFINISHED:
        raise jobs.Refused(_("This import is not over; cancel it first."))
    if job.undone_at is not None:
        raise jobs.Refused(_("This import was taken back already."))
    if job.kind == ImportKind.LINKS:
        raise jobs.Refused(
            _("Merges are taken back one by one, on the pages of the customers.")
        )


class _Undoing:
    """The steps of an undo, and what they counted so far."""

    def __init__(self, job: ImportJob, held: jobs.Held) -> None:
        self._job, self._held = job, held
        self._pace = pacing.Pace(CHUNK_ROWS)  # of events
        self._undo: UndoJob = held.job  # type: ignore[assignment]
        undo = self._undo
        self.n_seen = undo.rows_removed + undo.rows_restored + undo.rows_kept
        self._n_expected = job.rows_new + job.rows_updated + job.rows_duplicate

    def events(self) -> None:
        heirs = leftovers.heirs(self._job)
        if heirs:
            self._by_claims(f"import_id IN ({heirs})", self._pass_on)
        while self._walk_events():  # again, if rows were moved meanwhile
            pass
        # Last: a call may take an event over until it is gone (``events.insert``).
        self._by_claims(f"import_id = {self._job.pk}", self._let_go)

    def changes(self, kind: str) -> None:
        """Former values come back, a set of rows at a time."""
        log = ImportChange.objects.filter(import_id=self._job.pk, kind=kind)
        while last := log.filter(
            pk__in=log.order_by("pk").values("pk")[: CHUNK_ROWS // 4]
        ).aggregate(last=Max("pk"))["last"]:
            self._chunk(partial(self._take_back, kind, last), _("Putting values back"))

    def made(self, kind: str) -> None:
        """What the import made goes, unless it is in use."""
        after = 0
        while span := leftovers.next_span(kind, self._job.pk, after, CHUNK_ROWS // 4):
            self._chunk(
                partial(leftovers.remove, kind, self._job, span),
                _("Removing what nobody uses"),
            )
            after = span[1]

    def said(self, take_back: Callable[[int], int]) -> None:
        """What it told about customers, and said for them, is heard no longer."""
        n_taken = 1
        while n_taken:
            with transaction.atomic():
                self._held.guard()
                n_taken = take_back(self._job.pk)
            total = max(self._n_expected, self.n_seen)
            text = _("Forgetting what it told about customers")
            self._held.progress(self.n_seen, total, message=text)

    def _chunk(self, deed: Callable[[], dict[str, int]], message: str) -> None:
        """A deed and its counts in one transaction; progress after it."""
        undo = self._undo
        with pacing.transaction():
            self._held.guard()
            counts = deed()
            kept = {name: n for name, n in counts.items() if name in KEPT and n}
            told = {name: undo.kept.get(name, 0) + n for name, n in kept.items()}
            if any(counts.values()):
                self._held.write(
                    rows_removed=undo.rows_removed + counts.get("removed", 0),
                    rows_restored=undo.rows_restored + counts.get("restored", 0),
                    rows_kept=undo.rows_kept + sum(kept.values()),
                    kept=undo.kept | told,
                )
        self.n_seen += sum(counts.values())
        total = max(self._n_expected, self.n_seen)
        self._held.progress(self.n_seen, total, message=message)

    def _by_claims(self, which: str, deed: Callable[[str], dict[str, int]]) -> None:
        """Walk claims in the order of their ids."""
        after = 0
        while last := _last_claim(which, after):
            span = f"{which} AND id > {after} AND id <= {last}"
            self._chunk(partial(deed, span), _("Looking at what others brought too"))
            after = last

    def _pass_on(self, span: str) -> dict[str, int]:
        """Events go to the import that claims them, and its claim with that."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {EVENTS} AS t SET import_id = c.import_id FROM {CLAIMS} c "
                f"WHERE {_of('c', span)} AND t.event_key = c.event_key "
                f"AND t.import_id = {self._job.pk}"
            )
            n_passed = cursor.rowcount
            cursor.execute(
                f"DELETE FROM {CLAIMS} AS c WHERE {_of('c', span)} AND EXISTS "
                f"(SELECT 1 FROM {EVENTS} t WHERE t.event_key = c.event_key "
                "AND t.import_id = c.import_id)"
            )
        return {PASSED: n_passed}

    def _let_go(self, span: str) -> dict[str, int]:
        """Claims on events of others end."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM {CLAIMS} c JOIN {EVENTS} t "
                f"ON t.event_key = c.event_key WHERE {_of('c', span)}"
            )
            n_others = cursor.fetchone()[0]
            cursor.execute(f"DELETE FROM {CLAIMS} AS c WHERE {_of('c', span)}")
        return {OF_ANOTHER: n_others}

    def _walk_events(self) -> bool:
        """One pass through the table where the import's events lie; whether any did."""
        first = _first_event(self._job.pk, 0)
        found = first is not None
        while first is not None:
            step = BLOCKS if literals.is_postgres() else self._pace.n_rows
            place = _between(first, first + step)
            self._chunk(partial(self._remove_events, place), _("Removing events"))
            first = _first_event(self._job.pk, first + step)
        return found

    def _remove_events(self, place: str) -> dict[str, int]:
        ours = f"FROM {EVENTS} WHERE {place} AND import_id = {self._job.pk}"
        with self._pace.held(), connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {EventDetail._meta.db_table} "
                f"WHERE event_key IN (SELECT event_key {ours})"
            )
            cursor.execute(f"DELETE {ours}")
            return {"removed": cursor.rowcount}

    def _take_back(self, kind: str, last: int) -> dict[str, int]:
        done = changes.take_back(kind, self._job.pk, last)
        return {
            "restored": done.n_restored,
            CHANGED_SINCE: done.n_changed_since,
            PASSED: done.n_passed,
        }


EVENTS = Event._meta.db_table
CLAIMS = EventClaim._meta.db_table


def _of(alias: str, span: str) -> str:
    """Conditions on claims, for a query that calls them so."""
    parts = span.split(" AND ")
    return " AND ".join(f"{alias}.{part}" for part in parts)


def _last_claim(which: str, after: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT max(id) FROM (SELECT id FROM {CLAIMS} WHERE {which} "
            f"AND id > {after} ORDER BY id LIMIT {CHUNK_ROWS}) chunk"
        )
        return cursor.fetchone()[0]


# The table is walked in the order in which it lies on the disk: an import's rows lie
# together there, and an index on import_id would cost every event for ever.


def _first_event(import_id: int, place: int) -> int | None:
    """Where the next event of an import lies: its block, or its row id on SQLite."""
    own = f"FROM {EVENTS} WHERE import_id = {import_id}"
    if literals.is_postgres():
        sql = f"SELECT (ctid::text::point)[0]::bigint {own} AND ctid >= '({place},0)'"
    else:
        sql = f"SELECT rowid {own} AND rowid >= {place}"
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT 1")
        row = cursor.fetchone()
    return row[0] if row else None


def _between(first: int, end: int) -> str:
    if literals.is_postgres():
        return f"ctid >= '({first},0)'::tid AND ctid < '({end},0)'::tid"
    return f"rowid >= {first} AND rowid < {end}"

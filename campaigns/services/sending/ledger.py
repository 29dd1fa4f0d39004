"""The ledger of one launch: what is claimed, what was answered, what comes next.

One thread keeps it. Every transaction begins with the fence and commits before the
wire sees what it claimed, so that a crash at any point leaves a trace to go by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, F, Min, Q, QuerySet, Value, When
from django.db.models.lookups import GreaterThanOrEqual
from django.utils.translation import gettext as _

from campaigns.channels.base import Channel, Outcome, Receipt
from campaigns.models import ContactPoint, Delivery, Launch
from campaigns.services import audience, contacts, tracking
from segmentation.services import events, jobs

Status = Delivery.Status
WAITING = (Status.UNKNOWN, Status.RETRY, Status.PLANNED)  # in the order of claiming

Clock = Callable[[], datetime]

MAX_ATTEMPTS = 5
MAX_COPIES = 2
BACKOFF_SECONDS = 2.0  # doubles with each attempt
SLOW_DOWN_SECONDS = 30.0

MANY_REFUSALS = 20  # of our credentials at one origin: the fault is no subscription's


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in our hands, with what it takes to write the message."""

    id: int
    attempts: int
    copies: int
    point_id: int
    origin: str
    customer_id: int
    variant_id: int
    item_ids: Sequence[int]
    address: str
    name: str = ""  # only read where a template uses it


@dataclass(frozen=True)
class Ending:
    """How one attempt ended; equal endings are written in one statement."""

    status: str
    reason: str = ""
    http_status: int | None = None
    wait_seconds: float | None = None
    is_counted: bool = True


def deadline(launch: Launch) -> datetime:
    """When a message of this launch is not worth showing any more."""
    assert launch.planned_at is not None, "a launch is planned before it is sent"
    return launch.planned_at + timedelta(seconds=launch.campaign.ttl_seconds)


class Ledger:
    """Claims and records the deliveries of a launch while ``held`` holds it."""

    def __init__(
        self,
        launch: Launch,
        held: jobs.Held,
        channel: Channel,
        clock: Clock,
        *,
        needs_name: bool,
    ) -> None:
        self.launch, self.held, self.channel, self.clock = launch, held, channel, clock
        self.rows = Delivery.objects.filter(launch=launch)
        self.deadline = deadline(launch)
        self.out: dict[int, Claimed] = {}
        self.n_done = self.rows.filter(status__in=Delivery.TERMINAL).count()
        self.n_all = self.rows.count()
        self.stopped: dict[str, str] = {}  # origins that refuse us: what to do about it
        self.is_slowed = False  # an origin wants no more now, since the last put_back
        self._needs_name = needs_name
        self._held_origins: dict[str, datetime] = {}
        self._trusting: set[str] = set()  # origins that accepted something
        self._refused: dict[str, set[int]] = defaultdict(set)  # by origin: deliveries

    def take_over(self) -> None:
        """What another worker had on the wire may have arrived: once more, or never."""
        with transaction.atomic():
            self.held.guard()
            left = self.rows.filter(status=Status.SENDING)
            if self.channel.collapses:
                left.filter(copies_possible__lt=MAX_COPIES).update(
                    status=Status.UNKNOWN, send_at=self.clock()
                )
            # A second copy would be seen: better say that nobody knows.
            self.n_done += left.filter(status=Status.SENDING).update(
                status=Status.FAILED, reason=_("Nobody knows whether it arrived.")
            )

    def turn(self, answers: Sequence[tuple[int, Receipt]], room: int) -> list[Claimed]:
        """Record the answers and claim up to ``room`` more, in one transaction."""
        if not answers and not room:
            return []
        with transaction.atomic():
            self.held.guard()
            self._record(answers)
            claimed = self._claim(room) if room else []
        self.out.update((row.id, row) for row in claimed)
        return claimed

    def put_back(self, delivery_ids: Sequence[int]) -> None:
        """Undo the claim of what never reached the wire."""
        self.is_slowed = False
        with transaction.atomic():
            self.held.guard()
            self.rows.filter(pk__in=delivery_ids, status=Status.SENDING).update(
                status=Case(
                    When(copies_possible__gt=0, then=Value(Status.UNKNOWN)),
                    default=Value(Status.PLANNED),
                ),
                # Counted again when it is claimed again.
                copies_possible=Case(
                    When(copies_possible__gt=0, then=F("copies_possible") - 1),
                    default=F("copies_possible"),
                    output_field=Delivery._meta.get_field("copies_possible"),
                ),
                attempts=F("attempts") - 1,
            )
        for delivery_id in delivery_ids:
            del self.out[delivery_id]

    def next_due(self) -> datetime | None:
        """When the earliest waiting delivery may be sent; None when none waits."""
        waiting = self.rows.filter(status__in=WAITING)
        if self.stopped:
            waiting = waiting.exclude(contact_point__origin__in=self.stopped)
        return waiting.aggregate(at=Min("send_at"))["at"]

    def wait_seconds(self) -> float | None:
        """How long there is nothing to claim; None when nothing waits any more."""
        due = self.next_due()
        if due is None:
            return None
        now = self.clock()
        waits = [(due - now).total_seconds()]
        held = [until for until in self._held_origins.values() if until > now]
        if waits[0] <= 0 and held:
            waits = [(min(held) - now).total_seconds()]
        return max(waits[0], 0.0)

    def cancel_rest(self) -> None:
        """Mark everything that was not sent as cancelled."""
        with transaction.atomic():
            self.held.guard()
            self.rows.filter(status__in=WAITING).update(
                status=Status.CANCELLED, reason=_("The campaign was cancelled.")
            )

    # -- claiming ---------------------------------------------------------------------

    def _claim(self, room: int) -> list[Claimed]:
        now = self.clock()
        due = self.rows.filter(send_at__lte=now)
        self._held_origins = {
            origin: until for origin, until in self._held_origins.items() if until > now
        }
        if self._held_origins or self.stopped:
            closed = [*self._held_origins, *self.stopped]
            due = due.exclude(contact_point__origin__in=closed)
        ids: list[int] = []
        for status in WAITING:
            # One status at a time, so that the index answers in order and stops.
            rows = due.filter(status=status).order_by("send_at")
            ids += rows.values_list("pk", flat=True)[: room - len(ids)]
            if len(ids) == room:
                break
        if not ids:
            return []
        if now >= self.deadline:
            self._close(ids, Status.FAILED, _("It was too late to send it."))
            return []
        return self._claimed(ids)

    def _claimed(self, ids: list[int]) -> list[Claimed]:
        """Take those who may still be written to; the others are told why."""
        for objection, reason in self._objections():
            rows = self.rows.filter(objection, pk__in=ids, status__in=WAITING)
            found = list(rows.values_list("pk", flat=True))
            self._close(found, Status.CANCELLED, reason)
        rows = self.rows.filter(pk__in=ids, status__in=WAITING)
        copies = F("copies_possible")
        rows.update(
            copies_possible=Case(
                When(status=Status.UNKNOWN, then=copies + 1),
                default=copies,
                output_field=Delivery._meta.get_field("copies_possible"),
            ),
            status=Value(Status.SENDING),
            attempts=F("attempts") + 1,
        )
        return list(self._details(ids))

    def _objections(self) -> list[tuple[Q, str]]:
        """What may have changed since the plan, and the reason that is then written."""
        campaign = self.launch.campaign
        agreed = audience.agreed(campaign.channel, "recipient__customer")
        is_theirs = audience.is_of("recipient__customer", "contact_point__customer")
        objections = [
            (~agreed, _("The consent was withdrawn.")),
            (
                Q(contact_point__is_active=False),
                _("The address is not in use any more."),
            ),
            # Somebody else logged in on that browser: it is not for their eyes.
            (~is_theirs, _("The address belongs to somebody else by now.")),
        ]
        if campaign.cap_per_week is not None:
            # Two launches that were planned side by side both found room.
            n_recent = audience.n_recent(
                self.clock(), customer="recipient__customer", but=self.launch
            )
            capped = GreaterThanOrEqual(n_recent, campaign.cap_per_week)
            objections.append((Q(capped), _("The message cap was reached.")))
        return objections

    def _details(self, ids: list[int]) -> list[Claimed]:
        fields = [
            "pk",
            "attempts",
            "copies_possible",
            "contact_point_id",
            "contact_point__origin",
            "recipient__customer_id",
            "recipient__variant_id",
            "recipient__item_ids",
            "contact_point__address",
        ]
        if self._needs_name:
            fields.append("recipient__customer__name")
        taken = self.rows.filter(pk__in=ids, status=Status.SENDING).order_by("pk")
        rows: Iterable[Any] = taken.values_list(*fields)
        return [Claimed(*row) for row in rows]

    # -- recording --------------------------------------------------------------------

    def _record(self, answers: Sequence[tuple[int, Receipt]]) -> None:
        now = self.clock()
        groups: dict[Ending, list[int]] = defaultdict(list)
        accepted: list[tuple[Claimed, Receipt]] = []
        gone: list[int] = []
        for delivery_id, receipt in answers:
            row = self.out.pop(delivery_id)
            if receipt.outcome is Outcome.ACCEPTED:
                accepted.append((row, receipt))
                self._trusting.add(row.origin)
                continue
            groups[self._ending(row, receipt, now)].append(delivery_id)
            if receipt.outcome.drops_contact:
                gone.append(row.point_id)
        self._record_accepted(accepted, now)
        for ending, ids in groups.items():
            self._record_ending(ending, ids, now)
        for origin in self.stopped.keys() & self._refused.keys():
            # The fault was ours: nobody's attempts are used up by it.
            again = self.rows.filter(pk__in=self._refused.pop(origin))
            again.filter(status=Status.RETRY).update(attempts=0, send_at=now)
        if gone:
            ContactPoint.objects.filter(pk__in=gone).update(
                is_active=False, inactive_reason=contacts.GONE
            )

    def _record_accepted(
        self, accepted: Sequence[tuple[Claimed, Receipt]], now: datetime
    ) -> None:
        if not accepted:
            return
        values: list[Any] = [Status.ACCEPTED, self._instant(now)]
        for row, receipt in accepted:
            values += [row.id, receipt.status, receipt.provider_id[:500]]
        marks = ", ".join(["(%s, %s, %s)"] * len(accepted))
        table = Delivery._meta.db_table
        with connection.cursor() as cursor:
            # One statement for the window, each row with its own id at the provider.
            cursor.execute(
                f"WITH answer(id, http_status, provider_id) AS (VALUES {marks}) "
                f"UPDATE {table} SET status = %s, sent_at = %s, reason = '', "
                "http_status = CAST(answer.http_status AS smallint), "
                "provider_id = answer.provider_id FROM answer "
                f"WHERE {table}.id = answer.id AND {table}.status = %s",
                [*values[2:], *values[:2], Status.SENDING],
            )
        points = [row.point_id for row, _receipt in accepted]
        ContactPoint.objects.filter(pk__in=points).update(last_accepted_at=now)
        people = [(row.id, row.customer_id) for row, _receipt in accepted]
        events.append(tracking.accepted(people, launch_id=self.launch.pk, now=now))
        self.n_done += len(accepted)

    def _record_ending(self, ending: Ending, ids: list[int], now: datetime) -> None:
        fields: dict[str, Any] = {
            "status": ending.status,
            "reason": ending.reason[:200],
            "http_status": ending.http_status,
        }
        if ending.wait_seconds is not None:
            fields["send_at"] = now + timedelta(seconds=ending.wait_seconds)
        if not ending.is_counted:
            fields["attempts"] = F("attempts") - 1
        self.rows.filter(pk__in=ids, status=Status.SENDING).update(**fields)
        if ending.status in Delivery.TERMINAL:
            self.n_done += len(ids)

    def _ending(self, row: Claimed, receipt: Receipt, now: datetime) -> Ending:
        """What follows from an answer that is not yes."""
        outcome, reason = receipt.outcome, _reason(receipt)
        if outcome is Outcome.GONE:
            return Ending(Status.GONE, reason, receipt.status)
        if outcome is Outcome.CREDENTIALS:
            return self._unaccepted(row, receipt, reason, now)
        if not outcome.may_try_again:
            return Ending(Status.FAILED, reason, receipt.status)
        return self._again(row, receipt, reason, now)

    def _unaccepted(
        self, row: Claimed, receipt: Receipt, reason: str, now: datetime
    ) -> Ending:
        """Whether one subscription refuses our key, or its whole service does.

        One may be bound to an older key, or lead to a server of somebody's own, which
        answers what it likes: that must not stop everybody's messages.
        """
        refused = self._refused[row.origin]
        refused.add(row.id)
        n_refused = sum(map(len, self._refused.values()))
        is_everybody = not self._trusting and n_refused >= self.n_all - self.n_done
        if row.origin in self._trusting:
            return Ending(Status.FAILED, reason, receipt.status)
        if len(refused) < MANY_REFUSALS and not is_everybody:
            return self._again(row, receipt, reason, now)
        self.is_slowed = True
        self.stopped[row.origin] = _(
            "%(origin)s does not accept our credentials (%(reason)s). Nothing more was "
            "sent there; mend the key and resume the campaign."
        ) % {"origin": receipt.origin, "reason": reason}
        status = Status.UNKNOWN if row.copies else Status.PLANNED
        return Ending(status, reason, receipt.status, 0.0, is_counted=False)

    def _again(
        self, row: Claimed, receipt: Receipt, reason: str, now: datetime
    ) -> Ending:
        wait = receipt.retry_after
        if receipt.outcome is Outcome.RATE_LIMITED:
            wait = SLOW_DOWN_SECONDS if wait is None else wait
            until = now + timedelta(seconds=wait)
            self.is_slowed = True
            self._held_origins[row.origin] = max(
                until, self._held_origins.get(row.origin, until)
            )
        elif row.attempts >= MAX_ATTEMPTS:
            return Ending(Status.FAILED, reason, receipt.status)
        wait = BACKOFF_SECONDS * 2 ** (row.attempts - 1) if wait is None else wait
        if now + timedelta(seconds=wait) >= self.deadline:
            return Ending(Status.FAILED, reason, receipt.status)
        # Being slowed down says nothing about this message.
        counted = receipt.outcome is not Outcome.RATE_LIMITED
        if receipt.outcome is not Outcome.UNKNOWN:
            return Ending(Status.RETRY, reason, receipt.status, wait, counted)
        if not self.channel.collapses or row.copies >= MAX_COPIES:
            return Ending(Status.FAILED, reason, receipt.status)
        return Ending(Status.UNKNOWN, reason, receipt.status, wait)

    def _close(self, ids: list[int], status: str, reason: str) -> None:
        if ids:
            rows: QuerySet[Delivery] = self.rows.filter(pk__in=ids, status__in=WAITING)
            self.n_done += rows.update(status=status, reason=reason)

    def _instant(self, now: datetime) -> Any:
        return connection.ops.adapt_datetimefield_value(now)


def _reason(receipt: Receipt) -> str:
    """An answer in a few words: the code, the HTTP status, the provider's own text."""
    status = f" {receipt.status}" if receipt.status else ""
    sample = f": {receipt.sample.strip()}" if receipt.sample.strip() else ""
    return f"{receipt.outcome}{status}{sample}"[:200]

"""Answers from the ledger: how far a launch is, and what became of its people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Exists, OuterRef, QuerySet

from campaigns.models import Decision, Delivery, Launch, Outcome, Recipient
from segmentation.models import Customer, Event, Identity, Kind
from segmentation.queries import unfinished_imports


@dataclass(frozen=True)
class People:
    """How a launch divides its audience; the three parts add up to ``n_audience``."""

    n_treated: int
    n_held_out: int
    n_suppressed: dict[str, int]

    @property
    def n_audience(self) -> int:
        return self.n_treated + self.n_held_out + sum(self.n_suppressed.values())


@dataclass(frozen=True)
class ArmSums:
    """Purchases of one arm: people, buyers, revenue and its square summed over them.

    What was returned counts against revenue.
    """

    n: int = 0
    buyers: int = 0
    revenue: float = 0.0
    revenue_squared: float = 0.0

    def __add__(self, other: ArmSums) -> ArmSums:
        return ArmSums(
            self.n + other.n,
            self.buyers + other.buyers,
            self.revenue + other.revenue,
            self.revenue_squared + other.revenue_squared,
        )


@dataclass(frozen=True)
class Touch:
    """One click of a person, on a message of the launches asked about or another's."""

    customer_id: int
    at: datetime
    is_ours: bool


@dataclass(frozen=True)
class Purchase:
    """One line bought, or one returned, whose amount is negative.

    Lines of one order share ``order``.
    """

    customer_id: int
    at: datetime
    amount: float
    order: object
    is_return: bool = False


@dataclass(frozen=True)
class Progress:
    """Where the messages of a launch are; ``by_status`` has every status."""

    by_status: dict[str, int]

    @property
    def n_deliveries(self) -> int:
        return sum(self.by_status.values())

    @property
    def n_terminal(self) -> int:
        return sum(self.by_status[status] for status in Delivery.TERMINAL)


def people(launch_ids: Sequence[int]) -> People:
    """Count the recipients of some launches; every reason is named, with 0 too."""
    rows = Recipient.objects.filter(launch__in=launch_ids).order_by()
    counts = {
        (arm, reason): n
        for arm, reason, n in rows.values_list("arm", "reason").annotate(n=Count("pk"))
    }
    suppressed = {
        reason: counts.get((Recipient.Arm.SUPPRESSED.value, reason), 0)
        for reason in Recipient.Reason.values
        if reason
    }
    return People(
        n_treated=counts.get((Recipient.Arm.TREATED.value, ""), 0),
        n_held_out=counts.get((Recipient.Arm.HELD_OUT.value, ""), 0),
        n_suppressed=suppressed,
    )


def progress(launch_ids: Sequence[int]) -> Progress:
    """Count the deliveries of some launches by status."""
    rows = Delivery.objects.filter(launch__in=launch_ids).order_by()
    found = dict(rows.values_list("status").annotate(n=Count("pk")))
    return Progress({status: found.get(status, 0) for status in Delivery.Status.values})


def n_doubtful(launch_ids: Sequence[int]) -> int:
    """Messages of which a second copy may have arrived."""
    rows = Delivery.objects.filter(launch__in=launch_ids, copies_possible__gt=0)
    return rows.count()


def outcome_counts(launch_ids: Sequence[int]) -> dict[str, int]:
    """Outcomes of messages by kind; every kind is named."""
    rows = Outcome.objects.filter(recipient__launch__in=launch_ids).order_by()
    found = dict(rows.values_list("kind").annotate(n=Count("pk")))
    return {kind: found.get(kind, 0) for kind in Outcome.Kind.values}


def arm_sums(launch: Launch, since: datetime, until: datetime) -> dict[str, ArmSums]:
    """What the people of each arm bought in [since, until), whoever got a message.

    Purchases count through any identity of the customer; those of an import that is
    not finished do not.
    """
    instant = connection.ops.adapt_datetimefield_value
    params = [instant(since), instant(until), *unfinished_imports()]
    with connection.cursor() as cursor:
        cursor.execute(
            _ARM_SUMS.format(
                recipient=Recipient._meta.db_table,
                identity=Identity._meta.db_table,
                event=Event._meta.db_table,
                finished=_is_finished(len(params) - 2),
                bought=Kind.PURCHASE.value,
                returned=Kind.RETURN.value,
            ),
            [*params, launch.pk, Recipient.Arm.SUPPRESSED],
        )
        return {
            arm: ArmSums(int(n), int(buyers), float(revenue), float(squared))
            for arm, n, buyers, revenue, squared in cursor
        }


_ARM_SUMS = """
    SELECT arm, COUNT(*), SUM(bought), SUM(revenue), SUM(revenue * revenue)
    FROM (
        SELECT r.arm AS arm, r.id AS id,
            MAX(CASE WHEN e.kind = {bought} THEN 1 ELSE 0 END) AS bought,
            COALESCE(SUM(
                CASE WHEN e.kind = {bought} THEN e.amount ELSE -ABS(e.amount) END
            ), 0.0) AS revenue
        FROM {recipient} r
        LEFT JOIN {identity} i ON i.customer_id = r.customer_id
        LEFT JOIN {event} e ON e.identity_id = i.id
            AND e.kind IN ({bought}, {returned})
            AND e.occurred_at >= %s AND e.occurred_at < %s AND {finished}
        WHERE r.launch_id = %s AND r.arm <> %s
        GROUP BY r.id, r.arm
    ) AS each_person
    GROUP BY arm
"""


def touches_of_clickers(launch_ids: Sequence[int]) -> list[Touch]:
    """All clicks, on any message or ad, of the people who clicked in these launches."""
    people = _clickers(launch_ids)
    messages = Outcome.objects.filter(
        kind=Outcome.Kind.CLICKED, recipient__customer__in=people
    ).values_list("recipient__customer", "happened_at", "recipient__launch")
    wanted = set(launch_ids)
    touches = [Touch(who, at, launch in wanted) for who, at, launch in messages]
    if not touches:
        return []
    owners = Identity.objects.filter(customer__in=people)
    customers = dict(owners.values_list("pk", "customer"))
    ads = Decision.objects.filter(
        clicked_at__isnull=False, identity_id__in=owners.values("pk")
    ).values_list("identity_id", "clicked_at")
    return touches + [
        Touch(customers[who], at, False)
        for who, at in ads
        if who is not None and at is not None
    ]


def purchases_of_clickers(
    launch_ids: Sequence[int], *, since: datetime, until: datetime
) -> list[Purchase]:
    """Every line that they bought or returned in [since, until], by any identity."""
    owners = Identity.objects.filter(customer__in=_clickers(launch_ids))
    customers = dict(owners.values_list("pk", "customer"))
    rows = Event.objects.filter(
        identity_id__in=owners.values("pk"),
        occurred_at__gte=since,
        occurred_at__lte=until,
        kind__in=(Kind.PURCHASE, Kind.RETURN),
    ).exclude(import_id__in=unfinished_imports())
    fields = ("identity_id", "occurred_at", "amount", "order_key", "event_key", "kind")
    return [
        Purchase(customers[who], at, amount or 0.0, order or key)
        if kind == Kind.PURCHASE
        else Purchase(customers[who], at, -abs(amount or 0.0), order or key, True)
        for who, at, amount, order, key, kind in rows.values_list(*fields)
    ]


def buying_share(until: datetime, hours: int) -> float | None:
    """The share of customers who bought in the hours before ``until``; None of none."""
    recent = Event.objects.filter(
        identity_id=OuterRef("pk"),
        occurred_at__gte=until - timedelta(hours=hours),
        occurred_at__lt=until,
        kind=Kind.PURCHASE,
    )
    buyers = Identity.objects.filter(Exists(recent))
    n_buyers = buyers.aggregate(n=Count("customer", distinct=True))["n"]
    n_customers = Customer.objects.count()
    return n_buyers / n_customers if n_buyers and n_customers else None


def _clickers(launch_ids: Sequence[int]) -> QuerySet:
    """The customers who clicked in these launches, as a subquery."""
    clicks = Outcome.objects.filter(
        kind=Outcome.Kind.CLICKED, recipient__launch__in=launch_ids
    )
    return clicks.values("recipient__customer")


def _is_finished(n_unfinished: int) -> str:
    marks = ", ".join(["%s"] * n_unfinished)
    return f"(e.import_id IS NULL OR e.import_id NOT IN ({marks}))" if marks else "TRUE"

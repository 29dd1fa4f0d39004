"""Who a campaign is for, and who of them may be written to at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from numpy.typing import NDArray

from campaigns.models import (
    Campaign,
    Consent,
    ContactPoint,
    Delivery,
    Launch,
    Recipient,
)
from segmentation.models import Customer, Identity, Membership, Merge

CHUNK = 5000
CAP_PERIOD = timedelta(days=7)


@dataclass(frozen=True)
class Chunk:
    """Some of the audience by ascending id. ``reasons`` says "" for the eligible."""

    customer_ids: NDArray[np.int64]
    reasons: NDArray[np.str_]
    n_points: NDArray[np.int64]

    @property
    def last_id(self) -> int:
        return int(self.customer_ids[-1])


def members(campaign: Campaign) -> QuerySet[Customer]:
    """Everybody the campaign is for, whether or not they may be written to."""
    # Who was merged into somebody is that person, and is written to as that person.
    merged = Merge.objects.filter(merged=OuterRef("pk"), undone_at=None)
    people = Customer.objects.filter(~Exists(merged))
    if campaign.to_everyone:
        return people
    chosen = list(campaign.segments.values_list("pk", flat=True))
    inside = Membership.objects.filter(customer=OuterRef("pk"), segment__in=chosen)
    return people.filter(Exists(inside))


def chunks(campaign: Campaign, *, after: int, at: datetime) -> Iterator[Chunk]:
    """The audience with ids above ``after``, judged as of the instant ``at``."""
    rows = judged(campaign, at=at)
    while True:
        found = list(
            rows.filter(pk__gt=after)
            .order_by("pk")
            .values_list("pk", "refusal", "n_points")[:CHUNK]
        )
        if not found:
            return
        ids, reasons, n_points = zip(*found, strict=True)
        chunk = Chunk(
            np.array(ids, np.int64), np.array(reasons), np.array(n_points, np.int64)
        )
        yield chunk
        after = chunk.last_id


def judged(campaign: Campaign, *, at: datetime) -> QuerySet[Any]:
    """The audience with ``n_points`` and ``refusal``: "" or a Recipient.Reason."""
    reason = Recipient.Reason
    whens = [
        When(~agreed(campaign.channel), then=Value(reason.NO_CONSENT)),
        When(n_points=0, then=Value(reason.UNREACHABLE)),
    ]
    rows = members(campaign).annotate(n_points=_n_points(campaign.channel))
    if campaign.cap_per_week is not None:
        rows = rows.annotate(n_recent=n_recent(at))
        capped = When(n_recent__gte=campaign.cap_per_week, then=Value(reason.CAPPED))
        whens.append(capped)
    return rows.annotate(
        refusal=Case(*whens, default=Value(""), output_field=CharField())
    )


def agreed(channel: str, customer: str = "pk") -> Q:
    """Whether the outer customer agreed to marketing on this channel.

    Whoever went into them by a merge is the same person: a yes of any of them counts,
    and a no of any of them wins, until the person says yes after the merge.

    A visitor who logs in becomes another customer, and may have said no as that one:
    the consent of a customer who has no identity left counts for nobody.
    """
    said = Consent.objects.filter(channel=channel, purpose=Consent.Purpose.MARKETING)
    yes, no = said.filter(granted=True), said.filter(granted=False)
    named = Identity.objects.filter(customer=OuterRef(customer))
    parts = Merge.objects.filter(home=OuterRef(customer), undone_at=None)
    since = yes.filter(customer=OuterRef("home"), said_at__gt=OuterRef("merged_at"))
    own, of_part = OuterRef(customer), OuterRef("merged")
    told_yes = parts.filter(Exists(yes.filter(customer=of_part)))
    told_no = parts.filter(Exists(no.filter(customer=of_part)), ~Exists(since))
    return (
        Q(Exists(named))
        & (Q(Exists(yes.filter(customer=own))) | Q(Exists(told_yes)))
        & ~Q(Exists(no.filter(customer=own)))
        & ~Q(Exists(told_no))
    )


def is_of(customer: str, other: str) -> Q:
    """Whether the customer of one column is that of another, or went into them."""
    merges = Merge.objects.filter(
        merged=OuterRef(other), home=OuterRef(customer), undone_at=None
    )
    return Q(**{other: F(customer)}) | Q(Exists(merges))


def _n_points(channel: str) -> Any:
    points = ContactPoint.objects.filter(channel=channel, is_active=True)
    return _with_parts(points, "pk", "customer", "pk")


def n_recent(at: datetime, *, customer: str = "pk", but: Launch | None = None) -> Any:
    """Messages that the outer customer got in the week before ``at``.

    One to two devices is one message. ``but``, the launch that asks, leaves out its own
    and counts what others have on the wire at this moment.
    """
    counts = Q(
        status=Delivery.Status.ACCEPTED, sent_at__gt=at - CAP_PERIOD, sent_at__lte=at
    )
    rows = Delivery.objects.all()
    if but is not None:
        rows = rows.exclude(launch=but)
        counts |= Q(status=Delivery.Status.SENDING)
    rows = rows.filter(counts)
    return _with_parts(rows, customer, "recipient__customer", "recipient")


def _with_parts(rows: QuerySet, customer: str, owner: str, field: str) -> Any:
    """How many of the rows are of the outer customer or of who went into them."""
    own = rows.filter(**{owner: OuterRef(customer)}).order_by().values(owner)
    merge = f"{owner}__merged_into"
    theirs = {f"{merge}__home": OuterRef(customer), f"{merge}__undone_at": None}
    of_parts = rows.filter(**theirs).order_by().values(f"{merge}__home")
    return _counted(own, field) + _counted(of_parts, field)


def _counted(rows: QuerySet, field: str) -> Coalesce:
    counted = rows.annotate(n=Count(field, distinct=True)).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))

"""Small worlds for campaigns: customers who can be reached, and something to send."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from campaigns.models import (
    Ad,
    Campaign,
    Consent,
    ContactPoint,
    Launch,
    Placement,
    Variant,
)
from campaigns.services import planning, sending
from segmentation.models import Customer, Event, Identity, Item, Kind, Source
from segmentation.models.fields import fingerprint
from segmentation.services import events, jobs

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LINK = "https://shop.example/sale"


def make_source() -> Source:
    return Source.objects.get_or_create(name="shop")[0]


def make_people(n: int, *, prefix: str = "c") -> list[Customer]:
    """n customers, each with an identity in the source “shop”."""
    people = Customer.objects.bulk_create(
        [Customer(created_at=NOW - timedelta(days=400)) for _ in range(n)]
    )
    source = make_source()
    Identity.objects.bulk_create(
        [
            Identity(customer=one, source=source, external_id=f"{prefix}{number}")
            for number, one in enumerate(people)
        ]
    )
    return people


def make_reachable(
    people: Iterable[Customer],
    *,
    channel: str = "memory",
    addresses: dict[int, dict[str, Any]] | None = None,
    devices: int = 1,
) -> None:
    """Everyone agreed to marketing and has contact points; nothing is validated."""
    people = list(people)
    Consent.objects.bulk_create(
        [
            Consent(
                customer=one,
                channel=channel,
                purpose=Consent.Purpose.MARKETING,
                granted=True,
                said_at=NOW - timedelta(days=30),
            )
            for one in people
        ]
    )
    points = []
    for one in people:
        for device in range(devices):
            target = f"{one.pk}/{device}"
            address = (addresses or {}).get(one.pk, {"target": target, "keys": {}})
            points.append(
                ContactPoint(
                    customer=one,
                    channel=channel,
                    address=json.dumps(address),
                    address_hash=fingerprint(address["target"]),
                    origin="memory:",
                )
            )
    ContactPoint.objects.bulk_create(points)


def make_items(n: int) -> list[Item]:
    return Item.objects.bulk_create(
        [
            Item(
                external_id=f"i{number}",
                title=f"Item {number}",
                url=f"https://shop.example/i/{number}",
                price=1.0 + number,
            )
            for number in range(n)
        ]
    )


def buy(
    customer: Customer,
    item: Item | None = None,
    *,
    at: datetime = NOW,
    amount: float = 10.0,
    key: str = "",
    kind: Kind = Kind.PURCHASE,
) -> None:
    """One purchase of a customer, or another kind of event."""
    identity = Identity.objects.filter(customer=customer).first()
    events.append(
        [
            events.KnownEvent(
                identity_id=identity.pk,
                kind=kind,
                occurred_at=at,
                event_id=key or f"test:{customer.pk}:{Event.objects.count()}",
                item_id=item.pk if item else None,
                amount=amount,
            )
        ]
    )


def make_campaign(**fields: Any) -> Campaign:
    """A campaign to everyone with one variant; no products unless asked for."""
    variant = {
        "title": "For you",
        "body": "Have a look",
        "link": LINK,
    } | fields.pop("variant", {})
    defaults = {
        "name": "Autumn",
        "channel": "memory",
        "to_everyone": True,
        "n_products": 0,
        "holdout_share": 0.25,
        "salt": "salt",
    }
    campaign = Campaign.objects.create(**(defaults | fields))
    Variant.objects.create(campaign=campaign, **variant)
    return campaign


def make_launch(campaign: Campaign, *, now: datetime | None = None) -> Launch:
    """A launch that waits for a worker."""
    return planning.launch_now(campaign, now=now or timezone.now(), actor=None)


def make_planned(campaign: Campaign, *, now: datetime | None = None) -> Launch:
    """A launch with its recipients and deliveries, queued for sending."""
    now = now or timezone.now()
    launch = make_launch(campaign, now=now)
    sending.plan_only(launch, clock=lambda: now)
    launch.refresh_from_db()
    return launch


def hold(launch: Launch):
    """The launch in our hands."""
    return jobs.hold(launch)


def make_placement(slug: str = "home") -> Placement:
    return Placement.objects.create(slug=slug, name=slug)


def make_ad(placement: Placement, **fields: Any) -> Ad:
    defaults = {"name": "Ad", "title": "Look", "link": LINK}
    return Ad.objects.create(placement=placement, **(defaults | fields))

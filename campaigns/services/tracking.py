"""Signed links out, outcomes in: each counts once, and closes the circle as an event.

A link carries what it stands for, where it leads and until when it is good, under a
signature of ours (HMAC-SHA-256); nothing in a request can change where it leads.
"""

from __future__ import annotations

import base64
import hmac
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.urls import reverse

from campaigns.models import Consent, Decision, Delivery, Outcome
from campaigns.services import consent
from segmentation import conf, queries
from segmentation.models import Customer, Kind, RefKind
from segmentation.services import access, events


class Use(StrEnum):
    """What a link is for: the letter in its address, and part of its signature."""

    CLICKED = "c"
    DISMISSED = "d"
    SHOWN = "o"
    IMPRESSION = "i"
    UNSUBSCRIBE = "u"


LIFETIMES = {
    Use.CLICKED: timedelta(days=90),
    Use.DISMISSED: timedelta(days=30),
    Use.SHOWN: timedelta(days=30),
    Use.IMPRESSION: timedelta(hours=2),
    Use.UNSUBSCRIBE: timedelta(days=365),
}
OUTCOMES = {
    Use.CLICKED: Outcome.Kind.CLICKED,
    Use.DISMISSED: Outcome.Kind.DISMISSED,
    Use.SHOWN: Outcome.Kind.DELIVERED,
    Use.IMPRESSION: Outcome.Kind.DELIVERED,
    Use.UNSUBSCRIBE: Outcome.Kind.UNSUBSCRIBED,
}
MESSAGE_EVENTS = {
    Use.CLICKED: Kind.MESSAGE_CLICKED,
    Use.DISMISSED: Kind.MESSAGE_DISMISSED,
}
AD_EVENTS = {Use.CLICKED: Kind.AD_CLICKED, Use.IMPRESSION: Kind.AD_SHOWN}


class BadLink(Exception):
    """A link that we did not make, or not for this use."""


class Expired(BadLink):
    """A link of ours whose time is over."""


@dataclass(frozen=True)
class Link:
    """What a good link stands for: a delivery or an ad decision, never both."""

    use: Use
    delivery_id: int | None = None
    decision_id: uuid.UUID | None = None
    destination: str = ""
    item_id: int | None = None


class Seal:
    """HMAC-SHA-256 over JSON, with a key of its own for each use of a secret."""

    def __init__(self, use: Use, secret: str) -> None:
        key = hmac.digest(secret.encode(), f"strata.tracking.{use}".encode(), "sha256")
        # A campaign signs millions of links: the key goes in once, then it is copied.
        self._mac = hmac.new(key, digestmod="sha256")
        self._encode = json.JSONEncoder(separators=(",", ":")).encode

    def sealed(self, value: Any) -> str:
        """The value and its signature, in characters that an address may have."""
        text = _b64(self._encode(value).encode())
        return f"{text}.{self._signature(text)}"

    def opened(self, token: str) -> Any:
        """The value that was sealed, or BadLink."""
        text, _dot, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            raise BadLink
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    def _signature(self, text: str) -> str:
        mac = self._mac.copy()
        mac.update(text.encode())
        return _b64(mac.digest())


class Links:
    """Makes signed links; one secret is read for a whole batch."""

    def __init__(self, now: datetime) -> None:
        secret = access.signing_secret()
        self._key_id = secret.key_id
        self._now = int(now.timestamp())
        self._seals = {use: Seal(use, secret.secret) for use in Use}
        self._roots = {
            use: conf.public_url() + reverse("tracked", args=[use.value, "x"])[:-1]
            for use in Use
        }

    def clicked(
        self, delivery_id: int, destination: str, item_id: int | None = None
    ) -> str:
        """Leads to the destination and counts a click on the message, or its item."""
        return self._made(Use.CLICKED, "m", delivery_id, destination, item_id)

    def dismissed(self, delivery_id: int) -> str:
        """The person wiped the message away."""
        return self._made(Use.DISMISSED, "m", delivery_id)

    def shown(self, delivery_id: int) -> str:
        """The device showed the message."""
        return self._made(Use.SHOWN, "m", delivery_id)

    def unsubscribe(self, delivery_id: int) -> str:
        """A page that takes back the consent (RFC 8058: POST does it at once)."""
        return self._made(Use.UNSUBSCRIBE, "m", delivery_id)

    def ad_shown(self, decision_id: uuid.UUID) -> str:
        """Counts one impression."""
        return self._made(Use.IMPRESSION, "a", decision_id.hex)

    def ad_clicked(self, decision_id: uuid.UUID, destination: str) -> str:
        """Leads to the destination and counts a click on the ad."""
        return self._made(Use.CLICKED, "a", decision_id.hex, destination)

    def _made(self, use: Use, kind: str, *rest: object) -> str:
        until = self._now + int(LIFETIMES[use].total_seconds())
        token = self._seals[use].sealed([kind, until, *rest])
        return f"{self._roots[use]}{self._key_id}.{token}"


def read(use: str, token: str, *, now: datetime) -> Link:
    """What a token stands for; BadLink, or Expired."""
    key_id, _dot, signed = token.partition(".")
    secret = access.secret_of(key_id)
    if use not in tuple(Use) or not secret:
        raise BadLink
    kind, until, number, *rest = Seal(Use(use), secret).opened(signed)
    if now.timestamp() > until:
        raise Expired
    destination, item_id = [*rest, None, None][:2]
    if kind == "m":
        return Link(Use(use), number, None, destination or "", item_id)
    return Link(Use(use), None, uuid.UUID(number), destination or "")


def count(link: Link, *, now: datetime) -> bool:
    """Count what a link stands for, once and for all; False when it was counted.

    The outcome's unique constraint decides, however many hits come at once.
    """
    try:
        with transaction.atomic():
            counted = _count_message if link.delivery_id else _count_ad
            return counted(link, now)
    except IntegrityError:
        return False


def unsubscribe(link: Link, *, now: datetime) -> bool:
    """Take back the consent to marketing on the channel that the message came by."""
    rows = Delivery.objects.filter(pk__in=[link.delivery_id])
    delivery = rows.select_related("recipient", "contact_point").first()
    if delivery is None:
        return False
    consent.record(
        Customer(pk=delivery.recipient.customer_id),
        delivery.contact_point.channel,
        Consent.Purpose.MARKETING,
        False,
        now=now,
        proof=f"link of launch {delivery.launch_id}",
    )
    count(link, now=now)
    return True


def recipient_of(link: Link) -> Customer | None:
    """Whom the message of a link went to, if that is still known."""
    sent = Delivery.objects.filter(pk__in=[link.delivery_id])
    row = sent.select_related("recipient__customer").first()
    return row.recipient.customer if row else None


def personalise(link: Link, granted: bool, *, now: datetime) -> bool:
    """Note whether the person of a message wants what they see chosen for them."""
    customer = recipient_of(link)
    if customer is None:
        return False
    consent.record(
        customer,
        "",
        Consent.Purpose.PERSONALISATION,
        granted,
        now=now,
        proof="link of a message",
    )
    return True


def accepted(
    rows: list[tuple[int, int]], *, launch_id: int, now: datetime
) -> list[events.KnownEvent]:
    """Events for (delivery id, customer id) pairs that a provider has taken."""
    identities = queries.identity_ids(np.array([row[1] for row in rows]))
    return [
        events.KnownEvent(
            identity_id=identity,
            kind=Kind.MESSAGE_ACCEPTED,
            occurred_at=now,
            event_id=f"delivery:{delivery}:accepted",
            ref_kind=RefKind.LAUNCH,
            ref_id=launch_id,
        )
        for (delivery, _customer), identity in zip(
            rows, identities.tolist(), strict=True
        )
        if identity >= 0
    ]


def _count_message(link: Link, now: datetime) -> bool:
    rows = Delivery.objects.filter(pk__in=[link.delivery_id])
    delivery = rows.select_related("recipient").first()
    if delivery is None:
        return False
    kind = OUTCOMES[link.use]
    Outcome.objects.create(
        kind=kind, delivery=delivery, recipient=delivery.recipient, happened_at=now
    )
    event = MESSAGE_EVENTS.get(link.use)
    identity = int(queries.identity_ids(np.array([delivery.recipient.customer_id]))[0])
    if event is not None and identity >= 0:
        happened = events.KnownEvent(
            identity_id=identity,
            kind=event,
            occurred_at=now,
            event_id=f"delivery:{delivery.pk}:{kind}",
            item_id=link.item_id,
            ref_kind=RefKind.LAUNCH,
            ref_id=delivery.launch_id,
        )
        events.append([happened])
    return True


def _count_ad(link: Link, now: datetime) -> bool:
    rows = Decision.objects.filter(pk__in=[link.decision_id])
    decision = rows.select_related("ad").first()
    if decision is None:
        return False
    kind = OUTCOMES[link.use]
    Outcome.objects.create(kind=kind, decision=decision, happened_at=now)
    field = "clicked_at" if link.use is Use.CLICKED else "shown_at"
    Decision.objects.filter(pk=decision.pk).update(**{field: now})
    if decision.identity_id is not None and decision.ad is not None:
        happened = events.KnownEvent(
            identity_id=decision.identity_id,
            kind=AD_EVENTS[link.use],
            occurred_at=now,
            event_id=f"decision:{decision.pk.hex}:{kind}",
            item_id=decision.ad.item_id,
            ref_kind=RefKind.AD,
            ref_id=decision.ad.pk,
        )
        events.append([happened])
    return True


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

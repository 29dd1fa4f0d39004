"""Contact points: where a customer can be reached, and who an address belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from yarl import URL

from campaigns.channels import addresses
from campaigns.channels.base import Address, BadAddress
from campaigns.models import ContactPoint
from campaigns.services import keys
from segmentation.models import Customer
from segmentation.models.fields import fingerprint

UNSUBSCRIBED = "unsubscribed"
GONE = "gone"


def subscribe(
    customer: Customer, channel: str, address: Mapping[str, Any], *, now: datetime
) -> ContactPoint:
    """Keep an address of a customer; BadAddress if nothing could be sent there.

    ``address`` is a browser's subscription (``endpoint``, ``keys``) or ``{"target"}``.
    Idempotent. A browser that another customer uses by now moves to them.
    """
    parsed = _parsed(address)
    keys.open_channel(channel).check_address(parsed)
    point = ContactPoint(
        customer=customer,
        channel=channel,
        address=json.dumps({"target": parsed.target, "keys": dict(parsed.keys)}),
        address_hash=fingerprint(parsed.target),
        origin=_origin(parsed.target),
        is_active=True,
        inactive_reason="",
        created_at=now,
    )
    unique = ["channel", "address_hash"]
    fresh = ["customer", "address", "origin", "is_active", "inactive_reason"]
    ContactPoint.objects.bulk_create(
        [point], update_conflicts=True, unique_fields=unique, update_fields=fresh
    )
    return ContactPoint.objects.get(channel=channel, address_hash=point.address_hash)


def unsubscribe(channel: str, target: str) -> bool:
    """Send nothing more to an endpoint (or its hash); False if it is not known."""
    hashes = [target, fingerprint(target)]
    rows = ContactPoint.objects.filter(channel=channel, address_hash__in=hashes)
    return bool(rows.update(is_active=False, inactive_reason=UNSUBSCRIBED))


def address_of(stored: str) -> Address:
    """The Address behind a contact point's stored text."""
    row = json.loads(stored)
    return Address(row["target"], row.get("keys") or {})


def _parsed(address: Mapping[str, Any]) -> Address:
    target = address.get("endpoint") or address.get("target") or ""
    given = address.get("keys") or {}
    if not isinstance(target, str) or not isinstance(given, Mapping):
        raise BadAddress("an address has an endpoint, and keys that are texts")
    if not all(isinstance(value, str) for value in given.values()):
        raise BadAddress("the subscription's keys are not texts")
    return Address(target, dict(given))


def _origin(target: str) -> str:
    try:
        return addresses.origin_of(URL(target, encoded=True))[:200]
    except ValueError:
        return ""

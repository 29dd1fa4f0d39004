"""What a customer agreed to: the last word counts, whoever brings it first."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from campaigns.models import Consent
from segmentation.models import Customer
from segmentation.services import personalisation


def record(
    customer: Customer,
    channel: str,
    purpose: str,
    granted: bool,
    *,
    now: datetime,
    text_version: str = "",
    proof: str = "",
) -> Consent:
    """Write down what was said at ``now``; something said later stays as it is.

    Personalisation is of the shop, not of a channel: segmentation minds it at once.
    """
    is_of_shop = purpose == Consent.Purpose.PERSONALISATION
    said = {
        "granted": granted,
        "said_at": now,
        "text_version": text_version[:40],
        "proof": proof[:200],
    }
    key = {"customer": customer, "channel": channel, "purpose": purpose}
    key |= {"channel": ""} if is_of_shop else {}
    with transaction.atomic():
        consent, counts = Consent.objects.get_or_create(**key, defaults=said)
        if not counts:  # a statement that arrives late must not undo a newer one
            older = Consent.objects.filter(pk=consent.pk, said_at__lte=now)
            counts = bool(older.update(**said))
            consent.refresh_from_db()
        if counts and is_of_shop:
            personalisation.record(customer, granted, actor_name=proof[:60])
    return consent


def withdraw_all(customer: Customer, *, now: datetime, proof: str = "") -> int:
    """Take back everything that was granted; answers how many consents changed."""
    return Consent.objects.filter(
        customer=customer, granted=True, said_at__lte=now
    ).update(granted=False, said_at=now, proof=proof[:200])

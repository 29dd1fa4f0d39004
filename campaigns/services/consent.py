"""What a customer agreed to: the last word counts, whoever brings it first."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from campaigns.models import Consent
from segmentation.models import Customer


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
    """Write down what was said at ``now``; something said later stays as it is."""
    said = {
        "granted": granted,
        "said_at": now,
        "text_version": text_version[:40],
        "proof": proof[:200],
    }
    key = {"customer": customer, "channel": channel, "purpose": purpose}
    with transaction.atomic():
        consent, created = Consent.objects.get_or_create(**key, defaults=said)
        # A statement that arrives late must not undo a newer one.
        if not created and Consent.objects.filter(
            pk=consent.pk, said_at__lte=now
        ).update(**said):
            consent.refresh_from_db()
    return consent


def withdraw_all(customer: Customer, *, now: datetime, proof: str = "") -> int:
    """Take back everything that was granted; answers how many consents changed."""
    return Consent.objects.filter(
        customer=customer, granted=True, said_at__lte=now
    ).update(granted=False, said_at=now, proof=proof[:200])

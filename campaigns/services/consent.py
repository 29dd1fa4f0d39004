"""What a customer agreed to: the last word counts, whoever brings it first."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import Q

from campaigns.channels import CHANNELS
from campaigns.models import Consent
from segmentation.models import Customer, ImportJob
from segmentation.services import consents

WITHDRAWN = ", withdrawn"  # a proof of no that no undo takes back
AT_ONCE = 1000  # rows in one statement


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


class Imported:
    """Keeps what files of customers tell (``consent.email`` and the like).

    A file does not say when somebody agreed. So a yes counts only where nothing was
    said before: it never overrules a withdrawal. A no withdraws whatever was granted.
    """

    def __init__(self) -> None:
        self.channels = {name: name for name in CHANNELS} | {"push": "webpush"}
        self.ways = {way: CHANNELS[name][0] for way, name in self.channels.items()}
        self.permission = "campaigns.change_consent"

    def take(self, told: consents.Told) -> consents.Counted:
        proof = f"import {told.import_id}"
        files = ImportJob.objects.filter(pk=told.import_id)
        text = files.values_list("original_name", flat=True).first() or ""
        said = zip(told.customer_ids.tolist(), told.granted.tolist(), strict=True)
        where = {
            "channel": self.channels[told.way],
            "purpose": Consent.Purpose.MARKETING,
        }
        counted = _new_words(told, where)
        rows = [
            Consent(
                customer_id=who,
                granted=granted,
                said_at=told.at,
                text_version=text[:40],
                proof=proof,
                **where,
            )
            for who, granted in said
        ]
        Consent.objects.bulk_create(rows, ignore_conflicts=True, batch_size=AT_ONCE)
        # A no that another file told first is this one's too: it outlives both undos.
        first_no = Q(granted=False, proof__startswith="import ") & ~(
            Q(proof=proof) | Q(proof__endswith=WITHDRAWN)
        )
        against = told.customer_ids[~told.granted].tolist()
        for start in range(0, len(against), AT_ONCE):
            Consent.objects.filter(
                Q(granted=True) | first_no,
                customer__in=against[start : start + AT_ONCE],
                **where,
            ).update(
                granted=False,
                said_at=told.at,
                text_version=text[:40],
                proof=f"{proof}{WITHDRAWN}",
            )
        return counted

    def give_back(self, import_id: int) -> None:
        """Forget first words of that import; what it withdrew stays withdrawn."""
        Consent.objects.filter(proof=f"import {import_id}").delete()


def _new_words(told: consents.Told, where: dict[str, str]) -> consents.Counted:
    """What a file says that was not so before it."""
    ids = told.customer_ids
    before: dict[int, bool] = {}
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE].tolist()
        rows = Consent.objects.filter(customer__in=some, **where)
        before |= dict(rows.values_list("customer_id", "granted"))
    known = np.isin(ids, list(before))
    agreed = np.isin(ids, [who for who, granted in before.items() if granted])
    first_yes = np.unique(ids[told.granted & ~known])
    against = np.unique(ids[~told.granted & (agreed | ~known)])
    return consents.Counted(len(first_yes), len(against))

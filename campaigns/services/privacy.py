"""A customer's rights across both apps: all that is kept, and its erasure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from campaigns.models import (
    Ad,
    Consent,
    ContactPoint,
    Decision,
    Delivery,
    Launch,
    Outcome,
    Recipient,
)
from campaigns.services import consent_imports, planning
from segmentation.models import Customer, Erasure, Identity
from segmentation.services import audit, erasing, people
from segmentation.services import privacy as shop_privacy


class WhichCustomer(LookupError):
    """No customer has this id, or more than one; the text says what to do."""


def find_customer(text: str, *, source_name: str | None = None) -> Customer:
    """The one customer behind an id as a shop or we write it, or WhichCustomer.

    ``pk:7`` is always our own number. Without a source an id that could mean two
    people is refused: the next step may be an erasure.
    """
    number = text.removeprefix("pk:")
    by_number = Q(pk=int(number)) if number.isdecimal() else Q(pk__in=())
    named = Q(identities__external_id=text)
    if source_name is not None:
        condition = named & Q(identities__source__name=source_name)
    else:
        condition = by_number if text.startswith("pk:") else by_number | named
    found = list(Customer.objects.filter(condition).distinct()[:2])
    if len(found) == 1:
        return found[0]
    if found:
        raise WhichCustomer(
            _("“%(id)s” may mean two customers: name the source, or write pk:NUMBER.")
            % {"id": text}
        )
    raise WhichCustomer(_("There is no customer “%(id)s”.") % {"id": text})


def export_customer(customer: Customer) -> dict[str, Any]:
    """Everything kept about a person; what only machines read is left out.

    Who went into the customer by a merge, or whom they went into, is the same person.
    """
    customer = people.whole(customer)
    parts = people.parts_of(customer)
    recipients = Recipient.objects.filter(customer__in=parts)
    deliveries = Delivery.objects.filter(recipient__customer__in=parts)
    outcomes = Outcome.objects.filter(recipient__customer__in=parts)
    points = ContactPoint.objects.filter(customer__in=parts)
    kept = shop_privacy.export_customer(customer)
    _name_what_led(kept["events"])
    return kept | {
        "consents": list(
            Consent.objects.filter(customer__in=parts).values(
                "channel", "purpose", "granted", "said_at", "text_version", "proof"
            )
        ),
        "contact_points": [
            row | {"address": json.loads(row["address"]).get("target", "")}
            for row in points.values("channel", "address", "is_active", "created_at")
        ],
        "campaigns": shop_privacy.with_item_names(
            recipients.values(
                *("arm", "reason", "item_ids"), campaign=F("launch__campaign__name")
            )
        ),
        "messages": list(
            deliveries.values("status", "sent_at", campaign=F("launch__campaign__name"))
        ),
        "reactions": list(
            outcomes.values(
                *("kind", "happened_at"),
                campaign=F("recipient__launch__campaign__name"),
            )
        ),
        "ads": list(
            _decisions(customer).values("shown_at", "clicked_at", name=F("ad__name"))
        ),
    }


def _name_what_led(events: list[dict[str, Any]]) -> None:
    """Put the names of campaigns and ads where the events have our numbers."""
    launches = {row["ref"] for row in events if row["ref_kind"] == "launch"}
    ads = {row["ref"] for row in events if row["ref_kind"] == "ad"}
    launched = Launch.objects.filter(pk__in=launches)
    names = {
        "launch": dict(launched.values_list("pk", "campaign__name")),
        "ad": dict(Ad.objects.filter(pk__in=ads).values_list("pk", "name")),
    }
    for row in events:
        if row["ref_kind"] in names:
            row["ref"] = names[row["ref_kind"]].get(row["ref"])


def erase_customer(
    customer: Customer, *, now: datetime, actor: Any = None, actor_name: str = ""
) -> Erasure:
    """Erase a person from every table; answers the deed that erases the rest.

    Files, exports and models may take long: that is a deed of its own, queued in the
    same transaction (``erasing``, whose ``receipt`` counts what went and says what
    remains). Who went into the customer by a merge goes too: it is the same person. Ad
    decisions stay as numbers without a person. Launches are counted again, so that
    their sums still add up. The audit entry holds the customer's number only.
    """
    customer = people.whole(customer)
    with transaction.atomic():
        erasure = erasing.begin(customer, now=now, actor=actor)
        counts = _erase_rows(customer)
        erasing.keep_counts(erasure, counts)
        subject, changes = Customer(pk=erasure.number), {"rows": counts}
        audit.record(actor, "erase customer", subject, changes, actor_name=actor_name)
    return erasure


def _erase_rows(customer: Customer) -> dict[str, int]:
    parts = people.parts_of(customer)
    launches = Launch.objects.filter(recipients__customer__in=parts)
    touched = list(launches.distinct())
    said = Consent.objects.filter(customer__in=parts)
    counts = {"ad_decisions": _decisions(customer).update(identity_id=None)}
    sets = {
        "outcomes": Outcome.objects.filter(recipient__customer__in=parts),
        "deliveries": Delivery.objects.filter(recipient__customer__in=parts),
        "recipients": Recipient.objects.filter(customer__in=parts),
        "contact_points": ContactPoint.objects.filter(customer__in=parts),
        "consent_changes": consent_imports.changes_of(said),
        "consents": said,
    }
    counts |= {name: rows.delete()[0] for name, rows in sets.items()}
    counts |= shop_privacy.erase_customer(customer)
    for launch in touched:
        if planning.is_planned(launch):
            planning.recount(launch)
    return counts


def _decisions(customer: Customer) -> Any:
    own = Identity.objects.filter(customer=customer).values("pk")
    return Decision.objects.filter(identity_id__in=own)

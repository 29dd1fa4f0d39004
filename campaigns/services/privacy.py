"""A customer's rights across both apps: all that is kept, and its erasure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from campaigns.models import (
    Consent,
    ContactPoint,
    Decision,
    Delivery,
    Launch,
    Outcome,
    Recipient,
)
from campaigns.services import planning
from segmentation.models import Customer, Identity
from segmentation.services import audit
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
    """Everything kept about a customer; what only machines read is left out."""
    recipients = Recipient.objects.filter(customer=customer)
    deliveries = Delivery.objects.filter(recipient__customer=customer)
    points = ContactPoint.objects.filter(customer=customer)
    return shop_privacy.export_customer(customer) | {
        "consents": list(
            Consent.objects.filter(customer=customer).values(
                "channel", "purpose", "granted", "said_at", "text_version", "proof"
            )
        ),
        "contact_points": list(
            points.values("channel", "address", "is_active", "created_at")
        ),
        "campaigns": list(
            recipients.values("launch__campaign__name", "arm", "reason", "item_ids")
        ),
        "messages": list(
            deliveries.values("launch__campaign__name", "status", "sent_at")
        ),
        "reactions": list(
            Outcome.objects.filter(recipient__customer=customer).values(
                "kind", "happened_at"
            )
        ),
        "ads": list(_decisions(customer).values("ad__name", "shown_at", "clicked_at")),
    }


def erase_customer(
    customer: Customer, *, now: datetime, actor: Any = None, actor_name: str = ""
) -> dict[str, Any]:
    """Erase a customer everywhere in the database; the receipt counts the rows.

    Ad decisions stay as numbers without a person. Launches are counted again, so that
    their sums still add up. The audit entry holds the customer's number only.
    """
    with transaction.atomic():
        launches = Launch.objects.filter(recipients__customer=customer)
        touched = list(launches.distinct())
        number = customer.pk
        counts = {"ad_decisions": _decisions(customer).update(identity_id=None)}
        sets = {
            "outcomes": Outcome.objects.filter(recipient__customer=customer),
            "deliveries": Delivery.objects.filter(recipient__customer=customer),
            "recipients": Recipient.objects.filter(customer=customer),
            "contact_points": ContactPoint.objects.filter(customer=customer),
            "consents": Consent.objects.filter(customer=customer),
        }
        counts |= {name: rows.delete()[0] for name, rows in sets.items()}
        counts |= shop_privacy.erase_customer(customer)
        for launch in touched:
            if planning.is_planned(launch):
                planning.recount(launch)
        subject, changes = Customer(pk=number), {"rows": counts}
        audit.record(actor, "erase customer", subject, changes, actor_name=actor_name)
    return {"customer": number, "erased_at": now.isoformat(), "rows": counts}


def _decisions(customer: Customer) -> Any:
    own = Identity.objects.filter(customer=customer).values("pk")
    return Decision.objects.filter(identity_id__in=own)

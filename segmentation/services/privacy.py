"""This app's share of a customer's rights: everything kept, and its erasure."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.forms.models import model_to_dict

from segmentation.models import (
    Customer,
    Event,
    EventClaim,
    EventDetail,
    Identity,
    ImportChange,
    ImportKind,
    Membership,
    MembershipHistory,
    ServedList,
)
from segmentation.services import exporting

EVENT_FIELDS = ("occurred_at", "kind", "item_id", "quantity", "price", "amount")


def export_customer(customer: Customer) -> dict[str, Any]:
    """Everything this app keeps about a customer, in plain values."""
    identities = Identity.objects.filter(customer=customer)
    events = Event.objects.filter(identity_id__in=identities.values("pk"))
    memberships = Membership.objects.filter(customer=customer)
    past = MembershipHistory.objects.filter(customer=customer)
    served = ServedList.objects.filter(identity_id__in=identities.values("pk"))
    return {
        "customer": model_to_dict(customer) | {"created_at": customer.created_at},
        "identities": list(
            identities.values("source__name", "external_id", "visitor_id")
        ),
        "events": list(
            events.order_by("occurred_at").values(
                *EVENT_FIELDS, "value", "currency", "ref_kind", "ref_id"
            )
        ),
        "event_details": list(
            EventDetail.objects.filter(event_key__in=events.values("event_key")).values(
                "search_terms", "page"
            )
        ),
        "segments": list(memberships.values("segment__name", "since")),
        "past_segments": list(past.values("segment__name", "since", "until")),
        "served_lists": list(served.values("served_at", "purpose", "item_ids")),
    }


def erase_customer(customer: Customer) -> dict[str, int]:
    """Delete everything this app keeps about a customer; answers rows per table.

    Last, the customer: whatever other apps hang on it has to be gone before.
    """
    with transaction.atomic():
        transaction.on_commit(exporting.forget_people)
        identity_ids = list(
            Identity.objects.filter(customer=customer).values_list("pk", flat=True)
        )
        events = Event.objects.filter(identity_id__in=identity_ids)
        details = EventDetail.objects.filter(event_key__in=events.values("event_key"))
        sets = {
            "event_details": details,
            "event_claims": EventClaim.objects.filter(
                event_key__in=events.values("event_key")
            ),
            "events": events,
            "served_lists": ServedList.objects.filter(identity_id__in=identity_ids),
            "memberships": Membership.objects.filter(customer=customer),
            "past_memberships": MembershipHistory.objects.filter(customer=customer),
            "import_changes": ImportChange.objects.filter(
                kind=ImportKind.CUSTOMERS, object_id=customer.pk
            ),
            "identities": Identity.objects.filter(customer=customer),
            "customers": Customer.objects.filter(pk=customer.pk),
        }
        return {name: rows.delete()[0] for name, rows in sets.items()}

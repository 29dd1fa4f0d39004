"""This app's share of a customer's rights: everything kept, and its erasure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.forms.models import model_to_dict

from segmentation import queries
from segmentation.models import (
    Customer,
    CustomerClaim,
    Event,
    EventClaim,
    EventDetail,
    Identity,
    ImportChange,
    ImportKind,
    Item,
    Kind,
    Membership,
    MembershipHistory,
    Merge,
    RefKind,
    ServedList,
    Telling,
)
from segmentation.services import people


def export_customer(customer: Customer) -> dict[str, Any]:
    """Everything this app keeps about a customer, in plain values and names.

    What led to an event is ``ref_kind``, a word, and ``ref``: a served list's id, or
    the number of a row of another app, which gives it a name. ``customer`` is who the
    person is now (``people.whole``); who went into them is told of with them.
    """
    parts = people.parts_of(customer)
    merged = Customer.objects.filter(pk__in=parts[1:]).order_by("pk")
    identities = Identity.objects.filter(customer=customer)
    events = Event.objects.filter(identity_id__in=identities.values("pk"))
    memberships = Membership.objects.filter(customer__in=parts)
    past = MembershipHistory.objects.filter(customer__in=parts)
    served = ServedList.objects.filter(identity_id__in=identities.values("pk"))
    segment = F("segment__name")
    return {
        "customer": _facts(customer),
        "merged_customers": [_facts(each) for each in merged],
        "told_by_sources": _told(parts),
        "identities": list(
            identities.values(
                "external_id", "visitor_id", source_name=F("source__name")
            )
        ),
        "events": _events(events, served),
        "event_details": list(
            EventDetail.objects.filter(event_key__in=events.values("event_key")).values(
                "search_terms", "page"
            )
        ),
        "segments": list(memberships.values("since", segment_name=segment)),
        "past_segments": list(past.values("since", "until", segment_name=segment)),
        "served_lists": with_item_names(
            served.values("served_at", "purpose", "item_ids")
        ),
    }


def _facts(customer: Customer) -> dict[str, Any]:
    facts = model_to_dict(customer, exclude=["id"])
    return facts | {"created_at": customer.created_at}


def _told(customer_ids: list[int]) -> list[dict[str, Any]]:
    """What each source told, import by import."""
    told = Telling.objects.filter(customer__in=customer_ids).order_by("pk")
    return [
        {"source_name": name, "told_at": told_at, "values": json.loads(values or "{}")}
        for name, told_at, values in told.values_list(
            "source__name", "told_at", "values"
        )
    ]


def with_item_names(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """The rows with the shop's ids of products, ``items``, for our ``item_ids``."""
    found = list(rows)
    wanted = {pk for row in found for pk in row["item_ids"]}
    names = {pk: item.external_id for pk, item in queries.items_by_id(wanted).items()}
    return [
        {name: value for name, value in row.items() if name != "item_ids"}
        | {"items": [names[pk] for pk in row["item_ids"] if pk in names]}
        for row in found
    ]


def _events(events: QuerySet, served: QuerySet) -> list[dict[str, Any]]:
    items = Item.objects.filter(pk__in=events.values("item_id"))
    names = dict(items.values_list("pk", "external_id"))
    lists = dict(served.values_list("pk", "recommendation_id"))
    found = events.order_by("occurred_at").values(
        *("occurred_at", "kind", "item_id", "quantity", "price", "amount"),
        *("value", "currency", "ref_kind", "ref_id"),
    )
    rows = []
    for row in found.iterator():
        item, ref = row.pop("item_id"), row["ref_kind"]
        row["item"] = names.get(item)
        row["kind"] = Kind(row["kind"]).name.lower()
        row["ref_kind"] = RefKind(ref).name.lower() if ref else None
        number = row.pop("ref_id")
        row["ref"] = lists.get(number) if ref == RefKind.SERVED_LIST else number
        rows.append(row)
    return rows


def erase_customer(customer: Customer) -> dict[str, int]:
    """Delete every row this app keeps about a customer; answers rows per table.

    What is kept beside rows goes after them (``erasing``). Last goes the customer:
    whatever other apps hang on it has to be gone before.
    """
    with transaction.atomic():
        parts = people.parts_of(customer)
        identity_ids = list(
            Identity.objects.filter(customer__in=parts).values_list("pk", flat=True)
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
            "memberships": Membership.objects.filter(customer__in=parts),
            "past_memberships": MembershipHistory.objects.filter(customer__in=parts),
            "import_changes": ImportChange.objects.filter(
                kind=ImportKind.CUSTOMERS, object_id__in=parts
            ),
            "claims": CustomerClaim.objects.filter(customer__in=parts),
            "tellings": Telling.objects.filter(customer__in=parts),
            "merges": Merge.objects.filter(
                Q(kept__in=parts) | Q(merged__in=parts) | Q(home__in=parts)
            ),
            "identities": Identity.objects.filter(customer__in=parts),
            "customers": Customer.objects.filter(pk__in=parts),
        }
        return {name: rows.delete()[0] for name, rows in sets.items()}

"""The target fields of each kind, what they hold, and which must be there."""

from __future__ import annotations

from segmentation.engine.cleaning import FLAG, ID, KIND, NUMBER, OBJECT, TEXT, TIME
from segmentation.engine.sentences import Refusal

FIELDS: dict[str, dict[str, str]] = {
    "events": {
        "customer": ID,
        "visitor": ID,
        "item": ID,
        "kind": KIND,
        "occurred_at": TIME,
        "value": NUMBER,
        "quantity": NUMBER,
        "price": NUMBER,
        "amount": NUMBER,
        "currency": TEXT,
        "order": ID,
        "event_id": ID,
        "session": ID,
        "source": TEXT,
    },
    "items": {
        "item": ID,
        "title": TEXT,
        "group": ID,
        "category": TEXT,
        "brand": TEXT,
        "price": NUMBER,
        "currency": TEXT,
        "url": TEXT,
        "image": TEXT,
        "available": FLAG,
        "description": TEXT,
    },
    "customers": {
        "customer": ID,
        "email": TEXT,
        "phone": TEXT,
        "name": TEXT,
        "locale": TEXT,
        "timezone": TEXT,
        "created_at": TIME,
    },
    "links": {
        "customer": ID,
        "source": TEXT,
        "same_as": ID,
        "same_source": TEXT,
        "visitor": ID,
    },
}
REQUIRED = {
    "events": ("kind", "occurred_at"),
    "items": ("item",),
    "customers": ("customer",),
    "links": ("customer",),
}
ATTRIBUTES = "attributes."  # what follows is the name of one
ALL_ATTRIBUTES = "attributes"  # all of them, as an object of JSON
CONSENT = "consent."  # of customers; what follows is a way of reaching them
# As long as the columns that they go to.
LENGTHS = {
    "title": 300,
    "category": 200,
    "brand": 200,
    "currency": 3,
    "url": 2000,
    "image": 2000,
    "locale": 20,
    "timezone": 50,
    "source": 60,
    "same_source": 60,
}
# A kind that a value map may give to rows that are left aside on purpose.
IGNORE = "ignore"


class MappingError(Refusal):
    """The mapping does not fit the file or the kind; the text says how."""


def role_of(kind: str, target: str) -> str | None:
    """What a target field holds; None where the kind has no such field."""
    if target == ALL_ATTRIBUTES and kind in ("items", "customers"):
        return OBJECT
    if target.startswith(ATTRIBUTES) and kind in ("items", "customers"):
        return TEXT if target != ATTRIBUTES else None
    if target.startswith(CONSENT) and kind == "customers":
        return FLAG if target != CONSENT else None
    return FIELDS[kind].get(target)

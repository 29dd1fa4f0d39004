"""Calls for lists: what is asked → a wish, a list → what a storefront is answered."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.http import QueryDict
from rest_framework.serializers import Serializer

from segmentation.api import serializers
from segmentation.services import serving
from segmentation.services.serving import Answer, Wish

# What is another with every call; the rest of a query is the widget's, always the same.
VARYING = ("customer_id", "visitor_id", "exclude")
WISHES = frozenset(Wish.__dataclass_fields__)


def asked(query: QueryDict, form: Serializer) -> dict[str, Any]:
    """A validated query. What one widget asks for is looked at once, not every time.

    To validate ten fields takes longer than to find a list.
    """
    if not all(_is_plain(text) for text in map(query.get, VARYING[:2])):
        return _validated(form, query)
    fixed = tuple((name, *query.getlist(name)) for name in query if name not in VARYING)
    found = dict(_widget(form, fixed))
    for name in VARYING[:2]:
        if name in query:
            found[name] = query[name]
    if "exclude" in query:
        found["exclude"] = serializers.id_list(query.getlist("exclude"))
    return found


def wish_of(found: Mapping[str, Any], purpose: str | None = None) -> Wish:
    """The part of a validated call that says which list is wanted."""
    told = {name: found[name] for name in WISHES & set(found)}
    told["category"] = told.get("category") or None
    return Wish(**told | ({"purpose": purpose} if purpose else {}))


def as_body(answer: Answer, recommendation_id: uuid.UUID) -> dict[str, Any]:
    """The answer in the shop's own item ids."""
    return {
        "recommendation_id": str(recommendation_id),
        "model_run": answer.run_id,
        "source": answer.source,
        "items": [
            {
                "item_id": item.external_id,
                "score": item.score,
                "step": item.step,
                "reason": {
                    "code": item.reason_code,
                    "text": item.reason_text,
                    "item_id": item.reason_external_id,
                },
            }
            for item in answer.items
        ],
    }


def served(answer: Answer, who: serving.Person | None, wish: Wish) -> dict[str, Any]:
    """The body of an answer, which is kept under its id."""
    identity_id = who.identity_id if who else None
    kept = serving.log_served(answer, identity_id, wish.purpose, wish.placement)
    return as_body(answer, kept)


@lru_cache(maxsize=1024)
def _widget(form: Serializer, fixed: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    query = QueryDict(mutable=True)
    for name, *texts in fixed:
        query.setlist(name, texts)
    return _validated(form, query)


def _validated(form: Serializer, query: QueryDict) -> dict[str, Any]:
    return dict(form.run_validation(query))


def _is_plain(text: str | None) -> bool:
    """Whether an id passes as it is; any other is looked at by the form."""
    return text is None or (
        0 < len(text) <= serializers.ID_LENGTH
        and text.isprintable()
        and text == text.strip()
    )

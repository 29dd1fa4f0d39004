"""Lists as the operator looks at them: with evidence, and with a rule or without."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from scipy import sparse

from segmentation.models import Customer, ListRule
from segmentation.services import registry
from segmentation.services.serving import catalogue, people, personal
from segmentation.services.serving.answers import Answer, Wish

CAUSES = 5


class Cause(NamedTuple):
    """One item of a history, and its share of all that speaks for a listed one."""

    item_id: int
    title: str
    share: float


def list_of(customer: Customer, wish: Wish, *, now: datetime) -> Answer:
    """What a customer is shown now; looking at it is not kept as a served list."""
    person = people.of_customer(customer, wish.purpose)
    return personal.recommend_for(person, wish, now=now)


def with_and_without(
    customer: Customer, row: ListRule, wish: Wish, *, now: datetime
) -> tuple[Answer, Answer]:
    """A customer's list as if a rule did not hold, and as if it did."""
    shop = catalogue.current()
    person = people.of_customer(customer, wish.purpose)
    pool = personal.pool_for(person, wish, now)
    others = [
        rule
        for rule in shop.rules_for(wish.purpose, wish.placement, now)
        if rule.pk != row.pk
    ]
    both = [*others, catalogue.rule_of(shop, row)]
    without, with_it = (
        personal.answered(pool, wish, now=now, rules=rules) for rules in (others, both)
    )
    return without, with_it


def evidence(
    customer: Customer, purpose: str, item_ids: Sequence[int], *, now: datetime
) -> dict[int, list[Cause]]:
    """What in a customer's history speaks for each item, where the model can tell.

    Exact where a score is a sum over the history; empty for other models.
    """
    lists, model = registry.live_lists(purpose), registry.live_model(purpose)
    if lists is None or model is None or not model.has_reasons or not item_ids:
        return {}
    person = people.of_customer(customer, purpose)
    listed = lists.row(customer.pk) >= 0
    done = people.since(customer.pk, lists.written_at if listed else None)
    history = personal.history_of(model, lists, person, done, now)
    rows = model.items_.rows(np.array(item_ids))
    asked = np.flatnonzero(rows >= 0)
    if not history.nnz or not len(asked):
        return {}
    same = sparse.csr_matrix(np.ones((len(asked), 1), np.float32)) @ history
    found = model.reasons(same.tocsr(), rows[asked], CAUSES)
    shop = catalogue.current()
    return {
        item_ids[at]: _causes(model.items_.ids, items, shares, shop)
        for at, items, shares in zip(
            asked.tolist(), found.items, found.shares, strict=True
        )
    }


def _causes(
    ids: np.ndarray, rows: np.ndarray, shares: np.ndarray, shop: catalogue.Catalogue
) -> list[Cause]:
    known = rows >= 0
    named = ids[rows[known]]
    return [
        Cause(item, shop.titles[at] or shop.external_ids[at] if at >= 0 else "", share)
        for item, at, share in zip(
            named.tolist(),
            shop.positions(named).tolist(),
            shares[known].tolist(),
            strict=True,
        )
    ]

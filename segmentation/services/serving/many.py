"""Lists of many customers at once, for campaigns: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from segmentation import queries
from segmentation.models import ListRule
from segmentation.services import registry
from segmentation.services.serving import catalogue, choosing, popular
from segmentation.services.serving.answers import Bulk, Wish
from segmentation.services.serving.catalogue import Catalogue, Rule

BLOCK_ROWS = 20_000
Action = ListRule.Action


def lists_for(customer_ids: np.ndarray, n: int, purpose: str, *, now: datetime) -> Bulk:
    """The n best items of each that may be shown; popular ones for the unknown.

    The operator's rules for every placement hold here too. Who does not want to be
    personalised gets what is popular.
    """
    lists = registry.live_lists(purpose)
    shop = catalogue.current()
    rules = shop.rules_for(purpose, "", now)
    wish = Wish(n, purpose)
    allowed = choosing.allowed(shop, wish, rules)
    known = popular.ids(lists)
    scores = np.linspace(1, 0, len(known), endpoint=False)
    top = np.full((len(customer_ids), n), -1, np.int64)
    best = choosing.choose(known, scores, shop, wish, rules)
    top[:, : len(best.positions)] = shop.ids[best.positions]
    if lists is None:
        return Bulk(None, top)
    rows = lists.rows(customer_ids)
    found = np.flatnonzero((rows >= 0) & ~np.isin(customer_ids, queries.left_out()))
    for start in range(0, len(found), BLOCK_ROWS):
        block = found[start : start + BLOCK_ROWS]
        at = rows[block]
        top[block] = _best(
            lists.item_ids[at], lists.scores[at], shop, allowed, rules, n
        )
    return Bulk(lists.run_id, top)


def _best(
    ids: np.ndarray,
    scores: np.ndarray,
    shop: Catalogue,
    allowed: np.ndarray,
    rules: Sequence[Rule],
    n: int,
) -> np.ndarray:
    """The first n usable items of each row, -1 pads."""
    flat = shop.positions(ids.ravel())
    at = flat.reshape(ids.shape)
    usable = (at >= 0) & allowed[at] & ~_repeats(at, shop)
    pins = _pins(rules, allowed)
    order_by = scores.astype(np.float64)
    for rule in rules:
        if rule.action in (Action.BOOST, Action.BURY):
            raised = np.where(
                order_by > 0, order_by * rule.factor, order_by / rule.factor
            )
            order_by = np.where(np.isin(at, rule.positions), raised, order_by)
    usable &= ~np.isin(at, [position for position, _place in pins])
    # Equal scores keep their order: lexsort is stable.
    order = np.lexsort((-order_by, ~usable))[:, :n]
    found = np.take_along_axis(np.where(usable, ids, -1), order, axis=1)
    for position, place in pins:
        found = np.insert(found, min(place, found.shape[1]), shop.ids[position], axis=1)
    # A pin beyond the end of a short list comes right after it.
    found = np.take_along_axis(found, np.argsort(found < 0, axis=1, kind="stable"), 1)
    top = np.full((len(ids), n), -1, np.int64)
    top[:, : min(n, found.shape[1])] = found[:, :n]
    return top


def _repeats(at: np.ndarray, shop: Catalogue) -> np.ndarray:
    """Further variants of a product that stands earlier in the same row."""
    groups = np.where(at >= 0, shop.group[at], -1) if len(shop.group) else at * 0 - 1
    if (groups < 0).all():
        return np.zeros(at.shape, bool)
    order = np.argsort(groups, axis=1, kind="stable")
    ranked = np.take_along_axis(groups, order, axis=1)
    again = np.zeros(at.shape, bool)
    again[:, 1:] = (ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] >= 0)
    repeats = np.zeros(at.shape, bool)
    np.put_along_axis(repeats, order, again, axis=1)
    return repeats


def _pins(rules: Sequence[Rule], allowed: np.ndarray) -> list[tuple[int, int]]:
    """(position, place from 0) of pinned items that may be shown, in their order."""
    pins = [rule for rule in rules if rule.action == Action.PIN]
    wanted: dict[int, int] = {}
    for rule in sorted(pins, key=lambda rule: (rule.place or 1, rule.pk)):
        for position in rule.positions[allowed[rule.positions]].tolist():
            wanted.setdefault(position, rule.place or 1)
    placed, taken = [], -1
    for position, place in sorted(wanted.items(), key=lambda pair: pair[1]):
        taken = max(place - 1, taken + 1)
        placed.append((position, taken))
    return placed

"""From candidates to a list: filters, rules, one variant each, diversity, caps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from segmentation.models import ListRule
from segmentation.services.serving.answers import Wish
from segmentation.services.serving.catalogue import Catalogue, Rule

Action = ListRule.Action
# How alike two items are that share a category, a brand; the sum is 1.
SAME_CATEGORY, SAME_BRAND = 0.6, 0.4


class Chosen(NamedTuple):
    """The places of a list: position in the catalogue, place in the pool (-1: none)."""

    positions: np.ndarray
    places: np.ndarray
    scores: np.ndarray
    is_pinned: np.ndarray


def allowed(shop: Catalogue, wish: Wish, rules: Sequence[Rule]) -> np.ndarray:
    """Mask over the whole catalogue of what may stand in a list."""
    return _fits(np.arange(len(shop.ids)), shop, wish, rules)


def choose(
    item_ids: np.ndarray,
    scores: np.ndarray,
    shop: Catalogue,
    wish: Wish,
    rules: Sequence[Rule] = (),
    is_hidden: np.ndarray | None = None,
) -> Chosen:
    """The n best candidates that may be shown, with what the operator says."""
    at = shop.positions(item_ids)
    usable = at >= 0
    if is_hidden is not None:
        usable &= ~is_hidden
    places = usable.nonzero()[0]
    places = places[_fits(at[places], shop, wish, rules)]
    at, scores = at[places], scores[places]
    if rules:
        at, places, scores = _reordered(at, places, scores, rules)
    first = _one_a_group(at, shop)
    at, places, scores = at[first], places[first], scores[first]
    if wish.diversity > 0:
        order = _diverse(at, scores, shop, wish)
        at, places, scores = at[order], places[order], scores[order]
    kept = _under_caps(at, shop, wish)[: wish.n]
    chosen = Chosen(at[kept], places[kept], scores[kept], np.zeros(len(kept), bool))
    return _pinned(chosen, shop, wish, rules) if rules else chosen


def _fits(
    at: np.ndarray, shop: Catalogue, wish: Wish, rules: Sequence[Rule]
) -> np.ndarray:
    fits = shop.available[at] if wish.in_stock else np.ones(len(at), bool)
    if wish.category is not None:
        fits = fits & (shop.category[at] == shop.category_codes.get(wish.category, -2))
    if wish.max_price is not None:
        fits = fits & (shop.price[at] <= wish.max_price)
    if wish.exclude:
        gone = [shop.position_of.get(name, -1) for name in wish.exclude]
        fits = fits & ~np.isin(at, gone)
    for rule in rules:
        if rule.action == Action.BLOCK:
            fits = fits & ~np.isin(at, rule.positions)
    return fits


def _reordered(
    at: np.ndarray, places: np.ndarray, scores: np.ndarray, rules: Sequence[Rule]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boosted and buried by their factors; equal scores keep their order."""
    scores = scores.astype(np.float64)
    for rule in rules:
        if rule.action in (Action.BOOST, Action.BURY):
            meant = np.isin(at, rule.positions)
            # A score below zero gets better by being divided.
            raised = np.where(scores > 0, scores * rule.factor, scores / rule.factor)
            scores = np.where(meant, raised, scores)
    order = np.argsort(-scores, kind="stable")
    return at[order], places[order], scores[order]


def _one_a_group(at: np.ndarray, shop: Catalogue) -> np.ndarray:
    """The first variant of each product; what has no group stands for itself."""
    groups = shop.group[at]
    if (groups < 0).all():
        return np.arange(len(at))
    key = np.where(groups >= 0, groups, -2 - np.arange(len(at)))
    return np.sort(np.unique(key, return_index=True)[1])


def _diverse(
    at: np.ndarray, scores: np.ndarray, shop: Catalogue, wish: Wish
) -> np.ndarray:
    """Maximal marginal relevance (Carbonell and Goldstein 1998), greedily.

    Relevance is the score, scaled to 0..1 within the candidates.
    """
    if not len(at):
        return np.empty(0, np.int64)
    low, high = scores.min(), scores.max()
    relevance = (scores - low) / (high - low) if high > low else np.ones(len(at))
    nearest = np.zeros(len(at))
    left = np.ones(len(at), bool)
    order = []
    for _place in range(len(at)):
        value = (1 - wish.diversity) * relevance - wish.diversity * nearest
        value[~left] = -np.inf
        best = int(value.argmax())
        order.append(best)
        left[best] = False
        nearest = np.maximum(nearest, _likeness(at, at[best], shop))
    return np.array(order)


def _likeness(at: np.ndarray, other: int, shop: Catalogue) -> np.ndarray:
    category, brand = shop.category[other], shop.brand[other]
    same_category = (shop.category[at] == category) & (category >= 0)
    same_brand = (shop.brand[at] == brand) & (brand >= 0)
    return SAME_CATEGORY * same_category + SAME_BRAND * same_brand


def _under_caps(at: np.ndarray, shop: Catalogue, wish: Wish) -> np.ndarray:
    """What stays where only so many may be of one category or brand."""
    kept = np.ones(len(at), bool)
    for codes, most in (
        (shop.category, wish.max_per_category),
        (shop.brand, wish.max_per_brand),
    ):
        if most is not None:
            kept &= _rank_within(codes[at], kept) < most
    return kept.nonzero()[0]


def _rank_within(codes: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """How many counted ones of the same code stand before each; 0 without a code."""
    same = (codes[:, None] == codes[None, :]) & (codes >= 0)[:, None] & counted[None, :]
    return np.tril(same, -1).sum(axis=1)


def _pinned(
    chosen: Chosen, shop: Catalogue, wish: Wish, rules: Sequence[Rule]
) -> Chosen:
    """Pins at their places, if they may be shown; the others move down."""
    pins = [rule for rule in rules if rule.action == Action.PIN and len(rule.positions)]
    wanted: dict[int, int] = {}  # position → place, the first rule of an item counts
    for rule in sorted(pins, key=lambda rule: (rule.place or 1, rule.pk)):
        for at in rule.positions[_fits(rule.positions, shop, wish, rules)].tolist():
            wanted.setdefault(at, rule.place or 1)
    if not wanted:
        return chosen
    others = ~np.isin(chosen.positions, list(wanted))
    listed = list(zip(*(column[others].tolist() for column in chosen), strict=True))
    known = dict(zip(chosen.positions.tolist(), chosen.places.tolist(), strict=True))
    scores = dict(zip(chosen.positions.tolist(), chosen.scores.tolist(), strict=True))
    taken = -1
    for at, place in sorted(wanted.items(), key=lambda pair: pair[1]):
        taken = max(place - 1, taken + 1)  # two for one place: the second comes next
        listed.insert(taken, (at, known.get(at, -1), scores.get(at, 0.0), True))
    positions, places, values, pinned = zip(*listed[: wish.n], strict=True)
    return Chosen(
        np.array(positions, np.int64),
        np.array(places, np.int64),
        np.array(values, np.float64),
        np.array(pinned, bool),
    )

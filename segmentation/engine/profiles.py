"""What sets a segment apart: size, money, the categories it buys more of, a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from segmentation.engine.lifts import Lifts, category_lifts

# A name should speak of something the segment really spends on.
MIN_NAME_SHARE: Final = 0.005


@dataclass(frozen=True)
class CategoryLift:
    """One category: its share of the segment's spend over its share elsewhere."""

    category: int
    name: str
    lift: float
    low: float
    high: float
    share: float
    share_elsewhere: float
    n_buyers: int


@dataclass(frozen=True)
class SegmentProfile:
    """One segment; `categories` are those it surely buys more of, strongest first."""

    label: int
    name: str
    size: int
    share: float
    revenue: float
    revenue_share: float
    mean_revenue: float
    mean_orders: float
    categories: tuple[CategoryLift, ...]


@dataclass(frozen=True)
class Words:
    """How names are made, in the reader's language; `nameless` categories say nothing.

    `mixed` names a segment that nothing sets apart.
    """

    mixed: str = "Mixed interests"
    joint: str = " & "
    nameless: frozenset[int] = frozenset()


def describe(
    labels: ArrayLike,
    spend: sp.csr_matrix | sp.csr_array,
    categories: Sequence[str],
    *,
    revenue: ArrayLike,
    n_orders: ArrayLike,
    alpha: float = 0.05,
    n_top: int = 10,
    words: Words | None = None,
) -> list[SegmentProfile]:
    """Return a profile of each segment, in the order of their labels (-1 is in none).

    `spend` is customers x categories; its lifts are those of `lifts.category_lifts`,
    where the chance that any of those reported is luck is at most alpha / 2.
    """
    words = words or Words()
    member = _membership(np.asarray(labels), spend.shape[0])
    lifts = category_lifts(member, spend, alpha)
    revenues, orders = np.asarray(revenue, float), np.asarray(n_orders, float)
    sizes = np.asarray(member.sum(axis=1)).ravel()
    money, bought = member @ revenues, member @ orders
    sure = [_sure(row, lifts, categories) for row in range(member.shape[0])]
    names = _names(sure, words)
    return [
        SegmentProfile(
            label=row,
            name=names[row],
            size=int(size),
            share=float(size / max(len(revenues), 1)),
            revenue=float(money[row]),
            revenue_share=float(money[row] / (revenues.sum() or 1)),
            mean_revenue=float(money[row] / max(size, 1)),
            mean_orders=float(bought[row] / max(size, 1)),
            categories=tuple(sure[row][:n_top]),
        )
        for row, size in enumerate(sizes)
    ]


def category_spend(
    customer_items: sp.csr_matrix | sp.csr_array,
    item_category: ArrayLike,
    n_categories: int,
) -> sp.csr_array:
    """Return customers x categories from customers x items; category -1 is dropped."""
    codes = np.asarray(item_category)
    known = np.flatnonzero(codes >= 0)
    shape = customer_items.shape[1], n_categories
    belongs = sp.csr_array((np.ones(known.size), (known, codes[known])), shape=shape)
    return sp.csr_array(customer_items) @ belongs


def readable(category: str) -> str:
    """Return a category as people write it: "Frozen meat / meat dinners".

    Text all in capitals is put in small letters, and what tills abbreviate is written
    out. Mixed case is somebody's choice and stays.
    """
    spaced = re.sub(r"\s*([/&])\s*", r" \1 ", category)
    text = " ".join(re.sub(r"\s*([:;,])\s*", r"\1 ", spaced).split())
    if text.isupper():
        text = re.sub(r"[A-Z]+", lambda word: _written_out(word[0]), text)
    return text[:1].upper() + text[1:] if text.islower() else text


def _written_out(word: str) -> str:
    return _ABBREVIATED.get(word, word.lower())


_ABBREVIATED: Final = {
    "BEV": "beverages",
    "BKD": "baked",
    "BN": "beans",
    "BRKFST": "breakfast",
    "BTR": "butter",
    "CLEANG": "cleaning",
    "DRNK": "drink",
    "DRNKS": "drinks",
    "DRSNG": "dressing",
    "DSH": "dishes",
    "ELECT": "electrical",
    "FD": "food",
    "FLVRD": "flavoured",
    "FRZN": "frozen",
    "GM": "general merchandise",
    "HSHLD": "household",
    "MISC": "miscellaneous",
    "MXS": "mixes",
    "PCKGD": "packaged",
    "PKG": "packaged",
    "PNT": "peanut",
    "PREP": "prepared",
    "REFRGRATD": "refrigerated",
    "REFRGRTD": "refrigerated",
    "SALD": "salad",
    "SFT": "soft",
    "SHERBTS": "sherbets",
    "SNDWCH": "sandwich",
    "SPLY": "supplies",
    "SPRD": "spreads",
    "VEG": "vegetables",
    "WHLSM": "wholesome",
    "WTR": "water",
}


def _membership(labels: NDArray[Any], n_customers: int) -> sp.csr_array:
    """Return segments x customers, 1 where the customer is in the segment."""
    if labels.shape != (n_customers,):
        raise ValueError("There must be one label per customer.")
    inside = np.flatnonzero(labels >= 0)
    shape = int(labels.max(initial=-1)) + 1, n_customers
    ones = np.ones(inside.size)
    return sp.csr_array((ones, (labels[inside], inside)), shape=shape)


def _sure(row: int, lifts: Lifts, categories: Sequence[str]) -> list[CategoryLift]:
    """Return what one segment surely buys more of, by the least its lift can be."""
    sure = np.flatnonzero(lifts.sure[row])
    return [
        CategoryLift(
            category=int(c),
            name=readable(categories[c]),
            lift=float(lifts.lift[row, c]),
            low=float(lifts.low[row, c]),
            high=float(lifts.high[row, c]),
            share=float(lifts.share[row, c]),
            share_elsewhere=float(lifts.elsewhere[row, c]),
            n_buyers=int(lifts.buyers[row, c]),
        )
        for c in sure[np.argsort(-lifts.low[row, sure], kind="stable")]
    ]


def _names(segments: Sequence[Sequence[CategoryLift]], words: Words) -> list[str]:
    """Return one name per segment from its strongest lifts, no name twice."""
    taken: dict[str, None] = {}
    for lifts in segments:
        first, *others = _speaking(lifts, words) or [words.mixed]
        pairs = [words.joint.join((first, other)) for other in others]
        free = (name for name in (*pairs, first) if name not in taken)
        taken[next(free, "") or _numbered((*pairs, first)[0], taken)] = None
    return list(taken)


def _speaking(lifts: Sequence[CategoryLift], words: Words) -> list[str]:
    """Return the short names of categories fit for a name, none saying the same."""
    short: list[str] = []
    for lift in lifts:
        name = re.split(r" / | - |[:;,(]", lift.name)[0].strip()
        said = {word for each in short[:1] for word in each.lower().split()}
        new = name not in short and not set(name.lower().split()) <= said
        weighty = lift.share >= MIN_NAME_SHARE
        if name and new and weighty and lift.category not in words.nameless:
            short.append(name)
    return short


def _numbered(name: str, taken: dict[str, None]) -> str:
    """Return the name with the first number that is free."""
    return next(
        candidate
        for candidate in (f"{name} {number}" for number in range(2, len(taken) + 3))
        if candidate not in taken
    )

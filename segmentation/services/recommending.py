"""Lists as they are given out: precomputed ones first, popularity where none is."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Count
from django.utils.translation import gettext as _

from segmentation import queries
from segmentation.models import Event, Item, Kind, Purpose, ServedList
from segmentation.services import registry

PERSONAL, POPULAR, SIMILAR = "personal", "popular", "similar"
FALLBACK_LENGTH = 200
BLOCK_ROWS = 20_000
KEEP_SECONDS = 60.0  # what is popular before any run is live


@dataclass(frozen=True)
class Recommended:
    item_id: int
    external_id: str
    score: float
    reason_code: str
    reason_text: str
    reason_item_id: int | None = None


@dataclass(frozen=True)
class Answer:
    """One list, where it came from, and the run that made it."""

    run_id: int | None
    source: str
    items: list[Recommended]


@dataclass(frozen=True)
class Bulk:
    """Lists of many customers: ``item_ids`` customers × n, -1 pads."""

    run_id: int | None
    item_ids: np.ndarray


def lists_for(customer_ids: np.ndarray, n: int, purpose: str) -> Bulk:
    """The n best available items of each customer; popular ones for the unknown."""
    lists = registry.live_lists(purpose)
    unavailable = _unavailable()
    top = np.full((len(customer_ids), n), -1, np.int64)
    top[:] = _first_usable(_popular(lists)[None, :], unavailable, n)
    if lists is None:
        return Bulk(None, top)
    rows = lists.rows(customer_ids)
    found = np.flatnonzero((rows >= 0) & ~np.isin(customer_ids, queries.left_out()))
    for start in range(0, len(found), BLOCK_ROWS):
        block = found[start : start + BLOCK_ROWS]
        top[block] = _first_usable(lists.item_ids[rows[block]], unavailable, n)
    return Bulk(lists.run_id, top)


def _first_usable(ids: np.ndarray, unavailable: np.ndarray, n: int) -> np.ndarray:
    """The first n available items of each row, -1 pads."""
    usable = (ids > 0) & ~np.isin(ids, unavailable)
    order = np.argsort(~usable, axis=1, kind="stable")[:, :n]
    top = np.full((len(ids), n), -1, np.int64)
    best = np.take_along_axis(np.where(usable, ids, -1), order, axis=1)
    top[:, : best.shape[1]] = best
    return top


def recommend_for(
    customer_id: int | None,
    *,
    n: int,
    purpose: str,
    category: str | None = None,
    exclude: Collection[str] = (),
    max_price: float | None = None,
    in_stock: bool = True,
) -> Answer:
    """A list for one customer, or for somebody unknown; never an error, at worst empty.

    ``exclude`` holds external item ids. One query, whatever n.
    """
    lists = registry.live_lists(purpose)
    row = -1
    if lists is not None and customer_id is not None:
        row = int(lists.rows(np.array([customer_id]))[0])
    if lists is not None and row >= 0 and not queries.is_left_out(customer_id or 0):
        ids, scores = lists.item_ids[row], lists.scores[row]
        source, reason = PERSONAL, _personal_reason(purpose)
    else:
        ids = _popular(lists)
        scores = np.linspace(1, 0, len(ids), endpoint=False)
        source, reason = POPULAR, ("popular", _("Popular with other customers"))
    conditions: dict[str, Any] = {}
    if category:
        conditions["category__name"] = category
    if max_price is not None:
        conditions["price__lte"] = max_price
    if in_stock:
        conditions["available"] = True
    items = _chosen(ids, scores, n, conditions, exclude, reason)
    return Answer(lists.run_id if lists else None, source, items)


def similar_to(item_id: int, n: int) -> Answer:
    """Items that the same customers choose; empty where the model knows none."""
    lists = registry.live_lists(Purpose.SIMILAR)
    row = -1 if lists is None else int(lists.rows(np.array([item_id]))[0])
    if lists is None or row < 0:
        return Answer(lists.run_id if lists else None, SIMILAR, [])
    reason = ("similar", _("Chosen by the same customers"))
    items = _chosen(
        lists.item_ids[row], lists.scores[row], n, {"available": True}, (), reason
    )
    return Answer(lists.run_id, SIMILAR, items)


def log_served(
    answer: Answer, identity_id: int | None, purpose: str, placement: str = ""
) -> uuid.UUID:
    """Remember a list that was given out; events can name the id that comes back."""
    served = ServedList.objects.create(
        run_id=answer.run_id,
        identity_id=identity_id,
        purpose=purpose,
        placement=placement,
        list_source=answer.source,
        item_ids=[item.item_id for item in answer.items],
    )
    return served.recommendation_id


def _chosen(
    ids: np.ndarray,
    scores: np.ndarray,
    n: int,
    conditions: dict[str, Any],
    exclude: Collection[str],
    reason: tuple[str, str],
) -> list[Recommended]:
    rows = Item.objects.filter(pk__in=ids[ids > 0].tolist(), **conditions)
    known = dict(rows.exclude(external_id__in=exclude).values_list("pk", "external_id"))
    ranked = zip(ids.tolist(), scores.tolist(), strict=True)
    return [
        Recommended(pk, known[pk], round(score, 6), *reason)
        for pk, score in ranked
        if pk in known
    ][:n]


def _personal_reason(purpose: str) -> tuple[str, str]:
    if purpose == Purpose.AGAIN:
        return "habit", _("You choose this regularly")
    return "taste", _("Chosen by customers with a taste like yours")


def _popular(lists: registry.Lists | None) -> np.ndarray:
    if lists is not None:
        return np.asarray(lists.popular_ids[:FALLBACK_LENGTH])
    return _most_bought.get()


class _MostBought:
    """What is bought most, counted once a minute: it takes a look at every purchase."""

    def __init__(self) -> None:
        self._counting = threading.Lock()
        self._ids = np.empty(0, np.int64)
        self._good_until = 0.0

    def get(self) -> np.ndarray:
        with self._counting:
            if time.monotonic() >= self._good_until:
                self._ids = _count_bought()
                self._good_until = time.monotonic() + KEEP_SECONDS
            return self._ids

    def forget(self) -> None:
        self._good_until = 0.0


_most_bought = _MostBought()


def _count_bought() -> np.ndarray:
    rows = (
        Event.objects.of_kind(Kind.PURCHASE)
        .filter(item_id__isnull=False)
        .exclude(import_id__in=queries.unfinished_imports())
        .values("item_id")
        .annotate(n=Count("event_key"))
        .order_by("-n", "item_id")
    )
    return np.array([row["item_id"] for row in rows[:FALLBACK_LENGTH]], np.int64)


def _unavailable() -> np.ndarray:
    rows = Item.objects.filter(available=False).values_list("pk", flat=True)
    return np.fromiter(rows, np.int64)

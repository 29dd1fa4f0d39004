"""What is popular: with all, before any run is live, and within a segment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from django.db.models import Count

from segmentation import conf, queries
from segmentation.models import Event, Kind, Segment, SegmentSet
from segmentation.services import registry

FALLBACK_LENGTH = 200
KEEP_SECONDS = 60.0
MOST_KEPT = 1000

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class SegmentList:
    """What the members of a segment are recommended most: our item ids and scores."""

    run_id: int | None
    item_ids: np.ndarray
    scores: np.ndarray


class Kept(Generic[T]):
    """Answers that take long, each kept for KEEP_SECONDS in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[object, tuple[float, T]] = {}

    def get(self, name: object, make: Callable[[], T]) -> T:
        found = self._found.get(name)
        if found and time.monotonic() < found[0]:
            return found[1]
        with self._lock:
            found = self._found.get(name)
            if found and time.monotonic() < found[0]:
                return found[1]  # made while we waited
            made = make()
            if len(self._found) >= MOST_KEPT:
                self._found.clear()
            self._found[name] = (time.monotonic() + KEEP_SECONDS, made)
            return made

    def forget(self) -> None:
        self._found.clear()


_most_bought: Kept[np.ndarray] = Kept()
_of_segments: Kept[SegmentList] = Kept()


def forget() -> None:
    """Forget what this process keeps."""
    for kept in (_most_bought, _of_segments):
        kept.forget()


def ids(lists: registry.Lists | None) -> np.ndarray:
    """What is popular with all, best first; counted here while no run is live."""
    if lists is not None:
        return np.asarray(lists.popular_ids[:FALLBACK_LENGTH])
    return _most_bought.get("", _count_bought)


def segment_of(customer_id: int) -> Segment | None:
    """The smallest segment of a customer that may be named: it says most of them."""
    found = [
        segment
        for segment in queries.segments_of(customer_id)
        if segment.size >= conf.min_segment_size()
    ]
    return min(found, key=lambda s: (s.size, s.pk), default=None)


def live_segment(segment_id: int) -> Segment | None:
    """A segment in use that is large enough to be named."""
    return Segment.objects.filter(
        pk=segment_id,
        segment_set__stage=SegmentSet.Stage.LIVE,
        size__gte=conf.min_segment_size(),
    ).first()


def in_segment(segment_id: int, purpose: str) -> SegmentList:
    """What the lists of the members hold most, a first place counting most."""
    lists = registry.live_lists(purpose)
    name = (segment_id, purpose, lists.run_id if lists else None)
    return _of_segments.get(name, lambda: _counted(segment_id, lists))


def _counted(segment_id: int, lists: registry.Lists | None) -> SegmentList:
    nothing = SegmentList(
        lists.run_id if lists else None, np.empty(0, np.int64), np.empty(0)
    )
    if lists is None:
        return nothing
    rows = lists.rows(queries.members_of([segment_id]))
    rows = rows[rows >= 0]
    if not len(rows):
        return nothing
    listed = np.asarray(lists.item_ids[rows])
    gain = 1 / np.log2(np.arange(listed.shape[1]) + 2)
    items, at = np.unique(listed, return_inverse=True)
    total = np.bincount(at.ravel(), np.tile(gain, len(rows)))
    total[items <= 0] = 0
    best = np.lexsort((items, -total))[:FALLBACK_LENGTH]
    best = best[total[best] > 0]
    return SegmentList(lists.run_id, items[best], total[best] / (gain[0] * len(rows)))


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

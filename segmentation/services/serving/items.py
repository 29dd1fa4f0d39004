"""Lists of an item's page: what is like it, and what goes into the same basket."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from segmentation.models import Purpose
from segmentation.services import registry
from segmentation.services.serving import catalogue
from segmentation.services.serving.answers import (
    Answer,
    Code,
    Pool,
    Reason,
    Source,
    Wish,
)
from segmentation.services.serving.personal import answered


class NoSuchItem(LookupError):
    """The catalogue has no item of this id."""


def similar_to(external_id: str, wish: Wish, *, now: datetime) -> Answer:
    """Items that the same customers choose; empty where the model knows none."""
    return _of_item(external_id, wish, Source.SIMILAR, now)


def bought_together(external_id: str, wish: Wish, *, now: datetime) -> Answer:
    """Items that stand in the same baskets more often than chance would have it."""
    return _of_item(external_id, wish, Source.BOUGHT_TOGETHER, now)


def pool_of(item_id: int, source: Source) -> Pool:
    """Candidates beside one item of ours, and their scores."""
    lists = registry.live_lists(Purpose.SIMILAR)
    run_id = lists.run_id if lists else None
    row = -1 if lists is None else lists.row(item_id)
    nothing = Pool(source, run_id, np.empty(0, np.int64), np.empty(0))
    if lists is None or row < 0:
        return nothing
    ids: np.ndarray | None = lists.item_ids
    scores: np.ndarray | None = lists.scores
    if source == Source.BOUGHT_TOGETHER:
        ids, scores = lists.together_ids, lists.together_scores
    if ids is None or scores is None:  # an artifact from before there were any
        return nothing
    reason = Reason(Code(source.value))
    listed, told = np.asarray(ids[row]), np.asarray(scores[row])
    return Pool(source, run_id, listed, told, default=reason)


def _of_item(external_id: str, wish: Wish, source: Source, now: datetime) -> Answer:
    shop = catalogue.current()
    at = shop.position_of.get(external_id)
    if at is None:
        raise NoSuchItem(external_id)
    pool = pool_of(int(shop.ids[at]), source)
    beside = Wish(**{**vars(wish), "exclude": {*wish.exclude, external_id}})
    return answered(pool, beside, now=now, about=at)

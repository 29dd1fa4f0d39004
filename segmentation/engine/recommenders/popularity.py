"""What most people take: the baseline that every other model is shown beside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.engine import evaluation
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import (
    ItemMask,
    OnEpoch,
    Recommender,
    require,
)
from segmentation.engine.recommenders.topn import TopN

COUNTS = ("users", "weight")


class Popularity(Recommender):
    """Items by number of distinct users or by sum of weights."""

    algorithm = "popularity"
    is_personal = False
    learned = ("popularity_", "order_")

    popularity_: NDArray[np.float32]  # per item
    order_: NDArray[np.int32]  # item rows that were taken at all, most popular first

    def __init__(self, count: str = "users") -> None:
        self.count = count

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose not in ("again", "discover"):
            return []
        return [{"count": count} for count in COUNTS]

    def top(self, n: int = 10, *, item_mask: ItemMask = None) -> TopN:
        """One list for anybody, known or not."""
        self._require_fitted()
        order = self._order(self._allowed(item_mask))[:n]
        rows = np.zeros(len(order), np.int64)
        return topn.pack(rows, order, self.popularity_[order], 1, n)

    def _check_params(self) -> None:
        require(self.count in COUNTS, f"count must be one of {', '.join(COUNTS)}.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        weights = data.user_items.data if self.count == "weight" else None
        n_items = len(data.items)
        sums = np.bincount(data.user_items.indices, weights, minlength=n_items)
        self.popularity_ = sums.astype(np.float32)
        order = np.argsort(-self.popularity_, kind="stable")
        self.order_ = order[self.popularity_[order] > 0].astype(np.int32)

    def _recommend(
        self,
        rows: NDArray[np.int64],
        n: int,
        exclude_seen: bool,
        allowed: NDArray[np.int64] | None,
    ) -> TopN:
        order = self._order(allowed)
        if not exclude_seen:
            order = order[:n]
            seen = np.zeros((len(rows), len(order)), bool)
        else:
            # Whoever has seen m items finds n new ones among the first n + m.
            owner, place = topn.spread(self.user_items_.indptr, rows)
            order = order[: n + np.bincount(owner, minlength=1).max()]
            rank = np.full(len(self.items_), -1, np.int32)
            rank[order] = np.arange(len(order), dtype=np.int32)
            seen_rank = rank[self.user_items_.indices[place]]
            seen = np.zeros((len(rows), len(order)), bool)
            seen[owner[seen_rank >= 0], seen_rank[seen_rank >= 0]] = True
        owner, position = np.nonzero(~seen)
        items = order[position]
        return topn.pack(owner, items, self.popularity_[items], len(rows), n)

    def _order(self, allowed: NDArray[np.int64] | None) -> NDArray[np.int32]:
        if allowed is None:
            return self.order_
        mask = np.zeros(len(self.items_), bool)
        mask[allowed] = True
        return self.order_[mask[self.order_]]

    def _block_rows(self) -> int:
        return 1024

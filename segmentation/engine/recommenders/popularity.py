"""What most people take: the baseline that every other model is shown beside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import (
    ItemMask,
    OnEpoch,
    Recommender,
    require,
)
from segmentation.engine.recommenders.spaces import Choice, Space
from segmentation.engine.recommenders.topn import TopN

COUNTS = ("users", "weight")


class Popularity(Recommender):
    """Items by number of distinct users or by sum of weights.

    With a half-life what is recent counts more; a user counts by the newest time.
    """

    algorithm = "popularity"
    is_personal = False
    folds_in = True
    learned = ("popularity_", "order_")

    popularity_: NDArray[np.float32]  # per item
    order_: NDArray[np.int32]  # item rows that were taken at all, most popular first

    def __init__(
        self, count: str = "users", half_life_days: float | None = None
    ) -> None:
        self.count = count
        self.half_life_days = half_life_days

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose not in ("again", "discover"):
            return []
        return [{"count": count} for count in COUNTS]

    def top(
        self,
        n: int = 10,
        *,
        item_mask: ItemMask = None,
        among: ArrayLike | None = None,
    ) -> TopN:
        """One list for anybody: of all items or a category, of all users or `among`.

        Among the users of a segment, all times count alike; what none of them had
        follows by what is popular with all.
        """
        self._require_fitted()
        order = self._order(self._allowed(item_mask))
        scores = self.popularity_
        if among is not None:
            rows = np.asarray(among, np.int64)
            part = self.user_items_[rows[rows >= 0]]
            counted = part.data if self.count == "weight" else None
            scores = self._sums(part.indices, counted)
            order = order[np.argsort(-scores[order], kind="stable")]
        order = order[:n]
        zeros = np.zeros(len(order), np.int64)
        return topn.pack(zeros, order, scores[order], 1, n)

    @classmethod
    def space(cls) -> Space:
        return {
            "count": Choice(COUNTS),
            "half_life_days": Choice((None, 7.0, 14.0, 28.0, 56.0, 112.0, 224.0)),
        }

    def _check_params(self) -> None:
        require(self.count in COUNTS, f"count must be one of {', '.join(COUNTS)}.")
        half_life = self.half_life_days
        require(half_life is None or half_life > 0, "half_life_days must be positive.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        items, weights = data.user_items.indices, None
        if self.count == "weight":
            half_life = self.half_life_days
            recent = data if half_life is None else data.decayed(half_life)
            items, weights = recent.user_items.indices, recent.user_items.data
        elif self.half_life_days is not None:
            items, weights = _newest(data, self.half_life_days)
        self.popularity_ = self._sums(items, weights)
        order = np.argsort(-self.popularity_, kind="stable")
        self.order_ = order[self.popularity_[order] > 0].astype(np.int32)

    def _sums(
        self, items: NDArray[np.int32], weights: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        n_items = len(self.items_)
        return np.bincount(items, weights, minlength=n_items).astype(np.float32)

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

    def _scores_for(self, histories: sparse.csr_matrix) -> NDArray[np.float32]:
        known = np.where(self.popularity_ > 0, self.popularity_, -np.inf)
        return np.tile(known.astype(np.float32), (histories.shape[0], 1))

    def _order(self, allowed: NDArray[np.int64] | None) -> NDArray[np.int32]:
        if allowed is None:
            return self.order_
        mask = np.zeros(len(self.items_), bool)
        mask[allowed] = True
        return self.order_[mask[self.order_]]

    def _block_rows(self) -> int:
        return 1024


def _newest(
    data: Interactions, half_life_days: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Each user's items, and 1 halved for each half-life since the latest time."""
    each = replace(data, weight=np.ones_like(data.weight)).decayed(half_life_days)
    cell = data.user_row * np.int64(len(data.items)) + data.item_row
    order = np.lexsort((-each.weight, cell))
    first = np.unique(cell[order], return_index=True)[1]
    liked = data.user_items[data.user_row[order][first], data.item_row[order][first]]
    kept = order[first][np.asarray(liked).ravel() > 0]
    return data.item_row[kept], each.weight[kept]

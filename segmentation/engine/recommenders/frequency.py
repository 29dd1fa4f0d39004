"""What this person takes most often, the recent counting more: habit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import OnEpoch, Recommender, require
from segmentation.engine.recommenders.spaces import Real, Space
from segmentation.engine.recommenders.topn import TopN

HALF_LIVES_DAYS = (28.0, 56.0, 84.0, 126.0, 182.0)


class PersonalFrequency(Recommender):
    """A person's own items by decayed count, ties by number of users.

    It names only what the person already had: a list is as long as the history at
    most, and empty with `exclude_seen`. Filling up with popular items is left to
    who serves the list, so that a filled place can be labelled as one.
    """

    algorithm = "personal_frequency"
    recommends_new = False
    learned = ("ranked_",)

    ranked_: sparse.csr_matrix  # users x items of decayed counts, each row best first

    def __init__(self, half_life_days: float | None = 84.0) -> None:
        self.half_life_days = half_life_days

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose != "again":
            return []
        return [{"half_life_days": days} for days in (*HALF_LIVES_DAYS, None)]

    @classmethod
    def space(cls) -> Space:
        return {"half_life_days": Real(7.0, 730.0, log=True)}

    def _check_params(self) -> None:
        half_life = self.half_life_days
        require(half_life is None or half_life > 0, "half_life_days must be positive.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        self.ranked_ = self._ranked(data, _popularity(data.user_items))

    def _ranked(
        self, data: Interactions, popularity: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        half_life = self.half_life_days
        recent = data if half_life is None else data.decayed(half_life)
        matrix = recent.user_items
        users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        order = np.lexsort(
            (matrix.indices, -popularity[matrix.indices], -matrix.data, users)
        )
        ranked = sparse.csr_matrix(matrix.shape, dtype=np.float32)
        ranked.indptr = matrix.indptr
        ranked.indices = matrix.indices[order]
        ranked.data = matrix.data[order]
        return ranked

    @property
    def folds_log(self) -> bool:
        """A list depends on nobody else but for the order of equal counts."""
        return True

    def recommend_log(
        self, data: Interactions, n: int = 10, *, exclude_seen: bool = True
    ) -> TopN:
        """Each user's own items of another log; ties by who had them at the fit.

        Counts are decayed as of the newest line of that log.
        """
        self._require_fitted()
        rows = np.arange(len(data.users))
        if exclude_seen:
            return topn.empty(len(rows), n)
        ranked = self._ranked(data, _popularity(self.user_items_))
        owner, place = topn.spread(ranked.indptr, rows)
        items, scores = ranked.indices[place], ranked.data[place]
        return topn.pack(owner, items, scores, len(rows), n)

    def _recommend(
        self,
        rows: NDArray[np.int64],
        n: int,
        exclude_seen: bool,
        allowed: NDArray[np.int64] | None,
    ) -> TopN:
        if exclude_seen:
            return topn.empty(len(rows), n)
        owner, place = topn.spread(self.ranked_.indptr, rows)
        items = self.ranked_.indices[place]
        scores = self.ranked_.data[place]
        if allowed is not None:
            mask = np.zeros(len(self.items_), bool)
            mask[allowed] = True
            kept = mask[items]
            owner, items, scores = owner[kept], items[kept], scores[kept]
        return topn.pack(owner, items, scores, len(rows), n)

    def _block_rows(self) -> int:
        return 8192


def _popularity(user_items: sparse.csr_matrix) -> NDArray[np.int64]:
    """How many users had each item."""
    return np.bincount(user_items.indices, minlength=user_items.shape[1])

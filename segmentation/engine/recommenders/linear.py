"""Models whose scores are a history times a matrix of items: exact reasons, fold-in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import Recommender, require
from segmentation.engine.recommenders.topn import TopN

COUNTS = ("log", "linear", "binary")


class Linear(Recommender):
    """Score of an item: sum over the history of (damped) weight x `similarity_`.

    Row i of `similarity_` says what having i tells about every item. An item that
    nothing in the history speaks for is no candidate.
    """

    has_similar = True
    folds_in = True
    has_reasons = True
    learned = ("similarity_",)

    similarity_: sparse.csr_matrix  # items x items
    counts: str

    def _check_params(self) -> None:
        require(self.counts in COUNTS, f"counts must be one of {', '.join(COUNTS)}.")

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._scores_for(self.user_items_[rows])

    def _scores_for(self, histories: sparse.csr_matrix) -> NDArray[np.float32]:
        return candidates(damped(histories, self.counts) @ self.similarity_)

    def _contributions(
        self, histories: sparse.csr_matrix, item_rows: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        history = damped(histories, self.counts)
        # Columns of a CSR matrix cost a look at all of it: take the rows that count.
        used = np.unique(history.indices)
        part = self.similarity_[used][:, item_rows]
        spoken = sparse.csr_matrix(history[:, used].multiply(part.T))
        shape = history.shape
        return sparse.csr_matrix(
            (spoken.data, used[spoken.indices], spoken.indptr), shape=shape
        )

    def _similar(self, rows: NDArray[np.int64], n: int) -> TopN:
        found = self.similarity_[rows]
        owner = np.repeat(np.arange(len(rows)), np.diff(found.indptr))
        other = (found.indices != rows[owner]) & (found.data > 0)
        owner, items, scores = owner[other], found.indices[other], found.data[other]
        order = np.lexsort((items, -scores, owner))
        return topn.pack(owner[order], items[order], scores[order], len(rows), n)


def candidates(found: sparse.csr_matrix) -> NDArray[np.float32]:
    """Dense scores, -inf where nothing (or less) was found."""
    scores = np.full(found.shape, -np.inf, np.float32)
    owner = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    scores[owner, found.indices] = np.where(found.data > 0, found.data, -np.inf)
    return scores


def damped(weights: sparse.csr_matrix, counts: str) -> sparse.csr_matrix:
    """The weights as they are, log1p of them, or 1 for each."""
    if counts == "linear":
        return weights
    changed = weights.copy()
    changed.data = (
        np.log1p(weights.data) if counts == "log" else np.ones_like(weights.data)
    )
    return changed

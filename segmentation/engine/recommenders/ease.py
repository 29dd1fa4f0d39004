"""EASE: each item regressed on all others in closed form (Steck 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from segmentation.engine import evaluation
from segmentation.engine.interactions import DataError, Interactions
from segmentation.engine.recommenders import similarity, topn
from segmentation.engine.recommenders.base import (
    BLOCK_CELLS,
    OnEpoch,
    Recommender,
    require,
)
from segmentation.engine.recommenders.linear import COUNTS, damped
from segmentation.engine.recommenders.spaces import Choice, Real, Space
from segmentation.engine.recommenders.topn import TopN

COPIES = 3  # of the items x items matrix in float32 that a fit holds at once
N_OF_RARE = 100  # weights kept for each item beyond the memory


class EASE(Recommender):
    """Score = history @ B, B the ridge regression of items on each other, diagonal 0.

    The most popular items that fit into `memory_mib` are regressed on each other; the
    others are regressed on those and keep their largest weights. A history counts by
    its items among the popular ones.
    """

    algorithm = "ease"
    has_similar = True
    folds_in = True
    has_reasons = True
    learned = ("weights_", "kept_", "rare_")

    kept_: NDArray[np.int64]  # item rows that fit, ascending
    weights_: NDArray[np.float32]  # kept x kept
    rare_: sparse.csr_matrix  # kept x items, of the others only

    def __init__(
        self,
        regularization: float = 100.0,
        counts: str = "log",
        memory_mib: int = 1024,
    ) -> None:
        self.regularization = regularization
        self.counts = counts
        self.memory_mib = memory_mib

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose not in ("discover", "similar"):
            return []
        return [{"regularization": value} for value in (50.0, 200.0, 800.0)]

    @classmethod
    def space(cls) -> Space:
        return {
            "regularization": Real(5.0, 5000.0, log=True),
            "counts": Choice(COUNTS),
        }

    def _check_params(self) -> None:
        require(self.regularization > 0, "regularization must be positive.")
        require(self.counts in COUNTS, f"counts must be one of {', '.join(COUNTS)}.")
        require(self.memory_mib >= 1, "memory_mib must be at least 1.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        taken = damped(data.user_items, self.counts)
        self.kept_ = popular(taken, self.memory_mib, COPIES)
        kept = taken[:, self.kept_].tocsr()
        gram = np.asfortranarray((kept.T @ kept).toarray(), np.float32)
        gram[np.diag_indices_from(gram)] += self.regularization
        inverse = inverted(gram)
        self.rare_ = self._regressed(taken, kept, inverse)
        # In place: the matrix may be as large as the memory allows.
        diagonal = np.diag(inverse).copy()
        inverse /= -diagonal[None, :]
        np.fill_diagonal(inverse, 0)
        self.weights_ = inverse

    def _regressed(
        self,
        taken: sparse.csr_matrix,
        kept: sparse.csr_matrix,
        inverse: NDArray[np.float32],
    ) -> sparse.csr_matrix:
        """Ridge weights (kept x items) of the items that did not fit."""
        rare = np.setdiff1d(np.flatnonzero(taken.getnnz(axis=0)), self.kept_)
        blocks = [sparse.csr_matrix((0, len(self.kept_)), dtype=np.float32)]
        step = max(1, BLOCK_CELLS // len(self.kept_))
        for start in range(0, len(rare), step):
            block = rare[start : start + step]
            together = (taken[:, block].T @ kept).tocsr()
            weights = sparse.csr_matrix((together @ inverse).astype(np.float32))
            blocks.append(similarity.largest(weights, N_OF_RARE))
        found = sparse.vstack(blocks, format="coo")
        cells: Any = (found.data, (found.col, rare[found.row]))
        return sparse.csr_matrix(cells, shape=(len(self.kept_), taken.shape[1]))

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._scores_for(self.user_items_[rows])

    def _scores_for(self, histories: sparse.csr_matrix) -> NDArray[np.float32]:
        history = damped(histories[:, self.kept_].tocsr(), self.counts)
        known = np.flatnonzero(np.diff(history.indptr))
        scores = np.full(histories.shape, -np.inf, np.float32)
        if self.rare_.nnz:
            found = (history[known] @ self.rare_).tocoo()
            scores[known[found.row], found.col] = found.data
        scores[np.ix_(known, self.kept_)] = history[known] @ self.weights_
        return scores

    def _contributions(
        self, histories: sparse.csr_matrix, item_rows: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        history = damped(histories[:, self.kept_].tocsr(), self.counts)
        place = np.full(len(self.items_), -1)
        place[self.kept_] = np.arange(len(self.kept_))
        at = place[item_rows]
        columns = np.where(at[:, None] >= 0, self.weights_[:, at].T, 0)
        columns += self.rare_[:, item_rows].T.toarray()
        parts = history.multiply(columns).tocoo()
        cells: Any = (parts.data, (parts.row, self.kept_[parts.col]))
        return sparse.csr_matrix(cells, shape=histories.shape)

    def _similar(self, rows: NDArray[np.int64], n: int) -> TopN:
        scores = np.full((len(rows), len(self.items_)), -np.inf, np.float32)
        known = np.flatnonzero(np.isin(rows, self.kept_))
        places = np.searchsorted(self.kept_, rows[known])
        scores[np.ix_(known, self.kept_)] = self.weights_[places]
        found = self.rare_[places].tocoo()
        scores[known[found.row], found.col] = found.data
        return topn.best(np.where(scores > 0, scores, -np.inf), n)


def popular(
    taken: sparse.csr_matrix, memory_mib: int, copies: int
) -> NDArray[np.int64]:
    """The most taken items, as many as `copies` square float32 matrices leave room."""
    room = int(np.sqrt(memory_mib * 2**20 / (4 * copies)))
    counts = taken.getnnz(axis=0)
    order = np.argsort(-counts, kind="stable")[:room]
    return np.sort(order[counts[order] > 0]).astype(np.int64)


def inverted(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of a positive definite Fortran-ordered matrix, in its own memory."""
    factor, bad = lapack.spotrf(matrix, lower=0, overwrite_a=1, clean=0)
    if not bad:
        inverse, bad = lapack.spotri(factor, lower=0, overwrite_c=1)
    if bad:
        raise DataError("The regression has no solution: raise the regularization.")
    # LAPACK fills the upper triangle; mirror it by strips, without a second copy.
    n, step = len(inverse), 512
    for start in range(0, n, step):
        end = min(start + step, n)
        inverse[end:, start:end] = inverse[start:end, end:].T
        square = inverse[start:end, start:end]
        inverse[start:end, start:end] = np.triu(square) + np.triu(square, 1).T
    found: NDArray[np.float32] = inverse
    return found

"""Implicit-feedback ALS (Hu, Koren, Volinsky 2008), fitted by implicit in C++."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.topk import topk
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import ThreadpoolController, threadpool_limits

from segmentation.engine import evaluation
from segmentation.engine.interactions import DataError, Interactions
from segmentation.engine.recommenders import solving, topn
from segmentation.engine.recommenders.base import (
    OnEpoch,
    Recommender,
    cosine,
    require,
)
from segmentation.engine.recommenders.spaces import Choice, Real, Space, Whole
from segmentation.engine.recommenders.topn import TopN

WEIGHTINGS = ("log", "linear")
FEW = 4  # rows: to copy the allowed vectors for implicit takes longer than all scores


class ALS(Recommender):
    """Score = user vector . item vector; confidence = alpha x (log1p of) weight."""

    algorithm = "als"
    has_vectors = True
    has_similar = True
    folds_in = True
    has_reasons = True
    learned = ("user_vectors_", "item_vectors_")

    user_vectors_: NDArray[np.float32]  # users x factors
    item_vectors_: NDArray[np.float32]  # items x factors

    def __init__(
        self,
        n_factors: int = 64,
        regularization: float = 10.0,
        alpha: float = 1.0,
        iterations: int = 15,
        weighting: str = "log",
        seed: int = 7,
    ) -> None:
        self.n_factors = n_factors
        self.regularization = regularization
        self.alpha = alpha
        self.iterations = iterations
        self.weighting = weighting
        self.seed = seed

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        return [{"regularization": 10.0}, {"regularization": 1.0, "n_factors": 32}]

    @classmethod
    def space(cls) -> Space:
        return {
            "n_factors": Whole(16, 192, log=True),
            "regularization": Real(0.1, 100.0, log=True),
            "alpha": Real(0.1, 40.0, log=True),
            "weighting": Choice(WEIGHTINGS),
        }

    def _check_params(self) -> None:
        require(
            self.weighting in WEIGHTINGS,
            f"weighting must be one of {', '.join(WEIGHTINGS)}.",
        )
        require(self.n_factors >= 1, "n_factors must be at least 1.")
        require(self.iterations >= 1, "iterations must be at least 1.")
        require(self.regularization >= 0, "regularization must be 0 or more.")
        require(self.alpha > 0, "alpha must be positive.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        # implicit is ten times slower where its threads and those of BLAS compete.
        with threadpool_limits(1, "blas"):
            solver = AlternatingLeastSquares(
                factors=self.n_factors,
                regularization=self.regularization,
                iterations=self.iterations,
                random_state=self.seed,
            )
            solver.fit(
                self._confidence(data.user_items),
                show_progress=False,
                callback=self._callback(on_epoch),
            )
        self.user_vectors_ = np.asarray(solver.user_factors, np.float32)
        self.item_vectors_ = np.asarray(solver.item_factors, np.float32)
        if not np.isfinite(self.item_vectors_).all():
            raise DataError("ALS did not converge: raise the regularization.")

    def _confidence(self, weights: sparse.csr_matrix) -> sparse.csr_matrix:
        confidence = weights.copy()
        if self.weighting == "log":
            confidence.data = np.log1p(weights.data)
        confidence.data = np.float32(self.alpha) * confidence.data
        return confidence

    def _callback(self, on_epoch: OnEpoch | None) -> Callable[..., None] | None:
        if on_epoch is None:
            return None
        nan = float("nan")
        return lambda done, *_: on_epoch(done + 1, self.iterations, nan, nan)

    def _recommend(
        self,
        rows: NDArray[np.int64],
        n: int,
        exclude_seen: bool,
        allowed: NDArray[np.int64] | None,
    ) -> TopN:
        if len(rows) <= FEW:
            return super()._recommend(rows, n, exclude_seen, allowed)
        vectors, seen = self.item_vectors_, None
        if exclude_seen:
            seen = self.user_items_[rows]
        if allowed is not None:
            vectors = np.ascontiguousarray(vectors[allowed])
            seen = None if seen is None else seen[:, allowed]
        top = topn.empty(len(rows), n)
        width = min(n, len(vectors))
        if not width:
            return top
        with threadpool_limits(1, "blas"):
            items, scores = topk(
                vectors, self.user_vectors_[rows], width, filter_query_items=seen
            )
        named = (
            scores > np.finfo(np.float32).min
        )  # the least float marks what is left out
        items = items if allowed is None else allowed[items]
        top.items[:, :width] = np.where(named, items, -1)
        top.scores[:, :width] = np.where(named, scores, 0)
        return top

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        # Threads would wait for one another longer than the product takes.
        with _threads().limit(limits=1, user_api="blas"):
            scores: NDArray[np.float32] = (
                self.user_vectors_[rows] @ self.item_vectors_.T
            )
        return scores

    def _scores_for(self, histories: sparse.csr_matrix) -> NDArray[np.float32]:
        confidence, *system = self._system(histories)
        with threadpool_limits(1, "blas"):
            vectors = solving.ridge(system[0], confidence.data, *system[1:])
            return vectors.astype(np.float32) @ self.item_vectors_.T

    def _contributions(
        self, histories: sparse.csr_matrix, item_rows: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        """The user vector is a sum over the history, so the score is, too (Hu, 5)."""
        confidence, *system = self._system(histories)
        wanted = self.item_vectors_[item_rows].astype(np.float64)
        with threadpool_limits(1, "blas"):
            seen_from = solving.solved(system[0], wanted, *system[1:])
        owner = np.repeat(np.arange(len(item_rows)), np.diff(confidence.indptr))
        had = self.item_vectors_[confidence.indices]
        confidence.data *= np.einsum("ij,ij->i", had, seen_from[owner])
        return confidence

    def _system(self, histories: sparse.csr_matrix) -> tuple[Any, ...]:
        """Confidence c, then c - 1 with vectors, penalties and Y'Y (eq. 4)."""
        confidence = self._confidence(histories).astype(np.float64)
        more = confidence.copy()
        more.data = more.data - 1
        vectors = self.item_vectors_.astype(np.float64)
        shape = histories.shape[0], vectors.shape[1]
        penalties = np.full(shape, self.regularization)
        return confidence, more, vectors, penalties, vectors.T @ vectors

    def _similar(self, rows: NDArray[np.int64], n: int) -> TopN:
        return cosine(self.item_vectors_, rows, n)

    def _block_rows(self) -> int:
        return 2000


@cache
def _threads() -> ThreadpoolController:
    """Made once: to find the libraries of a process takes milliseconds."""
    return ThreadpoolController()

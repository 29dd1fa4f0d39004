"""Items that the same people take, and people who take the same items."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import similarity
from segmentation.engine.recommenders.base import OnEpoch, Recommender, require
from segmentation.engine.recommenders.linear import COUNTS, Linear, candidates, damped
from segmentation.engine.recommenders.spaces import Choice, Real, Space, Whole


class Neighbours(Recommender):
    """What both kinds are told: similarity is the product of weighted vectors."""

    def __init__(
        self,
        weighting: str = "bm25",
        n_neighbors: int = 100,
        counts: str = "log",
        k1: float = 1.2,
        b: float = 0.25,
        power: float = 0.5,
        shrinkage: float = 0.0,
    ) -> None:
        self.weighting = weighting
        self.n_neighbors = n_neighbors
        self.counts = counts
        self.k1 = k1
        self.b = b
        self.power = power
        self.shrinkage = shrinkage

    @classmethod
    def space(cls) -> Space:
        return {
            "weighting": Choice(similarity.WEIGHTINGS),
            "n_neighbors": Whole(20, 1000, log=True),
            "counts": Choice(COUNTS),
            "k1": Real(0.2, 100.0, log=True),
            "b": Real(0.0, 1.0),
            "shrinkage": Real(0.0, 50.0),
        }

    def _check_params(self) -> None:
        weightings = similarity.WEIGHTINGS
        require(
            self.weighting in weightings,
            f"weighting must be one of {', '.join(weightings)}.",
        )
        require(self.counts in COUNTS, f"counts must be one of {', '.join(COUNTS)}.")
        require(self.n_neighbors >= 1, "n_neighbors must be at least 1.")
        require(self.k1 >= 0, "k1 must be 0 or more.")
        require(0 <= self.b <= 1, "b must be from 0 to 1.")
        require(0 <= self.power <= 1, "power must be from 0 to 1.")
        require(self.shrinkage >= 0, "shrinkage must be 0 or more.")

    @property
    def _weights(self) -> similarity.Weighting:
        return similarity.Weighting(self.weighting, self.k1, self.b, self.power)


class ItemKNN(Neighbours, Linear):
    """Score of an item: sum over the history of count (or log1p of it) x similarity.

    Similarity of two items: the product of their weighted user columns (cosine,
    TF-IDF, or BM25 with K1 and B), kept for the `n_neighbors` best of each item.
    """

    algorithm = "item_knn"

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose == "again":
            habit = {"n_neighbors": 500, "counts": "linear", "k1": 50.0, "b": 0.1}
            return [habit, {"counts": "linear"}]
        if purpose in ("discover", "similar"):
            return [{}, {"n_neighbors": 500, "b": 0.1}, {"weighting": "tfidf"}]
        return []

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        item_users = damped(data.user_items, self.counts).T.tocsr()
        vectors = self._weights.apply(item_users, self._weights.learn(item_users))
        self.similarity_ = similarity.nearest(
            vectors, self.n_neighbors, shrinkage=self.shrinkage
        )


class UserKNN(Neighbours):
    """Score of an item: sum over the most similar people of similarity x their count.

    People are vectors of what they took, weighted like the items of item kNN. Nobody
    is a neighbour of their own: that would only bring back what they had.
    """

    algorithm = "user_knn"
    folds_in = True
    has_reasons = True
    learned = ("neighbours_", "vectors_", "learned_weights_")

    neighbours_: sparse.csr_matrix  # users x users, similarities
    vectors_: sparse.csr_matrix  # users x items, weighted
    learned_weights_: NDArray[np.float64]  # so that new histories are weighted alike

    def __init__(
        self,
        weighting: str = "cosine",
        n_neighbors: int = 50,
        counts: str = "log",
        k1: float = 1.2,
        b: float = 0.25,
        power: float = 0.5,
        shrinkage: float = 0.0,
    ) -> None:
        super().__init__(weighting, n_neighbors, counts, k1, b, power, shrinkage)

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose != "discover":
            return []
        return [{"n_neighbors": 100}, {"weighting": "tfidf", "n_neighbors": 300}]

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        taken = damped(data.user_items, self.counts)
        self.learned_weights_ = self._weights.learn(taken)
        self.vectors_ = self._weights.apply(taken, self.learned_weights_)
        found = similarity.nearest(
            self.vectors_, self.n_neighbors, shrinkage=self.shrinkage
        )
        found.setdiag(0)
        self.neighbours_ = similarity.largest(found, self.n_neighbors)

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._sums(self.neighbours_[rows])

    def _scores_for(self, histories: sparse.csr_matrix) -> NDArray[np.float32]:
        return self._sums(self._nearest(self._vectors(histories)))

    def _contributions(
        self, histories: sparse.csr_matrix, item_rows: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        """A neighbour's part of the score, divided among what made the two alike."""
        vectors = self._vectors(histories)
        near = self._nearest(vectors)
        owner = np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))
        alike = vectors[owner].multiply(self.vectors_[near.indices]).tocsr()
        taken = damped(self.user_items_, self.counts)[near.indices]
        took = np.asarray(taken[np.arange(len(owner)), item_rows[owner]]).ravel()
        total = np.asarray(alike.sum(axis=1)).ravel()
        share = near.data * took / np.maximum(total, np.finfo(np.float64).tiny)
        of_each = (share, np.arange(len(owner)), near.indptr)
        summed = sparse.csr_matrix(of_each, shape=(near.shape[0], len(owner)))
        return (summed @ alike).tocsr()

    def _vectors(self, histories: sparse.csr_matrix) -> sparse.csr_matrix:
        taken = damped(histories, self.counts)
        return self._weights.apply(taken, self.learned_weights_)

    def _nearest(self, vectors: sparse.csr_matrix) -> sparse.csr_matrix:
        return similarity.similarities(
            vectors, self.vectors_, self.n_neighbors, shrinkage=self.shrinkage
        )

    def _sums(self, neighbours: sparse.csr_matrix) -> NDArray[np.float32]:
        return candidates(neighbours @ damped(self.user_items_, self.counts))

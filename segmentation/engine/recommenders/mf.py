"""Biased matrix factorisation of ratings (Koren, Bell & Volinsky 2009)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from segmentation.engine.recommenders import solving
from segmentation.engine.recommenders.base import OnEpoch, cosine, require
from segmentation.engine.recommenders.rated import Rated
from segmentation.engine.recommenders.spaces import Real, Space, Whole
from segmentation.engine.recommenders.topn import TopN

Floats = NDArray[np.float64]


class MF(Rated):
    """Rating = mean + user bias + item bias + user vector . item vector.

    Fitted by alternating least squares, which needs no learning rate: bias and vector
    of a user are one ridge regression, then those of an item. The penalty of a vector
    grows with the square root of its ratings, between one for all (Koren) and one for
    each rating (Zhou et al. 2008).
    """

    algorithm = "mf"
    has_vectors = True
    has_similar = True
    learned = ("user_vectors_", "item_vectors_", "user_bias_", "item_bias_", "range_")

    user_vectors_: NDArray[np.float32]  # users x factors
    item_vectors_: NDArray[np.float32]  # items x factors
    user_bias_: NDArray[np.float32]
    item_bias_: NDArray[np.float32]

    def __init__(
        self,
        n_factors: int = 20,
        regularization: float = 1.5,
        bias_regularization: float = 3.0,
        iterations: int = 15,
        seed: int = 7,
    ) -> None:
        self.n_factors = n_factors
        self.regularization = regularization
        self.bias_regularization = bias_regularization
        self.iterations = iterations
        self.seed = seed

    @classmethod
    def space(cls) -> Space:
        return {
            "n_factors": Whole(4, 100, log=True),
            "regularization": Real(0.1, 20.0, log=True),
            "bias_regularization": Real(0.3, 30.0, log=True),
        }

    def _check_params(self) -> None:
        require(self.n_factors >= 1, "n_factors must be at least 1.")
        require(self.regularization > 0, "regularization must be positive.")
        require(self.bias_regularization > 0, "bias_regularization must be positive.")
        require(self.iterations >= 1, "iterations must be at least 1.")

    def _fit_ratings(
        self, ratings: sparse.csr_matrix, on_epoch: OnEpoch | None
    ) -> None:
        by_user = _Side(ratings, self)
        by_item = _Side(ratings.T.tocsr(), self)
        rng = np.random.default_rng(self.seed)
        items = np.zeros((ratings.shape[1], 1 + self.n_factors))
        items[:, 1:] = rng.normal(0, 0.1, (ratings.shape[1], self.n_factors))
        # The products are small: threads would mostly wait for each other.
        with threadpool_limits(1, "blas"):
            for step in range(1, self.iterations + 1):
                users = by_user.solved(items)
                items = by_item.solved(users)
                if on_epoch is not None:
                    error = by_user.error(users, items)
                    on_epoch(step, self.iterations, error, float("nan"))
        self.user_bias_ = users[:, 0].astype(np.float32)
        self.item_bias_ = items[:, 0].astype(np.float32)
        self.user_vectors_ = users[:, 1:].astype(np.float32)
        self.item_vectors_ = items[:, 1:].astype(np.float32)

    def _predict(
        self, users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        known_user, known_item = users >= 0, items >= 0
        both = known_user & known_item
        found = np.full(len(users), self.range_[0])
        found[known_user] += self.user_bias_[users[known_user]]
        found[known_item] += self.item_bias_[items[known_item]]
        left, right = self.user_vectors_[users[both]], self.item_vectors_[items[both]]
        found[both] += np.einsum("ij,ij->i", left, right)
        return self._clipped(found)

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        scores = self.user_vectors_[rows] @ self.item_vectors_.T
        scores += self.item_bias_ + self.user_bias_[rows, None]
        return scores + np.float32(self.range_[0])

    def _similar(self, rows: NDArray[np.int64], n: int) -> TopN:
        return cosine(self.item_vectors_, rows, n)


class _Side:
    """The ratings as seen from one side: rows are solved for, columns are given."""

    def __init__(self, ratings: sparse.csr_matrix, model: MF) -> None:
        counts = np.diff(ratings.indptr)
        self.residuals = ratings.data - ratings.data.mean()
        self.weights = ratings.copy()
        self.weights.data = np.ones_like(ratings.data)
        self.penalties = np.tile(
            model.regularization * np.sqrt(np.maximum(counts, 1))[:, None],
            (1, 1 + model.n_factors),
        )
        self.penalties[:, 0] = model.bias_regularization

    def solved(self, given: Floats) -> Floats:
        """Biases (column 0) and vectors of the rows for those of the columns."""
        features = given.copy()
        features[:, 0] = 1  # the bias of a row is the weight of a constant
        goals = self.residuals - given[self.weights.indices, 0]
        return solving.ridge(self.weights, goals, features, self.penalties)

    def error(self, rows: Floats, columns: Floats) -> float:
        """Root mean squared error on what is learned from."""
        owner = np.repeat(np.arange(len(rows)), np.diff(self.weights.indptr))
        left, right = rows[owner], columns[self.weights.indices]
        found = left[:, 0] + right[:, 0]
        found += np.einsum("ij,ij->i", left[:, 1:], right[:, 1:])
        return float(np.sqrt(np.mean((found - self.residuals) ** 2)))

"""NCF over rating vectors: two towers, a new customer without training.

The matrix form of deep matrix factorisation (Xue et al. 2017): a user is the vector of
their ratings, an item the vector of ratings it got, each through one layer of tanh. Two
sparse products each way are all it needs, so it is NumPy and takes seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from segmentation.engine.interactions import DataError
from segmentation.engine.recommenders.base import OnEpoch, cosine, require
from segmentation.engine.recommenders.rated import Rated
from segmentation.engine.recommenders.spaces import Real, Space, Whole
from segmentation.engine.recommenders.topn import TopN

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Kingma & Ba 2015

Floats = NDArray[np.float32]
Tower = tuple[Floats, Floats]  # weights (inputs x factors), shift


class Towers(Rated):
    """Rating = mean + tanh(u W + b) . tanh(v W' + b'), u and v ratings less the mean.

    Vectors are divided by the square root of their number of ratings. Full-batch Adam
    on the squared error; in each epoch a share `dropout` of the inputs is hidden, else
    a rating would mostly tell itself.
    """

    algorithm = "towers"
    has_vectors = True
    has_similar = True
    folds_in = True
    learned = ("user_vectors_", "item_vectors_", "weights_", "shift_", "range_")

    user_vectors_: Floats  # users x factors
    item_vectors_: Floats  # items x factors
    weights_: Floats  # items x factors: the tower of the users, for new ones
    shift_: Floats

    def __init__(
        self,
        n_factors: int = 16,
        epochs: int = 60,
        learning_rate: float = 0.01,
        dropout: float = 0.5,
        weight_decay: float = 2.0,
        seed: int = 7,
    ) -> None:
        self.n_factors = n_factors
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.seed = seed

    @classmethod
    def space(cls) -> Space:
        return {
            "n_factors": Whole(4, 64, log=True),
            "learning_rate": Real(1e-3, 0.1, log=True),
            "dropout": Real(0.0, 0.8),
            "weight_decay": Real(0.1, 20.0, log=True),
        }

    def _check_params(self) -> None:
        require(self.n_factors >= 1, "n_factors must be at least 1.")
        require(self.epochs >= 1, "epochs must be at least 1.")
        require(self.learning_rate > 0, "learning_rate must be positive.")
        require(0 <= self.dropout < 1, "dropout must be from 0 to below 1.")
        require(self.weight_decay >= 0, "weight_decay must be 0 or more.")

    def _fit_ratings(
        self, ratings: sparse.csr_matrix, on_epoch: OnEpoch | None
    ) -> None:
        above = ratings.astype(np.float32)
        above.data = (ratings.data - self.range_[0]).astype(np.float32)
        rng = np.random.default_rng(self.seed)
        towers = [self._initial(n, rng) for n in (above.shape[1], above.shape[0])]
        parts = [part for tower in towers for part in tower]
        moments = [[np.zeros_like(part) for part in parts] for _ in range(2)]
        with threadpool_limits(1, "blas"):
            for epoch in range(1, self.epochs + 1):
                of_users, of_items = (self._hidden(above, rng) for _ in range(2))
                inputs = _scaled(of_users), _scaled(of_items.T.tocsr())
                loss, slopes = gradients(above, inputs, parts)
                if not np.isfinite(loss):
                    raise DataError("Towers did not converge: lower the learning_rate.")
                self._step(parts, slopes, moments, epoch)
                if on_epoch is not None:
                    on_epoch(epoch, self.epochs, loss, float("nan"))
        self.weights_, self.shift_ = parts[0], parts[1]
        self.user_vectors_ = _out(_scaled(above), parts[0], parts[1])
        self.item_vectors_ = _out(_scaled(above.T.tocsr()), parts[2], parts[3])

    def _initial(self, n_inputs: int, rng: np.random.Generator) -> Tower:
        weights = rng.normal(0, 0.05, (n_inputs, self.n_factors))
        shift = rng.normal(0, 0.1, self.n_factors)
        return weights.astype(np.float32), shift.astype(np.float32)

    def _hidden(
        self, above: sparse.csr_matrix, rng: np.random.Generator
    ) -> sparse.csr_matrix:
        """A copy with a share of the ratings at 0 and the others the larger for it."""
        copy = above.copy()
        seen = rng.random(above.nnz) >= self.dropout
        copy.data = above.data * (seen / np.float32(1 - self.dropout))
        copy.data = copy.data.astype(np.float32)
        return copy

    def _step(
        self,
        parts: list[Floats],
        slopes: list[Floats],
        moments: list[list[Floats]],
        epoch: int,
    ) -> None:
        """Adam in place; the weights of both towers also shrink (Loshchilov 2019)."""
        pace = self.learning_rate * np.sqrt(1 - BETA_2**epoch) / (1 - BETA_1**epoch)
        for part, slope, first, second in zip(parts, slopes, *moments, strict=True):
            first += (1 - BETA_1) * (slope - first)
            second += (1 - BETA_2) * (slope * slope - second)
            if part.ndim == 2:
                part *= 1 - self.learning_rate * self.weight_decay
            part -= pace * first / (np.sqrt(second) + EPSILON)

    def _predict(
        self, users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        both = (users >= 0) & (items >= 0)
        found = np.full(len(users), self.range_[0])
        left, right = self.user_vectors_[users[both]], self.item_vectors_[items[both]]
        found[both] += np.einsum("ij,ij->i", left, right)
        return self._clipped(found)

    def _scores(self, rows: NDArray[np.int64]) -> Floats:
        scores = self.user_vectors_[rows] @ self.item_vectors_.T
        return scores + np.float32(self.range_[0])

    def _scores_for(self, histories: sparse.csr_matrix) -> Floats:
        above = histories.astype(np.float32)
        above.data = above.data - np.float32(self.range_[0])
        users = _out(_scaled(above), self.weights_, self.shift_)
        return users @ self.item_vectors_.T + np.float32(self.range_[0])

    def _similar(self, rows: NDArray[np.int64], n: int) -> TopN:
        return cosine(self.item_vectors_, rows, n)


def gradients(
    above: sparse.csr_matrix,
    inputs: tuple[sparse.csr_matrix, sparse.csr_matrix],
    parts: list[Floats],
) -> tuple[float, list[Floats]]:
    """Root mean squared error, and the slopes of half the mean squared error.

    `inputs` are users x items and items x users, `parts` weights and shift of the
    users' tower, then of the items'.
    """
    users = _out(inputs[0], parts[0], parts[1])
    items = _out(inputs[1], parts[2], parts[3])
    owner = np.repeat(np.arange(above.shape[0]), np.diff(above.indptr))
    error = np.einsum("ij,ij->i", users[owner], items[above.indices]) - above.data
    cells: Any = (error / np.float32(above.nnz), above.indices, above.indptr)
    errors = sparse.csr_matrix(cells, shape=above.shape)
    of_users = (errors @ items) * (1 - users * users)
    of_items = (errors.T @ users) * (1 - items * items)
    slopes = [inputs[0].T @ of_users, of_users.sum(axis=0)]
    slopes += [inputs[1].T @ of_items, of_items.sum(axis=0)]
    return float(np.sqrt(np.mean(error**2))), slopes


def _out(inputs: sparse.csr_matrix, weights: Floats, shift: Floats) -> Floats:
    return np.asarray(np.tanh(inputs @ weights + shift))


def _scaled(vectors: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows over the square root of their number of ratings, hidden ones included."""
    counts = np.maximum(np.diff(vectors.indptr), 1)
    scale = (1 / np.sqrt(counts)).astype(np.float32)
    return sparse.csr_matrix(sparse.diags(scale) @ vectors, dtype=np.float32)

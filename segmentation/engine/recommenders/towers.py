"""NCF over rating vectors: two towers, a new customer without training.

The matrix form of deep matrix factorisation (Xue et al. 2017): a user is the vector of
their ratings, an item the vector of ratings it got, each through one layer of tanh.
It learns in TensorFlow, each epoch one XLA program; a fitted model is NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine.interactions import DataError
from segmentation.engine.recommenders.base import OnEpoch, cosine, require
from segmentation.engine.recommenders.neural import adam, begin, tensorflow
from segmentation.engine.recommenders.rated import Rated
from segmentation.engine.recommenders.spaces import Real, Space, Whole
from segmentation.engine.recommenders.topn import TopN

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
        state = begin([part for tower in towers for part in tower])
        run_epoch = _compiled(above, self)
        for epoch in range(1, self.epochs + 1):
            state, loss = run_epoch(state, tensorflow().constant(epoch))
            if not np.isfinite(loss):
                raise DataError("Towers did not converge: lower the learning_rate.")
            if on_epoch is not None:
                on_epoch(epoch, self.epochs, float(loss), float("nan"))
        parts = [part.numpy() for part in state[0]]
        self.weights_, self.shift_ = parts[0], parts[1]
        self.user_vectors_ = _out(_scaled(above), parts[0], parts[1])
        self.item_vectors_ = _out(_scaled(above.T.tocsr()), parts[2], parts[3])

    def _initial(self, n_inputs: int, rng: np.random.Generator) -> Tower:
        weights = rng.normal(0, 0.05, (n_inputs, self.n_factors))
        shift = rng.normal(0, 0.1, self.n_factors)
        return weights.astype(np.float32), shift.astype(np.float32)

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


def _compiled(above: sparse.csr_matrix, model: Towers) -> Callable[..., Any]:
    """One epoch as an XLA program: state and number in, state and error out."""
    tf = tensorflow()
    owner = np.repeat(np.arange(above.shape[0], dtype=np.int32), np.diff(above.indptr))
    pairs = tf.constant(owner), tf.constant(above.indices.astype(np.int32))
    of_user, of_item = (
        1 / np.sqrt(np.maximum(np.bincount(at, minlength=n), 1))[at]
        for at, n in zip((owner, above.indices), above.shape, strict=True)
    )
    ratings = tf.constant(above.data)
    scales = tf.constant(of_user, tf.float32), tf.constant(of_item, tf.float32)
    decays = [model.weight_decay, 0.0, model.weight_decay, 0.0]

    def run_epoch(state: Any, epoch: Any) -> Any:
        weights = state[0]
        hidden = [
            _hidden(tf, ratings * scale, model.dropout, (model.seed, epoch * 2 + side))
            for side, scale in enumerate(scales)
        ]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = half_error(ratings, pairs, hidden, above.shape, weights)
        slopes = [tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)]
        state = adam(state, slopes, epoch - 1, model.learning_rate, decays)
        return state, tf.sqrt(2 * loss)

    return cast(
        "Callable[..., Any]", tf.function(run_epoch, jit_compile=True, autograph=False)
    )


def _hidden(tf: Any, inputs: Any, dropout: float, seed: tuple[int, Any]) -> Any:
    """A share of the inputs at 0 and the others the larger for it."""
    drawn = tf.random.stateless_uniform(inputs.shape, tf.stack(seed))
    return tf.where(drawn >= dropout, inputs / (1 - dropout), 0.0)


def half_error(
    ratings: Any, pairs: tuple[Any, Any], inputs: Any, shape: Any, weights: Any
) -> Any:
    """Half the mean squared error of the towers' products.

    `inputs` are what each rating tells of its user and of its item, `pairs` the rows of
    both, `weights` weights and shift of the users' tower, then of the items'.
    """
    tf = tensorflow()
    owner, item = pairs

    def tower(told: Any, rows: Any, other: Any, n: int, kernel: Any, shift: Any) -> Any:
        parts = told[:, None] * tf.gather(kernel, other)
        return tf.tanh(tf.math.unsorted_segment_sum(parts, rows, n) + shift)

    users = tower(inputs[0], owner, item, shape[0], *weights[:2])
    items = tower(inputs[1], item, owner, shape[1], *weights[2:])
    found = tf.reduce_sum(tf.gather(users, owner) * tf.gather(items, item), axis=1)
    return tf.reduce_mean(tf.square(found - ratings)) / 2


def _out(inputs: sparse.csr_matrix, weights: Floats, shift: Floats) -> Floats:
    return np.asarray(np.tanh(inputs @ weights + shift))


def _scaled(vectors: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows over the square root of their number of ratings, hidden ones included."""
    counts = np.maximum(np.diff(vectors.indptr), 1)
    scale = (1 / np.sqrt(counts)).astype(np.float32)
    return sparse.csr_matrix(sparse.diags(scale) @ vectors, dtype=np.float32)

"""Neural collaborative filtering (He et al. 2017): GMF, MLP and both (NeuMF).

TensorFlow is there only while fitting: a fitted or loaded model is NumPy arrays.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from segmentation.engine import evaluation
from segmentation.engine.interactions import DataError, Interactions
from segmentation.engine.recommenders.base import (
    BLOCK_CELLS,
    OnEpoch,
    Recommender,
    cosine,
    require,
)
from segmentation.engine.recommenders.neural import adam, begin, tensorflow
from segmentation.engine.recommenders.spaces import Choice, Real, Space, Whole
from segmentation.engine.recommenders.topn import TopN

NETWORKS = ("gmf", "mlp", "neumf")
BATCH = 8192  # examples a step, negatives included
MIN_STEPS = 16  # of an epoch, so that small data also get some
STEPS_PER_CALL = 64
VALIDATION_USERS = 1000
CACHE_CELLS = 1 << 17  # of a hidden layer at a time: it must fit in the cache

Floats = NDArray[np.float32]


class Weights(NamedTuple):
    """What a network learns; the GMF columns of a table come before the MLP ones."""

    users: Floats  # users x (n_factors + layers[0] / 2)
    items: Floats  # items x the same
    bias: Floats  # per item
    output: Floats  # n_factors + layers[-1]
    dense: list[Floats]  # kernel, bias, kernel, bias, …


class NCF(Recommender):
    """Logit = output . [user * item, MLP(user, item)] + item bias + log popularity.

    Negatives are drawn as often as they are popular; the log of that is added back to
    the score (sampled-softmax correction), so that tastes and not popularity are
    learned. `weight_decay` pulls the tables to zero (decoupled, Loshchilov 2019).
    """

    algorithm = "ncf"
    has_vectors = True
    has_similar = True
    learned = (
        "user_vectors_",
        "item_vectors_",
        "item_bias_",
        "output_",
        "dense_",
        "n_epochs_",
    )

    user_vectors_: Floats  # users x factors; for GMF score = user . item + item bias
    item_vectors_: Floats  # items x factors
    item_bias_: Floats
    output_: Floats  # layers[-1], for the MLP
    dense_: Floats  # kernels and biases of the MLP, one after the other
    n_epochs_: NDArray[np.int64]  # after how many epochs the kept weights were

    def __init__(
        self,
        network: str = "gmf",
        n_factors: int = 64,
        layers: tuple[int, ...] = (32, 16, 8),
        n_negatives: int = 4,
        epochs: int = 6,
        patience: int = 3,
        learning_rate: float = 8e-3,
        learning_rate_decay: float = 0.6,
        weight_decay: float = 2.0,
        seed: int = 7,
    ) -> None:
        self.network = network
        self.n_factors = n_factors
        self.layers = layers
        self.n_negatives = n_negatives
        self.epochs = epochs
        self.patience = patience
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.weight_decay = weight_decay
        self.seed = seed

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose == "taste":
            return [{"network": "gmf"}]
        return [{"network": network} for network in NETWORKS]

    @classmethod
    def space(cls) -> Space:
        return {
            "network": Choice(NETWORKS),
            "n_factors": Whole(16, 128, log=True),
            "n_negatives": Whole(2, 8),
            "learning_rate": Real(1e-3, 3e-2, log=True),
            "learning_rate_decay": Real(0.4, 0.9),
            "weight_decay": Real(0.2, 20.0, log=True),
        }

    @property
    def refit_params(self) -> dict[str, Any]:
        """The parameters with the epochs that were best on validation."""
        return {**self.params, "epochs": int(self.n_epochs_[0])}

    @property
    def widths(self) -> tuple[int, int]:
        """Columns of the tables for GMF and for MLP."""
        n_gmf = 0 if self.network == "mlp" else self.n_factors
        n_mlp = 0 if self.network == "gmf" else self.layers[0] // 2
        return n_gmf, n_mlp

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        self._check_params()
        run_epoch, weights = _trainer(self, data)
        holdout = _sampled(validation, self.seed)
        best, kept, n_epochs = -np.inf, None, 0
        for epoch in range(1, self.epochs + 1):
            loss = run_epoch(epoch)
            if not np.isfinite(loss):
                raise DataError("NCF did not converge: lower the learning_rate.")
            metric = float("nan")
            if holdout is not None:
                self._take(weights(), epoch)
                metric = holdout.ndcg(self, data)
            if on_epoch is not None:
                on_epoch(epoch, self.epochs, loss, metric)
            if holdout is None or metric > best:
                best, kept, n_epochs = metric, weights(), epoch
            elif epoch - n_epochs >= self.patience:
                break
        assert kept is not None
        self._take(kept, n_epochs)

    def _check_params(self) -> None:
        require(
            self.network in NETWORKS, f"network must be one of {', '.join(NETWORKS)}."
        )
        require(self.n_factors >= 1, "n_factors must be at least 1.")
        require(
            len(self.layers) >= 2 and min(self.layers) >= 2 and self.layers[0] % 2 == 0,
            "layers needs at least two widths of 2 or more, the first an even one.",
        )
        require(self.n_negatives >= 1, "n_negatives must be at least 1.")
        require(self.epochs >= 1, "epochs must be at least 1.")
        require(self.learning_rate > 0, "learning_rate must be positive.")

    def _take(self, weights: Weights, n_epochs: int) -> None:
        """Keep the weights as the arrays that are scored with and saved."""
        n_gmf, _ = self.widths
        counts = np.bincount(self.user_items_.indices, minlength=len(self.items_))
        self.user_vectors_ = weights.users.copy()
        self.user_vectors_[:, :n_gmf] *= weights.output[:n_gmf]
        self.item_vectors_ = weights.items * (counts > 0)[:, None]
        self.item_bias_ = weights.bias + np.log(np.maximum(counts, 1)).astype(
            np.float32
        )
        self.output_ = weights.output[n_gmf:]
        flat = [np.zeros(0, np.float32), *(part.ravel() for part in weights.dense)]
        self.dense_ = np.concatenate(flat)
        self.n_epochs_ = np.array([n_epochs])

    def _scores(self, rows: NDArray[np.int64]) -> Floats:
        n_gmf, n_mlp = self.widths
        users, items = self.user_vectors_[rows], self.item_vectors_
        # The products are small: threads would mostly wait for each other.
        with _threads().limit(limits=1, user_api="blas"):
            scores = users[:, :n_gmf] @ items[:, :n_gmf].T
            scores += self.item_bias_
            if n_mlp:
                self._add_mlp(scores, users[:, n_gmf:], items[:, n_gmf:])
        return scores

    def _add_mlp(self, scores: Floats, users: Floats, items: Floats) -> None:
        """Hidden layers lie units x (users * items): long rows are what NumPy likes."""
        (kernel, bias), *deeper = self._dense_layers()
        n_users, n_mlp = users.shape
        # The first layer is linear in [user, item]: one part of each, then added.
        of_user = (users @ kernel[:n_mlp] + bias).T[:, :, None]
        of_item = np.ascontiguousarray((items @ kernel[n_mlp:]).T)[:, None]
        step = max(1, CACHE_CELLS // of_user.size)
        for start in range(0, len(items), step):
            hidden = of_user + of_item[:, :, start : start + step]
            hidden = np.maximum(hidden, 0, out=hidden).reshape(len(hidden), -1)
            for kernel, bias in deeper:
                hidden = kernel.T @ hidden
                hidden += bias[:, None]
                np.maximum(hidden, 0, out=hidden)
            part = (self.output_ @ hidden).reshape(n_users, -1)
            scores[:, start : start + step] += part

    def _dense_layers(self) -> list[tuple[Floats, Floats]]:
        pairs, start = [], 0
        for n_in, n_out in zip(self.layers[:-1], self.layers[1:], strict=True):
            middle, end = start + n_in * n_out, start + (n_in + 1) * n_out
            kernel = self.dense_[start:middle].reshape(n_in, n_out)
            pairs.append((kernel, self.dense_[middle:end]))
            start = end
        return pairs

    def _similar(self, rows: NDArray[np.int64], n: int) -> TopN:
        return cosine(self.item_vectors_, rows, n)

    def _block_rows(self) -> int:
        rows = max(1, BLOCK_CELLS // len(self.items_))
        return rows if self.network == "gmf" else min(rows, 64)


def _sampled(
    holdout: evaluation.Holdout | None, seed: int
) -> evaluation.Holdout | None:
    """The same holdout with fewer users: it is asked after every epoch."""
    if holdout is None:
        return None
    users = np.flatnonzero(np.diff(holdout.truth.indptr))
    if holdout.users is not None:
        users = np.intersect1d(users, np.asarray(holdout.users))
    if len(users) > VALIDATION_USERS:
        rng = np.random.default_rng(seed)
        users = rng.choice(users, VALIDATION_USERS, replace=False)
    return dataclasses.replace(holdout, users=users)


def _initial(model: NCF, n_users: int, n_items: int) -> Weights:
    rng = np.random.default_rng(model.seed)
    n_gmf, n_mlp = model.widths

    def normal(*shape: int, scale: float) -> Floats:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    dense: list[Floats] = []
    if n_mlp:
        for n_in, n_out in zip(model.layers[:-1], model.layers[1:], strict=True):
            dense.append(normal(n_in, n_out, scale=np.sqrt(2 / n_in)))
            dense.append(np.zeros(n_out, np.float32))
    n_last = model.layers[-1] if n_mlp else 0
    last = normal(n_last, scale=1 / np.sqrt(max(n_last, 1)))
    return Weights(
        users=normal(n_users, n_gmf + n_mlp, scale=0.05),
        items=normal(n_items, n_gmf + n_mlp, scale=0.05),
        # Where taste knows nothing, one of the draws is the positive; from zero, the
        # rarely drawn items would stay above the others.
        bias=np.full(n_items, -np.log(model.n_negatives), np.float32),
        output=np.concatenate([np.ones(n_gmf, np.float32), last]),
        dense=dense,
    )


def _trainer(
    model: NCF, data: Interactions
) -> tuple[Callable[[int], float], Callable[[], Weights]]:
    """Run one epoch (-> mean loss of an example) and read the weights."""
    tf = tensorflow()
    matrix = data.user_items
    n_users, n_items = matrix.shape
    initial = _initial(model, n_users, n_items)
    tables = _padded(initial.users), _padded(np.c_[initial.items, initial.bias])
    state = begin([*tables, initial.output, *initial.dense])
    owners = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(matrix.indptr))
    rng = np.random.default_rng(model.seed)
    n_positives = min(matrix.nnz // MIN_STEPS, BATCH // (1 + model.n_negatives)) or 1
    n_steps = -(-matrix.nnz // n_positives)
    shape = (STEPS_PER_CALL, n_positives, 1 + model.n_negatives)
    run_steps = _compiled(model.widths, model.weight_decay)

    def run_epoch(epoch: int) -> float:
        nonlocal state
        rate = model.learning_rate * model.learning_rate_decay ** (epoch - 1)
        total = 0.0
        for done in range(0, n_steps, STEPS_PER_CALL):
            draws = rng.integers(0, matrix.nnz, shape)
            # One draw is a positive, the items of the others are its negatives.
            users, items = owners[draws[..., 0]], matrix.indices[draws]
            steps = min(STEPS_PER_CALL, n_steps - done)
            numbers = (epoch - 1) * n_steps + done, steps, rate
            state, loss = run_steps(
                state, *(tf.constant(part) for part in (users, items, *numbers))
            )
            total += float(loss)
        return total / (n_steps * (1 + model.n_negatives))

    def read() -> Weights:
        users, items, output, *dense = (part.numpy() for part in state[0])
        items = items[:n_items]
        return Weights(users[:n_users], items[:, :-1], items[:, -1], output, dense)

    return run_epoch, read


def _padded(table: Floats) -> Floats:
    """With up to an eighth more rows, so that fits of like sizes share a program."""
    step = 1 << max(len(table).bit_length() - 4, 0)
    return np.pad(table, ((0, -len(table) % step), (0, 0)))


@functools.lru_cache(maxsize=len(NETWORKS))
def _compiled(widths: tuple[int, int], weight_decay: float) -> Callable[..., Any]:
    """Some steps of training as one XLA program.

    State (weights, first and second moments, each a list of arrays) in, state and
    summed loss out.
    """
    tf = tensorflow()

    def run_steps(
        state: Any, users: Any, items: Any, first: Any, steps: Any, rate: Any
    ) -> Any:
        labels = tf.one_hot(tf.zeros(users.shape[1], tf.int32), items.shape[2])

        def body(done: Any, state: Any, total: Any) -> Any:
            weights = state[0]
            with tf.GradientTape() as tape:
                tape.watch(weights)
                logits = _logits(tf, widths, weights, users[done], items[done])
                losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
                loss = tf.reduce_sum(losses) / users.shape[1]
            gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)]
            decays = _decays(weights, weight_decay)
            state = adam(state, gradients, first + done, rate, decays)
            return done + 1, state, total + loss

        start = (tf.constant(0), state, tf.constant(0.0))
        return tf.while_loop(lambda done, *_: done < steps, body, start)[1:]

    return tf.function(run_steps, jit_compile=True, autograph=False)


def _decays(weights: list[Any], weight_decay: float) -> list[Any]:
    """The two tables shrink, but not the last column of the items': it is the bias."""
    shrunk = np.ones((1, weights[1].shape[1]), np.float32)
    shrunk[0, -1] = 0
    return [weight_decay, weight_decay * shrunk] + [0.0] * (len(weights) - 2)


def _logits(
    tf: Any, widths: tuple[int, int], weights: list[Any], owner: Any, candidates: Any
) -> Any:
    """Logits P x (1 + negatives): each user against its positive and its negatives."""
    user_table, item_table, output, *dense = weights
    n_gmf, n_mlp = widths
    user = tf.gather(user_table, owner)[:, None]
    item = tf.gather(item_table, candidates)
    logits = item[..., -1]
    if n_gmf:
        logits += tf.reduce_sum(
            user[..., :n_gmf] * item[..., :n_gmf] * output[:n_gmf], axis=-1
        )
    if n_mlp:
        kernel, bias, *deeper = dense
        # tensordot makes one matrix product of it, @ one for every user.
        hidden = tf.nn.relu(
            tf.tensordot(user[..., n_gmf:], kernel[:n_mlp], 1)
            + tf.tensordot(item[..., n_gmf:-1], kernel[n_mlp:], 1)
            + bias
        )
        for kernel, bias in zip(deeper[::2], deeper[1::2], strict=True):
            hidden = tf.nn.relu(tf.tensordot(hidden, kernel, 1) + bias)
        logits += tf.reduce_sum(hidden * output[n_gmf:], axis=-1)
    return logits


@functools.cache
def _threads() -> ThreadpoolController:
    """Made once: it looks through all libraries, and TensorFlow brings many."""
    return ThreadpoolController()

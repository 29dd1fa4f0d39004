"""Ranking of the whole catalogue, judged user by user, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from segmentation.engine import columns, interactions
from segmentation.engine.evaluation.intervals import (
    NORMAL_95,
    Interval,
    bootstrap,
    paired,
)
from segmentation.engine.interactions import IdMap, Interactions

TASKS = ("again", "discover")
METRICS = ("ndcg", "recall", "precision", "hit_rate", "map", "mrr")


class NoTargets(ValueError):
    """Nobody among the judged users has anything to be found."""


class NotPaired(ValueError):
    """Two results are not about the same users and targets."""


class Ranker(Protocol):
    """What is judged: anything that gives lists of item rows."""

    def recommend(
        self,
        user_rows: ArrayLike,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        item_mask: ArrayLike | None = None,
    ) -> Any: ...


@dataclass(frozen=True)
class Result:
    """One model on one task: per-user values, means, intervals."""

    task: str
    k: int
    n_items: int
    user_rows: NDArray[np.int64]
    n_targets: NDArray[np.int64]
    per_user: dict[str, NDArray[np.float64]]
    intervals: dict[str, Interval]
    top_items: NDArray[np.int32]  # the judged lists, a row for each of user_rows

    def __getitem__(self, metric: str) -> Interval:
        return self.intervals[metric]

    def as_dict(self) -> dict[str, Any]:
        """The numbers for JSON, without the per-user values."""
        return {
            "task": self.task,
            "k": self.k,
            "n_users": len(self.user_rows),
            "n_items": self.n_items,
            **{name: value._asdict() for name, value in self.intervals.items()},
        }


@dataclass(frozen=True)
class Holdout:
    """What a model is judged by, so that a fit can stop early by the same measure."""

    truth: sparse.csr_matrix
    task: str = "discover"
    k: int = 10
    users: ArrayLike | None = None
    items: ArrayLike | None = None

    def targets(
        self, train: Interactions, at_most: int, seed: int = 0
    ) -> tuple[NDArray[np.int64], sparse.csr_matrix]:
        """Rows of the judged users, or of some of them, with their targets."""
        rows, targets = _targets(train, self.truth, self.task, self.users, self.items)
        if len(rows) <= at_most:
            return rows, targets
        drawn = np.random.default_rng(seed).choice(len(rows), at_most, replace=False)
        drawn.sort()
        return rows[drawn], targets[drawn]

    def ndcg(self, model: Ranker, train: Interactions) -> float:
        """Mean NDCG@k of a model fitted on `train`."""
        rows, targets = _targets(train, self.truth, self.task, self.users, self.items)
        values = _per_user(model, rows, targets, self.task, self.k, self.items)[0]
        return float(values["ndcg"].mean())


def truth(frame: Any, users: IdMap, items: IdMap) -> sparse.csr_matrix:
    """What the known users did with the known items: CSR of ones, users x items."""
    frame = interactions.as_pandas(frame)
    user_row = users.rows(frame[columns.USER])
    item_row = items.rows(frame[columns.ITEM])
    keep = (user_row >= 0) & (item_row >= 0)
    cells = (np.ones(keep.sum(), np.float32), (user_row[keep], item_row[keep]))
    return _ones(sparse.csr_matrix(cells, shape=(len(users), len(items))))


def evaluate(
    model: Ranker,
    train: Interactions,
    truth: sparse.csr_matrix,
    *,
    task: str = "discover",
    k: int = 10,
    users: ArrayLike | None = None,
    items: ArrayLike | None = None,
    seed: int = 0,
) -> Result:
    """Rank the whole catalogue for every judged user and compare with `truth`.

    "again": every target, what was bought may be named. "discover": only targets the
    user never had, and what was bought may not be named. `users` are the rows to judge
    (default: all with a target), `items` a mask or the rows of the catalogue.
    """
    rows, targets = _targets(train, truth, task, users, items)
    values, top_items = _per_user(model, rows, targets, task, k, items)
    n_items = targets.shape[1] if items is None else len(_item_rows(items))
    table = np.column_stack([values[name] for name in METRICS])
    low, high = bootstrap(table, seed=seed)
    intervals = {
        name: Interval(float(table[:, at].mean()), float(low[at]), float(high[at]))
        for at, name in enumerate(METRICS)
    }
    intervals["coverage"] = _coverage(top_items, n_items)
    n_targets = np.diff(targets.indptr).astype(np.int64)
    return Result(task, k, n_items, rows, n_targets, values, intervals, top_items)


def difference(
    first: Result, second: Result, *, metric: str = "ndcg", seed: int = 0
) -> Interval:
    """How much better `second` is, user by user, by a paired bootstrap."""
    if first.task != second.task or not (
        np.array_equal(first.user_rows, second.user_rows)
        and np.array_equal(first.n_targets, second.n_targets)
    ):
        raise NotPaired("The two results are not about the same users and targets.")
    return paired(first.per_user[metric], second.per_user[metric], seed=seed)


def _targets(
    train: Interactions,
    truth: sparse.csr_matrix,
    task: str,
    users: ArrayLike | None,
    items: ArrayLike | None,
) -> tuple[NDArray[np.int64], sparse.csr_matrix]:
    """Rows of the users that have a target, and their targets (users x items)."""
    if task not in TASKS:
        raise ValueError(f"The task must be one of {', '.join(TASKS)}.")
    seen = train.user_items
    assert truth.shape == seen.shape, "truth and training must have the same axes"
    targets = _ones(truth)
    if task == "discover":
        targets = _ones(targets - targets.multiply(_ones(seen)))
    if items is not None:
        mask = np.zeros(truth.shape[1], np.float32)
        mask[_item_rows(items)] = 1
        targets = _ones(targets.multiply(mask).tocsr())
    has_target = np.diff(targets.indptr) > 0
    rows = np.arange(truth.shape[0]) if users is None else np.unique(np.asarray(users))
    rows = rows[has_target[rows]].astype(np.int64)
    if not len(rows):
        raise NoTargets("None of the judged users has a target in the judged period.")
    return rows, targets[rows]


def _per_user(
    model: Ranker,
    rows: NDArray[np.int64],
    targets: sparse.csr_matrix,
    task: str,
    k: int,
    items: ArrayLike | None,
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int32]]:
    top = model.recommend(rows, k, exclude_seen=task == "discover", item_mask=items)
    hits = _hits(top.items, targets)
    n_targets = np.diff(targets.indptr)
    n_hits = hits.sum(axis=1)
    gain = 1 / np.log2(np.arange(2, k + 2))
    values = {
        "ndcg": hits @ gain / ideal_gain(targets, k),
        "recall": n_hits / n_targets,
        "precision": n_hits / k,
        "hit_rate": (n_hits > 0).astype(np.float64),
        "map": _average_precision(hits, n_targets),
        "mrr": np.where(n_hits > 0, 1 / (hits.argmax(axis=1) + 1), 0.0),
    }
    return values, top.items


def ideal_gain(targets: sparse.csr_matrix, k: int) -> NDArray[np.float64]:
    """DCG@k of a list that begins with all targets, for each row."""
    gain = 1 / np.log2(np.arange(2, k + 2))
    ideal: NDArray[np.float64] = np.cumsum(gain)[
        np.minimum(np.diff(targets.indptr), k) - 1
    ]
    return ideal


def cell_hits(
    owner: NDArray[Any], items: NDArray[Any], targets: sparse.csr_matrix
) -> NDArray[np.bool_]:
    """Which of some (row of the targets, item) are targets."""
    n_rows, n_items = targets.shape
    rows = np.repeat(np.arange(n_rows), np.diff(targets.indptr))
    keys = rows * np.int64(n_items) + targets.indices
    return np.isin(owner * np.int64(n_items) + items, keys)


def _average_precision(
    hits: NDArray[np.bool_], n_targets: NDArray[Any]
) -> NDArray[np.float64]:
    """Precision at each hit, summed, over as many as there could be."""
    at_hits = np.cumsum(hits, axis=1) * hits / np.arange(1, hits.shape[1] + 1)
    summed: NDArray[np.float64] = at_hits.sum(axis=1)
    return summed / np.minimum(n_targets, hits.shape[1])


def _hits(top_items: NDArray[np.int32], targets: sparse.csr_matrix) -> NDArray[Any]:
    """Which places of the lists hold a target: bool B x k; -1 never does."""
    owner = np.arange(len(top_items))[:, None]
    return cell_hits(owner, top_items, targets) & (top_items >= 0)


def _coverage(top_items: NDArray[np.int32], n_items: int) -> Interval:
    """Share of the catalogue that was named at all, with a jackknife interval.

    A bootstrap would see fewer distinct users than there are and so less coverage.
    """
    owner, place = np.nonzero(top_items >= 0)
    named, which, times = np.unique(
        top_items[owner, place], return_inverse=True, return_counts=True
    )
    n_users = len(top_items)
    lost = np.bincount(owner[times[which] == 1], minlength=n_users) / n_items
    error = np.sqrt((n_users - 1) / n_users * ((lost - lost.mean()) ** 2).sum())
    share = len(named) / n_items
    low, high = share - NORMAL_95 * error, share + NORMAL_95 * error
    return Interval(share, float(max(low, 0.0)), float(min(high, 1.0)))


def _item_rows(items: ArrayLike) -> NDArray[np.int64]:
    mask = np.asarray(items)
    return np.flatnonzero(mask) if mask.dtype == bool else np.unique(mask)


def _ones(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same cells with the value 1, without stored zeros, sorted."""
    clean = sparse.csr_matrix(matrix, dtype=np.float32, copy=True)
    clean.sum_duplicates()
    clean.eliminate_zeros()
    clean.data[:] = 1
    return clean

"""Beyond accuracy: who gets shown (Gini), how new it is, how unlike each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine.evaluation.intervals import Interval, bootstrap
from segmentation.engine.interactions import Interactions

OTHER = "…"  # all groups beside the largest


@dataclass(frozen=True)
class Exposure:
    """Of each group of items: its share of the lists, the catalogue and the sales."""

    shown: dict[str, Interval]
    catalogue: dict[str, float]
    sales: dict[str, float]
    most: str  # shown most beyond its sales
    least: str
    gap: Interval  # between what these two are shown beyond their sales

    def as_dict(self) -> dict[str, Any]:
        """The numbers for JSON."""
        return {
            "groups": {
                name: {
                    "shown": value._asdict(),
                    "catalogue": self.catalogue[name],
                    "sales": self.sales[name],
                }
                for name, value in self.shown.items()
            },
            "gap": {"most": self.most, "least": self.least, **self.gap._asdict()},
        }


def exposure(
    top_items: NDArray[Any],
    labels: NDArray[Any],
    train: Interactions,
    *,
    at_most: int = 12,
    seed: int = 0,
) -> Exposure | None:
    """Who is shown, by group of items; `labels` name the group of each item row.

    Items without a label are left out, groups beside the `at_most` best sold are one.
    A customer's list counts as one, however long. None without two groups or lists.
    """
    names, code = _largest(np.asarray(labels, dtype=str), train, at_most)
    places = np.where(top_items >= 0, code[top_items], -1)
    counts = np.stack([(places == at).sum(axis=1) for at in range(len(names))], axis=1)
    counts = counts[counts.sum(axis=1) > 0]
    if len(names) < 2 or not len(counts):
        return None
    shares = counts / counts.sum(axis=1, keepdims=True)
    sold = np.bincount(
        train.user_items.indices, train.user_items.data, minlength=len(code)
    )
    known = code >= 0
    sales = np.bincount(code[known], sold[known], minlength=len(names))
    items = np.bincount(code[known], minlength=len(names))
    sales, items = sales / max(sales.sum(), 1e-12), items / items.sum()
    low, high = bootstrap(shares, seed=seed)
    beyond = shares.mean(axis=0) - sales
    most, least = int(beyond.argmax()), int(beyond.argmin())
    apart = (shares[:, most] - sales[most]) - (shares[:, least] - sales[least])
    return Exposure(
        shown={
            name: Interval(float(mean), float(low[at]), float(high[at]))
            for at, (name, mean) in enumerate(zip(names, shares.mean(0), strict=True))
        },
        catalogue=dict(zip(names, items.tolist(), strict=True)),
        sales=dict(zip(names, sales.tolist(), strict=True)),
        most=names[most],
        least=names[least],
        gap=mean_of(apart, seed=seed),
    )


def _largest(
    labels: NDArray[Any], train: Interactions, at_most: int
) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the best sold groups and the group of each item row, -1 without one."""
    names, code = np.unique(labels, return_inverse=True)
    sold = np.bincount(
        code[train.user_items.indices], train.user_items.data, minlength=len(names)
    )
    sold = np.where(names == "", -1.0, sold)
    order = np.argsort(-sold, kind="stable")
    order = order[names[order] != ""]
    kept, rest = order[:at_most], order[at_most:]
    place = np.full(len(names), -1, np.int64)
    place[kept] = np.arange(len(kept))
    place[rest] = len(kept)
    found = [str(name) for name in names[kept]] + ([OTHER] if len(rest) else [])
    return found, place[code]


def gini(top_items: NDArray[Any], n_items: int) -> float:
    """Inequality of how often each item is named: 0 all alike, near 1 one takes all.

    `top_items` are lists of item rows (-1 fills up), `n_items` the whole catalogue:
    what is never named counts.
    """
    counts = np.sort(np.bincount(top_items[top_items >= 0], minlength=n_items))
    if not counts.sum():
        return 0.0
    rank = np.arange(1, n_items + 1)
    share = (2 * rank - n_items - 1) @ counts / (n_items * counts.sum())
    return float(share)


def novelty(top_items: NDArray[Any], train: Interactions) -> NDArray[np.float64]:
    """Of each list the mean of -log2(share of users who had the item); NaN if empty.

    An item that nobody had counts like one that half a user had.
    """
    had = np.bincount(train.user_items.indices, minlength=len(train.items))
    n_users = np.count_nonzero(np.diff(train.user_items.indptr))
    bits = -np.log2(np.maximum(had, 0.5) / n_users)
    return _mean(np.where(top_items >= 0, bits[top_items], 0.0), top_items)


def diversity(
    top_items: NDArray[Any], features: sparse.csr_matrix
) -> NDArray[np.float64]:
    """Of each list the mean of 1 - cosine over its pairs; NaN below two items.

    `features` are items x anything (content, or the users who took them); an item
    without any is unlike all others.
    """
    squares = np.asarray(features.multiply(features).sum(axis=1)).ravel()
    scale = np.where(squares > 0, np.maximum(squares, 1e-24) ** -0.5, 0.0)
    unit = sparse.csr_matrix(sparse.diags(scale) @ features)
    owner, place = np.nonzero(top_items >= 0)
    items = top_items[owner, place]
    n_lists = len(top_items)
    picked = sparse.csr_matrix(
        (np.ones(len(items)), (owner, items)), shape=(n_lists, features.shape[0])
    )
    # The sum over all pairs is the square of the sum, less each with itself.
    total = picked @ unit
    alike = np.asarray(total.multiply(total).sum(axis=1)).ravel()
    alike -= np.bincount(owner, (squares > 0)[items], minlength=n_lists)
    n = np.bincount(owner, minlength=n_lists)
    pairs = n * (n - 1)
    return np.where(pairs > 0, 1 - alike / np.maximum(pairs, 1), np.nan)


def mean_of(values: NDArray[np.float64], *, seed: int = 0) -> Interval:
    """The mean over users with its interval; lists without a value are left out."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = bootstrap(known[:, None], seed=seed)
    return Interval(float(known.mean()), float(low[0]), float(high[0]))


def _mean(values: NDArray[Any], top_items: NDArray[Any]) -> NDArray[np.float64]:
    n = (top_items >= 0).sum(axis=1)
    return np.where(n > 0, values.sum(axis=1) / np.maximum(n, 1), np.nan)

"""Beyond accuracy: who gets shown (Gini), how new it is, how unlike each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine.evaluation.intervals import Interval, bootstrap
from segmentation.engine.interactions import Interactions


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

"""Samples that speak for all customers where all would cost too much."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster
from threadpoolctl import threadpool_limits

from segmentation.engine.clustering.base import Vectors, nearest

STRATA: Final = 50
LEAST: Final = 20  # rows of a stratum, if it has so many


def drawn(n: int, size: int, seed: int) -> NDArray[np.int64]:
    """Return `size` of n positions, ascending; all where there are no more."""
    if n <= size:
        return np.arange(n)
    chosen = np.random.default_rng(seed).choice(n, size, replace=False)
    return np.sort(chosen)


def stratified(rows: Vectors, size: int, seed: int) -> NDArray[np.int64]:
    """Return positions of a sample with its share of each part of the space.

    The parts are a rough k-means; each is drawn by its share, but a small one by at
    least 20 rows, so that no small group is lost.
    """
    if len(rows) <= size:
        return np.arange(len(rows))
    few = rows[drawn(len(rows), 20 * STRATA, seed)]
    with threadpool_limits(1):  # sums in one order, or other segments now and then
        rough = cluster.KMeans(STRATA, n_init=1, random_state=seed).fit(few)
    stratum = nearest(rows, rough.cluster_centers_)
    counts = np.bincount(stratum, minlength=STRATA)
    wanted = np.floor(counts / len(rows) * (size - LEAST * STRATA)).astype(np.int64)
    wanted = np.minimum(wanted + LEAST, counts)
    shuffled = np.random.default_rng(seed).permutation(len(rows))
    order = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    rank = np.arange(len(rows)) - (np.cumsum(counts) - counts)[stratum[order]]
    return np.sort(order[rank < wanted[stratum[order]]])

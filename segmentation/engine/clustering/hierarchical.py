"""Hierarchical clustering: the two most alike are joined, again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.cluster import hierarchy
from scipy.sparse.csgraph import connected_components

from segmentation.engine.clustering import choosing, sampling
from segmentation.engine.clustering.base import (
    Anchors,
    Clusters,
    Labels,
    Vectors,
    anchored,
    by_size,
    means,
    prepared,
    require_difference,
)

MOST: Final = 10_000  # rows of a tree: its distances cost n², 400 MB here

Linkage = Literal["ward", "average", "complete", "single"]


class Hierarchical:
    """Ward 1963, or average, complete or single linkage; k given or "auto".

    "auto" cuts the tree at k_min..k_max and chooses as `choosing.choose` does. Above
    10,000 customers the tree is of a stratified sample, and everybody else belongs
    where their nearest sampled customer does; `scores` say how many were sampled.
    """

    def __init__(
        self,
        *,
        n_clusters: int | Literal["auto"] = "auto",
        linkage: Linkage = "ward",
        seed: int = 7,
        k_min: int = 2,
        k_max: int = 20,
        unit_length: bool = False,
    ) -> None:
        choosing.check(n_clusters, k_min, k_max)
        if linkage not in get_args(Linkage):
            raise ValueError(f"linkage is one of {', '.join(get_args(Linkage))}.")
        self.n_clusters = n_clusters
        self.linkage = linkage
        self.seed = seed
        self.k_min = k_min
        self.k_max = k_max
        self.unit_length = unit_length

    def fit(self, vectors: ArrayLike) -> Clusters:
        """Divide the rows; ClusteringRefused where that has no sense."""
        rows = prepared(vectors, unit_length=self.unit_length)
        ks = choosing.possible(rows, self.n_clusters, self.k_min, self.k_max)
        drawn = sampling.stratified(rows, MOST, self.seed)
        sample = rows[drawn]
        require_difference(sample, ks[0])
        cuts = self._cuts(sample, ks)
        judged = choosing.judge(
            sample,
            ks,
            cuts,
            divide=self._divided,
            seed=self.seed,
            given=self.n_clusters != "auto",
        )
        labels, centers = by_size(cuts[judged.at], means(sample, cuts[judged.at]))
        anchors = Anchors(sample, labels)
        if len(sample) < len(rows):
            labels = anchored(rows, anchors)
            labels[drawn] = anchors.labels
        return Clusters(
            labels, centers, judged.scores, judged.curve, self.unit_length, anchors
        )

    def _cuts(self, rows: Vectors, ks: Sequence[int]) -> list[Labels]:
        tree = hierarchy.linkage(rows, self.linkage)
        return [_cut(tree, k) for k in ks]

    def _divided(
        self, rows: Vectors, ks: Sequence[int]
    ) -> list[Callable[[Vectors], Labels]]:
        cuts = self._cuts(rows, ks)
        return [_follow(rows, labels) for labels in cuts]


def _cut(tree: NDArray[np.float64], k: int) -> Labels:
    """Return k clusters: the last k - 1 joins are taken back, whether or not tied."""
    n = len(tree) + 1
    kept = n - k  # joins; join i makes node n + i of two others
    graph = sparse.coo_matrix(
        (
            np.ones(2 * kept, np.int8),
            (tree[:kept, :2].astype(int).ravel(), np.repeat(n + np.arange(kept), 2)),
        ),
        shape=(2 * n - 1, 2 * n - 1),
    )
    leaves = connected_components(graph, directed=False)[1][:n]
    return np.unique(leaves, return_inverse=True)[1].astype(np.int32)


def _follow(rows: Vectors, labels: Labels) -> Callable[[Vectors], Labels]:
    anchors = Anchors(rows, labels)
    return lambda others: anchored(others, anchors)

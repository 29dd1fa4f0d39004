"""Similarity threshold: customers who are alike enough are linked, links are groups."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from segmentation.engine.clustering import linked, sampling, silhouette
from segmentation.engine.clustering.base import (
    UNASSIGNED,
    Anchors,
    ClusteringRefused,
    Clusters,
    anchored,
    by_size,
    means,
    prepared,
    require_difference,
)

MOST: Final = 30_000  # rows whose distances are all looked at


class Threshold:
    """Customers are linked where the cosine of their vectors is at least `tau`.

    Groups are the connected parts of at least `min_size`; who is in a smaller one is in
    none (-1). Above 30,000 customers links are looked for in a random sample, and
    everybody else joins their nearest sampled customer if that one is alike enough.
    """

    def __init__(
        self,
        *,
        n_clusters: Literal["auto"] = "auto",
        tau: float = 0.9,
        min_size: int = 2,
        seed: int = 7,
        unit_length: bool = True,
    ) -> None:
        if n_clusters != "auto":
            raise ValueError("The threshold decides how many segments there are.")
        if not -1 < tau <= 1:
            raise ValueError("tau is a cosine above -1, at most 1.")
        if min_size < 1:
            raise ValueError("min_size is at least 1.")
        if not unit_length:
            raise ValueError("A cosine compares directions: unit_length is true.")
        self.tau = tau
        self.min_size = min_size
        self.seed = seed

    def fit(self, vectors: ArrayLike) -> Clusters:
        """Divide the rows; ClusteringRefused where nobody is alike enough."""
        rows = prepared(vectors, unit_length=True)
        require_difference(rows, 2)
        drawn = sampling.drawn(len(rows), MOST, self.seed)
        sample = rows[drawn]
        radius = chord(self.tau)
        count, found = linked.parts(sample, radius)
        sizes = np.bincount(found, minlength=count)
        large = sizes >= self.min_size
        if not large.any():
            raise ClusteringRefused(
                "all_noise",
                f"No {self.min_size} customers are as alike as {self.tau}: take a "
                "smaller tau.",
            )
        kept = np.where(large, np.cumsum(large) - 1, UNASSIGNED)[found].astype(np.int32)
        kept, centers = by_size(kept, means(sample, kept))
        anchors = Anchors(sample[kept >= 0], kept[kept >= 0], radius=radius)
        labels = anchored(rows, anchors)
        labels[drawn] = kept
        scores = {
            "silhouette": silhouette.of_sample(rows, labels, self.seed),
            "inertia": None,
            "elbow_k": None,
            "silhouette_k": None,
            "stability_k": None,
            "rule": "threshold",
            "tau": self.tau,
            "n_noise": int((labels == UNASSIGNED).sum()),
            "n_sample": len(sample),
        }
        return Clusters(labels, centers, scores, [], True, anchors)


def chord(tau: float) -> float:
    """Return the distance of two rows of length 1 whose cosine is tau."""
    return float(np.sqrt(max(2 - 2 * tau, 0)))

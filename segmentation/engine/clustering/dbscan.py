"""DBSCAN: groups are where customers lie close together; who lies alone is in none."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segmentation.engine.clustering import linked, sampling, silhouette
from segmentation.engine.clustering.base import (
    UNASSIGNED,
    Anchors,
    ClusteringRefused,
    Clusters,
    Labels,
    Vectors,
    anchored,
    by_size,
    means,
    prepared,
    require_difference,
)

MOST: Final = 20_000  # rows whose distances are all looked at
_CURVE_POINTS: Final = 100


class DBSCAN:
    """Ester, Kriegel, Sander & Xu 1996.

    A customer with `min_samples` within `eps` (itself included) is a core; cores within
    `eps` of each other are one cluster; others join the cluster of the nearest core in
    reach, or none (-1). `eps` "auto" is where the sorted distances to the
    min_samples-th customer bend; that curve is in `scores`. Above 20,000 customers it
    is fitted on a random sample, with `min_samples` counted there.
    """

    def __init__(
        self,
        *,
        n_clusters: Literal["auto"] = "auto",
        eps: float | Literal["auto"] = "auto",
        min_samples: int = 10,
        seed: int = 7,
        unit_length: bool = False,
    ) -> None:
        if n_clusters != "auto":
            raise ValueError("DBSCAN finds its number of segments: n_clusters is auto.")
        if eps != "auto" and not eps > 0:
            raise ValueError('eps is "auto", or a distance above 0.')
        if min_samples < 2:
            raise ValueError("min_samples is at least 2.")
        self.eps = eps
        self.min_samples = min_samples
        self.seed = seed
        self.unit_length = unit_length

    def fit(self, vectors: ArrayLike) -> Clusters:
        """Divide the rows; ClusteringRefused where no group is dense enough."""
        rows = prepared(vectors, unit_length=self.unit_length)
        require_difference(rows, max(2, self.min_samples))
        drawn = sampling.drawn(len(rows), MOST, self.seed)
        sample = rows[drawn]
        reach = np.sort(linked.kth_distances(sample, self.min_samples - 1))
        eps = proposed(reach) if self.eps == "auto" else float(self.eps)
        cores = linked.neighbour_counts(sample, eps) >= self.min_samples
        if not cores.any():
            raise ClusteringRefused(
                "all_noise",
                f"Nowhere do {self.min_samples} customers lie within {eps:.3g} of one: "
                "take a larger eps or fewer min_samples.",
            )
        found = linked.parts(sample[cores], eps)[1]
        found, centers = by_size(found, means(sample[cores], found))
        anchors = Anchors(sample[cores], found, radius=eps)
        labels = anchored(rows, anchors)
        scores = _scores(rows, labels, self.seed) | {
            "eps": eps,
            "min_samples": self.min_samples,
            "n_noise": int((labels == UNASSIGNED).sum()),
            "n_sample": len(sample),
            "reach": _thinned(reach),
        }
        return Clusters(labels, centers, scores, [], self.unit_length, anchors)


def proposed(reach: NDArray[np.float32]) -> float:
    """Return the distance at which the ascending curve bends most (its knee)."""
    lowest, highest = float(reach[0]), float(reach[-1])
    if highest <= lowest:
        return max(highest, float(np.finfo(np.float32).tiny))
    height = (reach.astype(np.float64) - lowest) / (highest - lowest)
    across = np.linspace(0, 1, len(reach))
    return float(reach[int((across - height).argmax())])


def _thinned(curve: NDArray[np.float32]) -> list[float]:
    at = np.linspace(0, len(curve) - 1, min(_CURVE_POINTS, len(curve))).astype(int)
    return [round(float(value), 6) for value in curve[at]]


def _scores(rows: Vectors, labels: Labels, seed: int) -> dict[str, Any]:
    """Return the silhouette of those who are in a group; None where there is one."""
    return {
        "silhouette": silhouette.of_sample(rows, labels, seed),
        "inertia": None,
        "elbow_k": None,
        "silhouette_k": None,
        "stability_k": None,
        "rule": "density",
    }

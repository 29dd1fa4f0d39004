"""K-means, with the number of clusters given or chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn import cluster
from threadpoolctl import threadpool_limits

from segmentation.engine.clustering import choosing
from segmentation.engine.clustering.base import (
    ClusteringRefused,
    Clusters,
    Labels,
    Vectors,
    by_size,
    nearest,
    prepared,
)

# Silhouettes cost n²: this many rows, drawn by the seed, speak for all.
SAMPLE: Final = 10_000
_STARTS: Final = 10
_STARTS_PER_K: Final = 4


class KMeans:
    """Lloyd's k-means from k-means++ starts; `n_clusters` a number or "auto".

    "auto" tries k_min..k_max on a sample and chooses as in `choosing.choose`; the
    winner starts the fit on all rows. `unit_length` compares directions only: tastes,
    whatever the amount bought.
    """

    def __init__(
        self,
        *,
        n_clusters: int | Literal["auto"] = "auto",
        seed: int = 7,
        k_min: int = 2,
        k_max: int = 20,
        unit_length: bool = False,
    ) -> None:
        fixed = n_clusters != "auto"
        if fixed and (not isinstance(n_clusters, int) or n_clusters < 2):
            raise ValueError('n_clusters is "auto", or a number of at least 2.')
        if not 2 <= k_min <= k_max:
            raise ValueError("k_min is at least 2, k_max at least k_min.")
        self.n_clusters = n_clusters
        self.seed = seed
        self.k_min = k_min
        self.k_max = k_max
        self.unit_length = unit_length

    def fit(self, vectors: ArrayLike) -> Clusters:
        """Divide the rows; ClusteringRefused where that has no sense."""
        rows = prepared(vectors, unit_length=self.unit_length)
        ks = self._possible_ks(rows)
        # One thread: on a shared machine as fast on a sample, and sums in one order, or
        # the same seed would give other segments now and then.
        with threadpool_limits(1):
            sample = self._sample(rows)
            starts = _STARTS if len(ks) == 1 else _STARTS_PER_K
            fits = [_lloyd(sample, k, self.seed, starts) for k in ks]
            scores = choosing.silhouettes(sample, [fit.labels for fit in fits])
            choice = self._choice(ks, scores, fits, sample)
            at = ks.index(choice.k) if choice else 0
            centers, inertia = _refined(rows, fits[at].centers)
        labels, centers = by_size(nearest(rows, centers), centers)
        scale = len(rows) / len(sample)
        curve = [
            {"k": k, "inertia": fit.inertia * scale, "silhouette": score}
            for k, fit, score in zip(ks, fits, scores, strict=True)
        ]
        summary: dict[str, Any] = {
            "silhouette": scores[at],
            "inertia": inertia,
            "elbow_k": choice.elbow_k if choice else None,
            "silhouette_k": choice.silhouette_k if choice else None,
            "rule": choice.rule if choice else "given",
            "n_sample": len(sample),
        }
        return Clusters(labels, centers, summary, curve, self.unit_length)

    def _possible_ks(self, rows: Vectors) -> list[int]:
        """Return the numbers of clusters to try; ClusteringRefused if there is none."""
        least, most = self.k_min, self.k_max
        if self.n_clusters != "auto":
            least = most = self.n_clusters
        if len(rows) <= least:
            raise ClusteringRefused(
                "too_few",
                f"{len(rows)} customers cannot be divided into {least} segments.",
            )
        different = _distinct(rows, most + 1)
        if different == 1:
            raise ClusteringRefused(
                "all_equal",
                "All customers have the same vector: there is nothing to divide by.",
            )
        if different < least:
            raise ClusteringRefused(
                "too_few_different",
                f"There are only {different} different vectors among {len(rows)} "
                f"customers: too few for {least} segments.",
            )
        return list(range(least, min(most, different, len(rows) - 1) + 1))

    def _sample(self, rows: Vectors) -> Vectors:
        if len(rows) <= SAMPLE:
            return rows
        rng = np.random.default_rng(self.seed)
        return rows[np.sort(rng.choice(len(rows), SAMPLE, replace=False))]

    def _choice(
        self, ks: list[int], scores: list[float], fits: list[_Fit], sample: Vectors
    ) -> choosing.Choice | None:
        """Return the vote, or None where the number was given."""
        if self.n_clusters != "auto":
            return None
        total = float(((sample - sample.mean(axis=0)) ** 2).sum(dtype=np.float64))
        return choosing.choose(ks, scores, [fit.inertia for fit in fits], total)


@dataclass(frozen=True)
class _Fit:
    labels: Labels
    centers: Vectors
    inertia: float


def _lloyd(rows: Vectors, k: int, seed: int, starts: int) -> _Fit:
    model = cluster.KMeans(k, n_init=starts, random_state=seed).fit(rows)
    return _Fit(model.labels_, model.cluster_centers_, float(model.inertia_))


def _refined(rows: Vectors, centers: Vectors) -> tuple[Vectors, float]:
    """Return centers and inertia after Lloyd's steps on all rows from these centers."""
    model = cluster.KMeans(len(centers), init=centers, n_init=1).fit(rows)
    return model.cluster_centers_, float(model.inertia_)


def _distinct(rows: Vectors, enough: int) -> int:
    """Return how many different rows there are, counting no further than `enough`."""
    few = rows[: 100 * enough]
    found = len(np.unique(few, axis=0))
    if found < enough and len(few) < len(rows):
        found = len(np.unique(rows, axis=0))
    return min(found, enough)

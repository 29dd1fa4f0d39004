"""K-means, with the number of clusters given or chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from numpy.typing import ArrayLike
from sklearn import cluster
from threadpoolctl import threadpool_limits

from segmentation.engine.clustering import choosing, sampling
from segmentation.engine.clustering.base import (
    Clusters,
    Labels,
    Vectors,
    by_size,
    nearest,
    prepared,
)
from segmentation.engine.clustering.silhouette import SAMPLE

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
        choosing.check(n_clusters, k_min, k_max)
        self.n_clusters = n_clusters
        self.seed = seed
        self.k_min = k_min
        self.k_max = k_max
        self.unit_length = unit_length

    def fit(self, vectors: ArrayLike) -> Clusters:
        """Divide the rows; ClusteringRefused where that has no sense."""
        rows = prepared(vectors, unit_length=self.unit_length)
        ks = choosing.possible(rows, self.n_clusters, self.k_min, self.k_max)
        # One thread: on a shared machine as fast on a sample, and sums in one order, or
        # the same seed would give other segments now and then.
        with threadpool_limits(1):
            sample = rows[sampling.drawn(len(rows), SAMPLE, self.seed)]
            starts = _STARTS if len(ks) == 1 else _STARTS_PER_K
            fits = [_lloyd(sample, k, self.seed, starts) for k in ks]
            judged = choosing.judge(
                sample,
                ks,
                [fit.labels for fit in fits],
                divide=self._divided,
                seed=self.seed,
                given=self.n_clusters != "auto",
            )
            centers, inertia = _refined(rows, fits[judged.at].centers)
        labels, centers = by_size(nearest(rows, centers), centers)
        scale = len(rows) / len(sample)
        curve = [
            point | {"inertia": point["inertia"] * scale} for point in judged.curve
        ]
        scores = judged.scores | {"inertia": inertia}
        return Clusters(labels, centers, scores, curve, self.unit_length)

    def _divided(
        self, rows: Vectors, ks: Sequence[int]
    ) -> list[Callable[[Vectors], Labels]]:
        return [_follow(_lloyd(rows, k, self.seed, 1).centers) for k in ks]


@dataclass(frozen=True)
class _Fit:
    labels: Labels
    centers: Vectors


def _lloyd(rows: Vectors, k: int, seed: int, starts: int) -> _Fit:
    model = cluster.KMeans(k, n_init=starts, random_state=seed).fit(rows)
    return _Fit(model.labels_, model.cluster_centers_)


def _refined(rows: Vectors, centers: Vectors) -> tuple[Vectors, float]:
    """Return centers and inertia after Lloyd's steps on all rows from these centers."""
    model = cluster.KMeans(len(centers), init=centers, n_init=1).fit(rows)
    return model.cluster_centers_, float(model.inertia_)


def _follow(centers: Vectors) -> Callable[[Vectors], Labels]:
    return lambda rows: nearest(rows, centers)

"""What every clusterer takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

UNASSIGNED: Final = -1
CELLS: Final = 1 << 22  # distances held at once: 16 MiB
ROUNDING: Final = 1e-5  # a distance may be so much above its bound, relatively

Vectors = NDArray[np.float32]
Labels = NDArray[np.int32]


class ClusteringRefused(ValueError):
    """These vectors cannot be divided; `code` is a fixed word, the text says why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Clusterer(Protocol):
    """A way of dividing customers."""

    def fit(self, vectors: ArrayLike) -> Clusters:
        """Divide the rows of customers x factors; ClusteringRefused says why not."""


@dataclass(frozen=True)
class Anchors:
    """Customers who stand for clusters that have no round shape.

    A row belongs to the cluster of its nearest anchor, unless that is further away than
    `radius`: then its label is `outside`.
    """

    rows: Vectors
    labels: Labels
    radius: float = np.inf
    outside: int = UNASSIGNED


@dataclass(frozen=True)
class Clusters:
    """One division: `labels` per customer, 0 the largest cluster, -1 in none.

    `centers` are clusters x factors; `scores` what the choice rests on; `k_curve` one
    {k, inertia, silhouette} per number of clusters that was tried. Newcomers go to the
    nearest center, or where there are `anchors`, to the cluster of the nearest one.
    """

    labels: Labels
    centers: Vectors
    scores: dict[str, Any] = field(default_factory=dict)
    k_curve: list[dict[str, Any]] = field(default_factory=list)
    unit_length: bool = False
    anchors: Anchors | None = None

    def assign(self, vectors: ArrayLike) -> Labels:
        """Return the cluster of each row; ClusteringRefused as in `fit`."""
        rows = prepared(vectors, unit_length=self.unit_length)
        if rows.shape[1] != self.centers.shape[1]:
            raise ClusteringRefused(
                "other_vectors",
                f"These vectors have {rows.shape[1]} numbers each, the clusters were "
                f"made from vectors of {self.centers.shape[1]}: another model's?",
            )
        if self.anchors is None:
            return nearest(rows, self.centers)
        return anchored(rows, self.anchors)


def prepared(vectors: ArrayLike, *, unit_length: bool) -> Vectors:
    """Return finite float32 rows, scaled to length 1 if asked (zero rows stay zero)."""
    with np.errstate(over="ignore"):  # refused below, with a sentence
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ClusteringRefused(
            "no_vectors", "Vectors are a table of numbers, one row per customer."
        )
    wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if wrong.size:
        raise ClusteringRefused(
            "not_finite",
            f"{wrong.size} of {len(rows)} vectors hold a missing or infinite number, "
            f"the first in row {wrong[0]}.",
        )
    if not unit_length:
        return rows
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    length[length == 0] = 1
    return rows / length


def nearest(rows: Vectors, centers: Vectors) -> Labels:
    """Return the index of the center nearest to each row, the lowest on a tie."""
    return _nearest(rows, centers)[0]


def anchored(rows: Vectors, anchors: Anchors) -> Labels:
    """Return the label of the nearest anchor, or `outside` where that is too far."""
    at, distance = _nearest(rows, anchors.rows)
    near = distance <= anchors.radius * (1 + ROUNDING)
    return np.where(near, anchors.labels[at], anchors.outside).astype(np.int32)


def _nearest(rows: Vectors, centers: Vectors) -> tuple[Labels, NDArray[np.float32]]:
    """Return the nearest center of each row, and its distance."""
    # Around the centers' middle, or float32 would lose the differences.
    middle = centers.mean(axis=0)
    shifted = centers - middle
    half = (shifted**2).sum(axis=1) / 2
    labels = np.empty(len(rows), np.int32)
    distance = np.empty(len(rows), np.float32)
    step = max(1, CELLS // max(len(centers), 1))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        own = rows[part] - middle
        gaps = half - own @ shifted.T
        labels[part] = gaps.argmin(axis=1)
        distance[part] = np.linalg.norm(own - shifted[labels[part]], axis=1)
    return labels, distance


def by_size(labels: Labels, centers: Vectors) -> tuple[Labels, Vectors]:
    """Return the same division with the largest cluster first; -1 stays."""
    sizes = np.bincount(labels[labels >= 0], minlength=len(centers))
    order = np.argsort(-sizes, kind="stable")
    rank = np.full(len(centers) + 1, UNASSIGNED, np.int32)
    rank[order] = np.arange(len(centers), dtype=np.int32)
    return rank[labels], np.ascontiguousarray(centers[order])


def means(rows: Vectors, labels: Labels) -> Vectors:
    """Return the mean row of each cluster 0, 1, …; rows in none are left out."""
    inside = labels >= 0
    member = sparse.csr_matrix(
        (np.ones(inside.sum()), (labels[inside], np.flatnonzero(inside))),
        shape=(labels.max(initial=-1) + 1, len(rows)),
    )
    sums = np.asarray(member @ rows.astype(np.float64))
    counts = np.maximum(np.asarray(member.sum(axis=1)), 1)
    return np.ascontiguousarray(sums / counts, dtype=np.float32)


def distinct(rows: Vectors, enough: int) -> int:
    """Return how many different rows there are, counting no further than `enough`."""
    few = rows[: 100 * enough]
    found = len(np.unique(few, axis=0))
    if found < enough and len(few) < len(rows):
        found = len(np.unique(rows, axis=0))
    return min(found, enough)


def require_difference(rows: Vectors, least: int) -> int:
    """Return how many different rows there are (2 of them and more is enough to know).

    ClusteringRefused where there are too few rows, or all are the same.
    """
    if len(rows) <= least:
        raise ClusteringRefused(
            "too_few", f"{len(rows)} customers cannot be divided into {least} segments."
        )
    different = distinct(rows, least + 1)
    if different == 1:
        raise ClusteringRefused(
            "all_equal",
            "All customers have the same vector: there is nothing to divide by.",
        )
    return different

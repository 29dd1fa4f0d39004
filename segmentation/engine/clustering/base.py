"""What every clusterer takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNASSIGNED: Final = -1
_ROWS_AT_ONCE: Final = 16_384

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
class Clusters:
    """One division: `labels` per customer, 0 the largest cluster, -1 in none.

    `centers` are clusters x factors; `scores` what the choice rests on; `k_curve` one
    {k, inertia, silhouette} per number of clusters that was tried.
    """

    labels: Labels
    centers: Vectors
    scores: dict[str, Any] = field(default_factory=dict)
    k_curve: list[dict[str, Any]] = field(default_factory=list)
    unit_length: bool = False

    def assign(self, vectors: ArrayLike) -> Labels:
        """Return the nearest cluster of each row; ClusteringRefused as in `fit`."""
        rows = prepared(vectors, unit_length=self.unit_length)
        if rows.shape[1] != self.centers.shape[1]:
            raise ClusteringRefused(
                "other_vectors",
                f"These vectors have {rows.shape[1]} numbers each, the clusters were "
                f"made from vectors of {self.centers.shape[1]}: another model's?",
            )
        return nearest(rows, self.centers)


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
    # Around the centers' middle, or float32 would lose the differences.
    middle = centers.mean(axis=0)
    shifted = centers - middle
    half = (shifted**2).sum(axis=1) / 2
    labels = np.empty(len(rows), np.int32)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        labels[part] = (half - (rows[part] - middle) @ shifted.T).argmin(axis=1)
    return labels


def by_size(labels: Labels, centers: Vectors) -> tuple[Labels, Vectors]:
    """Return the same division with the largest cluster first."""
    sizes = np.bincount(labels, minlength=len(centers))
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(centers), np.int32)
    rank[order] = np.arange(len(centers), dtype=np.int32)
    return rank[labels], np.ascontiguousarray(centers[order])

"""How many clusters: the silhouette's vote, the elbow's vote, and who decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.clustering.base import Labels, Vectors

# Kaufman & Rousseeuw 1990, p. 88: below .25 a silhouette shows no islands.
ISLANDS: Final = 0.25
# An elbow is clear if the fall breaks off there, or if the curve bends that deep and
# does break there a little. Data without clusters (uniform, Gaussian, 2 to 64
# dimensions) stay below, separated blobs reach 5 to 40 and iris .80 with 1.46.
CLEAR_BREAK: Final = 2.5
CLEAR_DEPTH: Final = 0.7
SOME_BREAK: Final = 1.25
_ROWS_AT_ONCE: Final = 1_024

Rule = Literal["silhouette", "elbow", "bend"]


@dataclass(frozen=True)
class Choice:
    """The number of clusters, both votes (elbow None: not clear), and what decided."""

    k: int
    silhouette_k: int
    elbow_k: int | None
    rule: Rule


def choose(
    ks: Sequence[int],
    silhouettes: Sequence[float],
    inertias: Sequence[float],
    total_inertia: float,
) -> Choice:
    """Return the number of clusters; `total_inertia` is that of one cluster.

    1. "silhouette": some division shows islands (at least .25): the best one decides.
    2. "elbow": customers are a continuum, where the best silhouette is nearly always
       the smallest k, but the inertia has a clear elbow.
    3. "bend": a continuum without one. Any number is right; the point of the inertia
       curve from which further segments add less is a useful one.
    """
    silhouette_k = ks[int(np.argmax(silhouettes))]
    curve = [1, *ks], [total_inertia, *inertias]
    elbow_k = elbow(*curve)
    if max(silhouettes) >= ISLANDS:
        return Choice(silhouette_k, silhouette_k, elbow_k, "silhouette")
    if elbow_k is not None:
        return Choice(elbow_k, silhouette_k, elbow_k, "elbow")
    return Choice(max(bend(*curve), ks[0]), silhouette_k, None, "bend")


def elbow(ks: Sequence[int], inertias: Sequence[float]) -> int | None:
    """Return the k at which the falling curve clearly breaks off, or None.

    The deepest of Kneedle's bends that is clear: without clusters inertia is a power
    of k, a straight line on log axes, and bends too; a real elbow breaks that line.
    """
    depth = _depth(ks, inertias)
    inner = depth[1:-1]
    peaks = np.flatnonzero((inner >= depth[:-2]) & (inner > depth[2:])) + 1
    for at in peaks[np.argsort(-depth[peaks], kind="stable")]:
        broke = _break(ks[at - 1 : at + 2], inertias[at - 1 : at + 2])
        clear = CLEAR_BREAK if depth[at] < CLEAR_DEPTH else SOME_BREAK
        if broke >= clear and depth[at] >= depth.max() / 2:
            return ks[at]
    return None


def _break(ks: Sequence[int], inertias: Sequence[float]) -> float:
    """Return how many times steeper the curve falls before the middle of three points.

    On log axes; infinite where nothing is left to fall, or the curve even rises, as it
    may, k-means being no exact search.
    """
    if inertias[1] <= 0 or inertias[2] >= inertias[1]:
        return np.inf
    before, after = np.diff(np.log(inertias)) / np.diff(np.log(ks))
    return float(before / after)


def bend(ks: Sequence[int], inertias: Sequence[float]) -> int:
    """Return the k of the deepest bend (Kneedle, Satopää et al. 2011, section III)."""
    return ks[int(_depth(ks, inertias).argmax())]


def _depth(ks: Sequence[int], inertias: Sequence[float]) -> NDArray[np.float64]:
    """Return how far each point lies below the falling diagonal, both axes 0 to 1."""
    k, inertia = np.asarray(ks, np.float64), np.asarray(inertias, np.float64)
    across = (k - k[0]) / max(k[-1] - k[0], 1)
    fall = inertia.max() - inertia.min()
    return 1 - (inertia - inertia.min()) / (fall or 1) - across


def silhouettes(rows: Vectors, labelings: Sequence[Labels]) -> list[float]:
    """Return the mean silhouette (Rousseeuw 1987) of each division of the same rows.

    Each distance is computed once for all of them, a block of rows at a time: n² x f
    operations, 4 KB x n of memory.
    """
    sizes = [np.bincount(labels) for labels in labelings]
    columns = np.concatenate([[0], np.cumsum([len(size) for size in sizes])])
    member = np.zeros((len(rows), columns[-1]), np.float32)
    for labels, start in zip(labelings, columns, strict=False):
        member[np.arange(len(rows)), start + labels] = 1
    centred = rows - rows.mean(axis=0)
    squares = np.einsum("ij,ij->i", centred, centred)
    totals = np.zeros(len(labelings))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        block = np.arange(start, min(start + _ROWS_AT_ONCE, len(rows)))
        distance = squares[block, None] + squares - 2 * centred[block] @ centred.T
        np.sqrt(np.maximum(distance, 0, out=distance), out=distance)
        distance[np.arange(block.size), block] = 0  # not rounding's idea of it
        sums = distance @ member
        for which, labels in enumerate(labelings):
            own = sums[:, columns[which] : columns[which + 1]]
            totals[which] += _block_sum(own, labels[block], sizes[which])
    return [float(total) / len(rows) for total in totals]


def _block_sum(
    sums: NDArray[np.float32], labels: Labels, sizes: NDArray[np.int64]
) -> float:
    """Return the sum of s(i) over rows with these sums of distances per cluster."""
    at = np.arange(len(labels)), labels
    mates = sizes[labels] - 1
    inside = sums[at] / np.maximum(mates, 1)
    means = sums / np.maximum(sizes, 1)
    means[:, sizes == 0] = np.inf
    means[at] = np.inf
    outside = means.min(axis=1)
    larger = np.maximum(inside, outside)
    alone = (mates == 0) | (larger == 0)  # s(i) = 0 by definition
    return float(((outside - inside)[~alone] / larger[~alone]).sum())

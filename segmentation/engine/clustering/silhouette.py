"""The silhouette (Rousseeuw 1987): each customer's own group against the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.clustering import sampling
from segmentation.engine.clustering.base import Labels, Vectors

SAMPLE: Final = 10_000  # silhouettes cost n²: this many rows speak for all
_ROWS_AT_ONCE: Final = 1_024


def of_sample(rows: Vectors, labels: Labels, seed: int) -> float | None:
    """Return the mean silhouette of those in a group; None where there is but one.

    Above 10,000 rows that of a random sample.
    """
    inside = np.flatnonzero(labels >= 0)
    drawn = inside[sampling.drawn(len(inside), SAMPLE, seed)]
    kept, own = np.unique(labels[drawn], return_inverse=True)
    if len(kept) < 2 or len(drawn) <= len(kept):
        return None
    return silhouettes(rows[drawn], [own.astype(np.int32)])[0]


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

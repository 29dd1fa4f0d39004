"""Who is linked with whom: neighbours within a distance, and the connected parts.

All pairs are looked at, a block of rows at a time: n² x f operations and flat memory,
however many pairs are near.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from segmentation.engine.clustering.base import ROUNDING, Labels, Vectors

CELLS: Final = 1 << 23  # distances held at once: 32 MiB


def distances(rows: Vectors) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield blocks of rows with their distances to all rows; float32."""
    centred = rows - rows.mean(axis=0)
    squares = np.einsum("ij,ij->i", centred, centred)
    step = max(1, CELLS // len(rows))
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        block = squares[part, None] + squares - 2 * centred[part] @ centred.T
        np.sqrt(np.maximum(block, 0, out=block), out=block)
        at = np.arange(part.stop - part.start)
        block[at, at + start] = 0  # not rounding's idea of it
        yield part, block


def neighbour_counts(rows: Vectors, radius: float) -> NDArray[np.int64]:
    """Return how many rows lie within the radius of each, itself included."""
    counts = np.empty(len(rows), np.int64)
    for part, block in distances(rows):
        counts[part] = np.count_nonzero(block <= radius * (1 + ROUNDING), axis=1)
    return counts


def kth_distances(rows: Vectors, k: int) -> NDArray[np.float32]:
    """Return the distance of each row to its k-th nearest other row."""
    found = np.empty(len(rows), np.float32)
    for part, block in distances(rows):
        found[part] = np.partition(block, k, axis=1)[:, k]
    return found


def parts(rows: Vectors, radius: float) -> tuple[int, Labels]:
    """Return the number of connected parts and the part of each row.

    Rows within the radius of each other are linked. Each block joins the parts found
    so far, so that no list of pairs is ever held.
    """
    n = len(rows)
    labels = np.arange(n, dtype=np.int32)
    count = n
    for part, block in distances(rows):
        one, other = np.nonzero(block <= radius * (1 + ROUNDING))
        links = np.unique(
            labels[one + part.start].astype(np.int64) * count + labels[other]
        )
        joined = sparse.coo_matrix(
            (np.ones(len(links), np.int8), (links // count, links % count)),
            shape=(count, count),
        )
        count, which = connected_components(joined, directed=False)
        labels = which[labels].astype(np.int32)
    return count, labels

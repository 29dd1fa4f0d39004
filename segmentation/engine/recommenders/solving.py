"""Many small ridge regressions at once: the half-step of every alternating fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

CELLS = 1 << 21  # gathered features at a time
WASTE = 1.25  # rows of a batch are padded to at most this much of the shortest


def ridge(
    weights: sparse.csr_matrix,
    goals: NDArray[np.float64],
    features: NDArray[np.float64],
    penalties: NDArray[np.float64],
    base: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:
    """Solution s of every row: (base + F' W F + diag(penalty)) s = F' goal.

    `weights` (rows x columns) says which columns a row has and their W, `goals` one
    number for each of its entries, `features` are columns x k, `penalties` rows x k.
    Rows without an entry are 0. Rows of like length are solved in one batch.
    """
    found = np.zeros((weights.shape[0], features.shape[1]))
    lengths = np.diff(weights.indptr)
    for rows in _batches(lengths, features.shape[1]):
        place = np.arange(lengths[rows].max())
        there = place < lengths[rows, None]
        at = np.where(there, weights.indptr[rows, None] + place, 0)
        part = features[weights.indices[at]]
        weighted = part * (weights.data[at] * there)[..., None]
        left = weighted.transpose(0, 2, 1) @ part + base
        diagonal = np.arange(features.shape[1])
        left[:, diagonal, diagonal] += penalties[rows]
        right = part.transpose(0, 2, 1) @ (goals[at] * there)[..., None]
        found[rows] = np.linalg.solve(left, right)[..., 0]
    return found


def _batches(lengths: NDArray[np.int32], k: int) -> Iterator[NDArray[np.int64]]:
    """Rows with entries by length; a batch fits the memory and wastes little of it."""
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    sorted_lengths = lengths[order]
    start = 0
    while start < len(order):
        longest = max(sorted_lengths[start] * WASTE, sorted_lengths[start] + 4)
        end = int(np.searchsorted(sorted_lengths, longest, side="right"))
        room = max(1, int(CELLS // (sorted_lengths[end - 1] * k)))
        end = min(end, start + room)
        yield order[start:end]
        start = end

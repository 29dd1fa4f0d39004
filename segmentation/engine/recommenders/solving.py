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
    for rows, at, there in _batches(weights, features.shape[1]):
        part = features[weights.indices[at]]
        left = _left(part, weights.data[at] * there, penalties[rows], base)
        right = part.transpose(0, 2, 1) @ (goals[at] * there)[..., None]
        found[rows] = np.linalg.solve(left, right)[..., 0]
    return found


def solved(
    weights: sparse.csr_matrix,
    right: NDArray[np.float64],
    features: NDArray[np.float64],
    penalties: NDArray[np.float64],
    base: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:
    """The same with given right sides (rows x k)."""
    found = np.zeros((weights.shape[0], features.shape[1]))
    for rows, at, there in _batches(weights, features.shape[1]):
        part = features[weights.indices[at]]
        left = _left(part, weights.data[at] * there, penalties[rows], base)
        found[rows] = np.linalg.solve(left, right[rows][..., None])[..., 0]
    return found


def _left(
    part: NDArray[np.float64],
    weights: NDArray[np.float64],
    penalties: NDArray[np.float64],
    base: NDArray[np.float64] | float,
) -> NDArray[np.float64]:
    left: NDArray[np.float64] = (part * weights[..., None]).transpose(0, 2, 1) @ part
    left += base
    diagonal = np.arange(part.shape[2])
    left[:, diagonal, diagonal] += penalties
    return left


def _batches(
    weights: sparse.csr_matrix, k: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
    """Rows of like length, the places of their entries (rows x longest), which are."""
    lengths = np.diff(weights.indptr)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    sorted_lengths = lengths[order]
    start = 0
    while start < len(order):
        longest = max(sorted_lengths[start] * WASTE, sorted_lengths[start] + 4)
        end = int(np.searchsorted(sorted_lengths, longest, side="right"))
        room = max(1, int(CELLS // (sorted_lengths[end - 1] * k)))
        end = min(end, start + room)
        rows = order[start:end]
        place = np.arange(sorted_lengths[end - 1])
        there = place < lengths[rows, None]
        yield rows, np.where(there, weights.indptr[rows, None] + place, 0), there
        start = end

"""TopN and the exact choice of the n best of each row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class TopN(NamedTuple):
    """Best first: items int32 B x n and scores float32 B x n; -1 and 0 fill up."""

    items: NDArray[np.int32]
    scores: NDArray[np.float32]


def empty(n_rows: int, n: int) -> TopN:
    """Lists with nothing in them."""
    return TopN(
        np.full((n_rows, n), -1, np.int32), np.zeros((n_rows, n), dtype=np.float32)
    )


def best(scores: NDArray[np.float32], n: int) -> TopN:
    """The n highest of each row; -inf is no candidate, ties go to the lower item.

    np.argpartition would break ties at the border by chance of memory layout.
    """
    n_rows, n_items = scores.shape
    candidates = scores > -np.inf
    if n < n_items:
        border = np.partition(scores, n_items - n, axis=1)[:, n_items - n]
        candidates &= scores >= border[:, None]
    rows, items = np.nonzero(candidates)
    values = scores[rows, items]
    order = np.lexsort((items, -values, rows))
    return pack(rows[order], items[order], values[order], n_rows, n)


def pack(
    rows: NDArray[Any],
    items: NDArray[Any],
    scores: NDArray[Any],
    n_rows: int,
    n: int,
) -> TopN:
    """Lists from triples that are ordered by row and, within it, best first."""
    counts = np.bincount(rows, minlength=n_rows)
    rank = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    keep = rank < n
    top = empty(n_rows, n)
    top.items[rows[keep], rank[keep]] = items[keep]
    top.scores[rows[keep], rank[keep]] = scores[keep]
    return top


def spread(
    indptr: NDArray[Any], rows: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """CSR entries of some rows: (position in `rows` of each, place of each in data)."""
    lengths = indptr[rows + 1] - indptr[rows]
    owner = np.repeat(np.arange(len(rows)), lengths)
    offset = np.arange(len(owner)) - (np.cumsum(lengths) - lengths)[owner]
    return owner, indptr[rows][owner] + offset

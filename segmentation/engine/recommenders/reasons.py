"""Reasons: the items of a history that speak for a recommended item."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine.recommenders import topn


class Reasons(NamedTuple):
    """Strongest first: item rows int32 B x m (-1 fills up) and shares float32 B x m.

    A share is of all that speaks for the item; what speaks against it is left out.
    """

    items: NDArray[np.int32]
    shares: NDArray[np.float32]


def largest(
    contributions: sparse.csr_matrix, at: NDArray[Any], n_rows: int, m: int
) -> Reasons:
    """The m largest of each row, row i of the contributions being `at[i]` of n_rows."""
    parts = contributions.tocsr()
    owner = np.repeat(np.arange(parts.shape[0]), np.diff(parts.indptr))
    for_it = parts.data > 0
    owner, items, values = owner[for_it], parts.indices[for_it], parts.data[for_it]
    total = np.bincount(owner, values, minlength=parts.shape[0])
    order = np.lexsort((items, -values, owner))
    owner, items = owner[order], items[order]
    shares = values[order] / total[owner]
    return Reasons(*topn.pack(at[owner], items, shares, n_rows, m))

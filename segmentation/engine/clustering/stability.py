"""Stability: whether the same clusters come back from other customers of the shop.

Each number of clusters is refitted on bootstrap samples; how far two divisions of the
same customers agree is their adjusted Rand index (Hubert & Arabie 1985): 1 the same, 0
as alike as chance makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from sklearn.metrics import adjusted_rand_score

from segmentation.engine.clustering import sampling
from segmentation.engine.clustering.base import Labels, Vectors

ROUNDS: Final = 5
ROWS: Final = 2_000  # of a bootstrap sample, and of those whose labels are compared
STABLE: Final = 0.75  # below, other customers would have given other segments
ALIKE: Final = 0.02  # so much less than the best is as good

# Divides rows into each number of clusters; answers how other rows are assigned.
Divide = Callable[[Vectors, Sequence[int]], list[Callable[[Vectors], Labels]]]


def agreements(
    rows: Vectors,
    ks: Sequence[int],
    labelings: Sequence[Labels],
    divide: Divide,
    seed: int,
) -> list[float]:
    """Return for each k the mean agreement of refits with the division of all rows."""
    judged = sampling.drawn(len(rows), ROWS, seed)
    found = np.empty((ROUNDS, len(ks)))
    for number in range(ROUNDS):
        rng = np.random.default_rng([seed, number])
        other = rows[rng.integers(0, len(rows), min(len(rows), ROWS))]
        refits = divide(other, ks)
        found[number] = [
            adjusted_rand_score(labels[judged], assign(rows[judged]))
            for labels, assign in zip(labelings, refits, strict=True)
        ]
    return [float(value) for value in found.mean(axis=0)]


def vote(ks: Sequence[int], agreements: Sequence[float]) -> int | None:
    """Return the largest k that comes back as well as the best; None if none does."""
    best = max(agreements)
    if best < STABLE:
        return None
    pairs = zip(ks, agreements, strict=True)
    return max(k for k, agreement in pairs if agreement >= best - ALIKE)

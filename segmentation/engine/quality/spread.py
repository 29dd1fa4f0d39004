"""How events spread over customers and items: sparsity, the long tail, who is cold."""

from __future__ import annotations

from typing import Any

import numpy as np

from segmentation.engine.quality import robust
from segmentation.engine.quality.log import Floats, Log

# Events that a customer or item has, as the bars of a figure; the last is open.
BOUNDS = (0, 1, 2, 3, 5, 10, 20, 50, 100)


def sparsity(log: Log, n_customers: int, n_items: int) -> dict[str, Any]:
    """The customer x item matrix: how many of its cells hold anything."""
    n_pairs = int(log.pair.max(initial=-1)) + 1
    cells = n_customers * n_items
    return {
        "customers": n_customers,
        "items": n_items,
        "pairs": n_pairs,
        "density": n_pairs / cells if cells else 0.0,
    }


def tail(counts: Floats) -> dict[str, Any]:
    """How unequal events are spread: Lorenz curve, Gini, share of the top 1 %."""
    holders, have = robust.lorenz(counts)
    half = np.searchsorted(np.cumsum(np.sort(counts)[::-1]), counts.sum() / 2) + 1
    return {
        "gini": robust.gini(counts),
        "top_share": robust.share_of_top(counts),
        "half_by": int(half) if counts.sum() else 0,
        "n": len(counts),
        "holders": holders.round(4).tolist(),
        "have": have.round(4).tolist(),
    }


def coldness(counts: Floats) -> dict[str, Any]:
    """How many have how many events; ``counts`` holds zeros for those never seen."""
    edges = np.array([*BOUNDS, np.inf])
    bars = np.histogram(counts, edges)[0]
    n = max(len(counts), 1)
    return {
        "n": len(counts),
        "never": int((counts == 0).sum()),
        "fewer_than_5": int((counts < 5).sum()),
        "share_fewer_than_5": float((counts < 5).sum() / n),
        "bounds": list(BOUNDS),
        "bars": bars.tolist(),
    }

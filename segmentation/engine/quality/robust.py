"""Measures that a few wild values cannot bend."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LIMIT = 3.5  # Iglewicz & Hoaglin 1993: beyond it a value is an outlier


def modified_z(values: ArrayLike, among: ArrayLike | None = None) -> Floats:
    """How far each value lies from the median, in robust standard deviations.

    0.6745 (x - median) / MAD (Iglewicz & Hoaglin 1993, How to Detect and Handle
    Outliers). Where more than half of the values are equal the MAD is 0, and the mean
    distance takes its place. ``among`` are the values that say what is usual. NaN is
    nothing unusual: 0.
    """
    values = np.asarray(values, np.float64)
    base = values if among is None else np.asarray(among, np.float64)
    base = base[np.isfinite(base)]
    if not base.size:
        return np.zeros(values.shape)
    middle = np.median(base)
    distance = np.abs(base - middle)
    spread = np.median(distance) / 0.6745 or np.mean(distance) * 1.253314
    if not spread:
        return np.zeros(values.shape)
    return np.nan_to_num((values - middle) / spread, nan=0.0)


def lorenz(counts: ArrayLike, n_points: int = 51) -> tuple[Floats, Floats]:
    """Share of all that the smallest holders have together: (share of holders, share).

    Both begin at 0 and end at 1; a straight line is equality.
    """
    ranked = np.sort(np.asarray(counts, np.float64))
    total = ranked.sum()
    holders = np.linspace(0, 1, n_points)
    if not total:
        return holders, holders
    have = np.concatenate([[0.0], np.cumsum(ranked)]) / total
    return holders, np.interp(holders, np.linspace(0, 1, len(have)), have)


def gini(counts: ArrayLike) -> float:
    """0 where all have the same, near 1 where one has all."""
    ranked = np.sort(np.asarray(counts, np.float64))
    n, total = len(ranked), ranked.sum()
    if not total:
        return 0.0
    weighted = (np.arange(1, n + 1) * ranked).sum()
    return float(2 * weighted / (n * total) - (n + 1) / n)


def share_of_top(counts: ArrayLike, top: float = 0.01) -> float:
    """Share that the largest holders have, at least one holder."""
    ranked = np.sort(np.asarray(counts, np.float64))[::-1]
    total = ranked.sum()
    n_top = max(round(len(ranked) * top), 1)
    return float(ranked[:n_top].sum() / total) if total else 0.0

"""Guards around a verdict: did the draw hold, and how many verdicts were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as distributions
from statsmodels.stats.multitest import multipletests

SRM_ALPHA: Final = 0.001
# Below this many expected people in an arm, chi-squared is not to be trusted.
SRM_EXPECTED: Final = 5


@dataclass(frozen=True)
class SRM:
    """Whether people fell into the arms as they were meant to."""

    p_value: float
    alarm: bool
    observed: tuple[int, ...]
    expected: tuple[float, ...]


def srm(observed: Sequence[int], expected: Sequence[float]) -> SRM:
    """Return the sample-ratio check of people per arm against their shares.

    Chi-squared; alarm at p < 0.001, and never while an arm expects fewer than five.
    ValueError if the two do not fit together.
    """
    counts, shares = np.asarray(observed, float), np.asarray(expected, float)
    if counts.shape != shares.shape or counts.ndim != 1 or not counts.size:
        raise ValueError("Give one observed count and one expected share per arm.")
    if (counts < 0).any() or (shares < 0).any() or not shares.sum() > 0:
        raise ValueError("Counts and shares cannot be negative, nor all shares 0.")
    wanted = counts.sum() * shares / shares.sum()
    possible = shares > 0
    p = 1.0
    if counts[~possible].any():  # somebody is in an arm that takes nobody
        p = 0.0
    elif counts.sum() and possible.sum() > 1:
        p = float(distributions.chisquare(counts[possible], wanted[possible]).pvalue)
    alarm = p == 0.0 or (p < SRM_ALPHA and wanted[possible].min() >= SRM_EXPECTED)
    return SRM(p, bool(alarm), tuple(map(int, counts)), tuple(map(float, wanted)))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted so that one false alarm among all stays rare (Holm)."""
    return _adjusted(p_values, "holm")


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted for the share of false alarms among the found ones."""
    return _adjusted(p_values, "fdr_bh")


def _adjusted(p_values: ArrayLike, method: str) -> NDArray[np.float64]:
    p = np.asarray(p_values, dtype=np.float64)
    return np.asarray(multipletests(p, method=method)[1]) if p.size else p

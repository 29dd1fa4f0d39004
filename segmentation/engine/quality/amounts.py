"""Prices and quantities out of range, found in the same memory however many."""

from __future__ import annotations

from typing import Any

import numpy as np

from segmentation.engine.quality import robust
from segmentation.engine.quality.log import Floats


class Amounts:
    """A histogram of logarithms, a hundredth of a decade wide: its median and MAD are
    right to about 1 % and take no memory per row."""

    LOW, HIGH, PER_DECADE = -6, 12, 200

    def __init__(self) -> None:
        self._n_negative = 0
        self._n_zero = 0
        self._bars = np.zeros((self.HIGH - self.LOW) * self.PER_DECADE, np.int64)

    def add(self, values: Floats) -> None:
        self._n_negative += int((values < 0).sum())
        self._n_zero += int((values == 0).sum())
        logs = np.log10(values[values > 0])
        place = np.floor((logs - self.LOW) * self.PER_DECADE).astype(np.int64)
        place = place.clip(0, len(self._bars) - 1)
        self._bars += np.bincount(place, minlength=len(self._bars))

    def report(self) -> dict[str, Any]:
        report = {"negative": self._n_negative, "zero": self._n_zero}
        n = self._bars.sum()
        if not n:
            return report
        logs = self.LOW + (np.arange(len(self._bars)) + 0.5) / self.PER_DECADE
        middle = _median(logs, self._bars)
        distance = np.abs(logs - middle)
        order = np.argsort(distance, kind="stable")
        mad = _median(distance[order], self._bars[order])
        mean = float((distance * self._bars).sum() / n)
        # Half a bar is what the histogram cannot tell from nothing.
        spread = mad / 0.6745 if mad > 1 / self.PER_DECADE else mean * 1.253314
        reach = max(robust.LIMIT * spread, 1 / self.PER_DECADE)
        low, high = logs < middle - reach, logs > middle + reach
        return report | {
            "median": _round(10**middle),
            "usual_low": _round(10 ** (middle - reach)),
            "usual_high": _round(10 ** (middle + reach)),
            "below": int(self._bars[low].sum()),
            "above": int(self._bars[high].sum()),
        }


def _median(values: Floats, weights: Any) -> float:
    """The value in the middle of sorted values that occur so many times."""
    heaped = np.cumsum(weights)
    return float(values[np.searchsorted(heaped, heaped[-1] / 2)])


def _round(value: float) -> float:
    """Three digits: more would say what the histogram does not know."""
    return float(f"{value:.3g}")

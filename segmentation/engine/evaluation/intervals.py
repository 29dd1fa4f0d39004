"""Means with their doubt: the percentile bootstrap over users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 1000
MANY = 20_000  # users, from which on a mean is as good as normally distributed
NORMAL_95 = 1.959964
BLOCK_CELLS = 1 << 23


class Interval(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def bootstrap(
    values: NDArray[np.float64], *, seed: int, n_resamples: int = N_RESAMPLES
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % percentile interval of each column's mean, resampling the rows (users).

    Of many rows it is the normal interval, which is the limit of the percentiles and
    takes no draws.
    """
    if len(values) >= MANY:
        mean, error = values.mean(axis=0), values.std(axis=0) / np.sqrt(len(values))
        return mean - NORMAL_95 * error, mean + NORMAL_95 * error
    means = np.concatenate(
        [weights @ values for weights in resamples(len(values), seed, n_resamples)]
    )
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def drawn_means(values: NDArray[np.float64], *, seed: int) -> NDArray[np.float64]:
    """Means of N_RESAMPLES draws of the values, of many from their normal limit."""
    if len(values) >= MANY:
        error = values.std() / np.sqrt(len(values))
        return np.random.default_rng(seed).normal(values.mean(), error, N_RESAMPLES)
    blocks = resamples(len(values), seed, N_RESAMPLES)
    return np.concatenate([weights @ values for weights in blocks])


def paired(
    first: NDArray[np.float64], second: NDArray[np.float64], *, seed: int = 0
) -> Interval:
    """How much larger `second` is, the same user in the same place of both."""
    gain = second - first
    low, high = bootstrap(gain[:, None], seed=seed)
    return Interval(float(gain.mean()), float(low[0]), float(high[0]))


def resamples(n: int, seed: int, n_resamples: int) -> Iterator[NDArray[np.float64]]:
    """Blocks (resamples x n) of how often each user is drawn, over n."""
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK_CELLS // n)
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        draws = rng.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        counts = np.bincount(draws.ravel(), minlength=size * n).reshape(size, n)
        yield counts / n

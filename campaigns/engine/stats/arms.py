"""The people of one arm as three numbers, and what was known of them before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Arm:
    """People of one arm: how many, their mean outcome, its sample variance."""

    n: int
    mean: float
    variance: float
    successes: int | None = None

    @classmethod
    def proportion(cls, successes: int, n: int) -> Arm:
        """Return the arm of a yes/no outcome; ValueError unless 0 <= successes <= n."""
        if not 0 <= successes <= n:
            raise ValueError(f"{successes} successes among {n} people is impossible.")
        rate = successes / n if n else 0.0
        variance = rate * (1 - rate) * n / (n - 1) if n > 1 else 0.0
        return cls(int(n), rate, variance, int(successes))

    @classmethod
    def of(cls, values: ArrayLike) -> Arm:
        """Return the arm of one outcome per person; ValueError if one is not finite."""
        y = np.asarray(values, dtype=np.float64).ravel()
        if not np.isfinite(y).all():
            raise ValueError("An outcome is missing or infinite.")
        mean = float(y.mean()) if y.size else 0.0
        return cls(y.size, mean, float(y.var(ddof=1)) if y.size > 1 else 0.0)


@dataclass(frozen=True)
class Cuped:
    """Both arms after what was known before is taken out."""

    control: Arm
    treatment: Arm
    theta: float
    variance_removed: float


def cuped(
    y_control: ArrayLike,
    x_control: ArrayLike,
    y_treatment: ArrayLike,
    x_treatment: ArrayLike,
) -> Cuped:
    """Return arms adjusted by a covariate `x` from before (Deng et al. 2013, eq. 4).

    One slope for both arms, from deviations within each, so that the effect itself
    does not bend it. ValueError where y and x do not pair up.
    """
    ys = [np.asarray(y, np.float64).ravel() for y in (y_control, y_treatment)]
    xs = [np.asarray(x, np.float64).ravel() for x in (x_control, x_treatment)]
    if any(y.shape != x.shape for y, x in zip(ys, xs, strict=True)):
        raise ValueError("Every person needs an outcome and a value from before.")
    if not all(y.size for y in ys):
        return Cuped(Arm.of(ys[0]), Arm.of(ys[1]), 0.0, 0.0)
    dx = np.concatenate([x - x.mean() for x in xs])
    dy = np.concatenate([y - y.mean() for y in ys])
    spread = float(dx @ dx)
    theta = float(dx @ dy) / spread if spread > 0 else 0.0
    centre = float(np.concatenate(xs).mean())
    arms = [Arm.of(y - theta * (x - centre)) for y, x in zip(ys, xs, strict=True)]
    total = float(dy @ dy)
    removed = theta**2 * spread / total if total > 0 else 0.0
    return Cuped(arms[0], arms[1], theta, removed)

"""How far an interval reaches, and how many people it takes to see an effect."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, log, sqrt
from typing import Final

import numpy as np
from scipy import optimize
from scipy import stats as distributions
from statsmodels.stats import proportion

from campaigns.engine.stats.arms import Arm

POWER: Final = 0.8


def standard_error(control: Arm, treatment: Arm) -> float:
    return sqrt(control.variance / control.n + treatment.variance / treatment.n)


def welch_df(control: Arm, treatment: Arm) -> float:
    c, t = control.variance / control.n, treatment.variance / treatment.n
    return (c + t) ** 2 / (c**2 / (control.n - 1) + t**2 / (treatment.n - 1))


def critical(
    control: Arm, treatment: Arm, alpha: float, sequential: int | None
) -> float:
    """Return how many standard errors the interval reaches to each side."""
    if sequential is None:
        df = welch_df(control, treatment)
        return float(distributions.t.ppf(1 - alpha / 2, df))
    n = control.n + treatment.n
    nr2 = n * rho(alpha, sequential) ** 2
    return sqrt(2 * (nr2 + 1) / nr2 * log(sqrt(nr2 + 1) / alpha))


def rho(alpha: float, sequential: int) -> float:
    """Return the mixture's scale that is tightest at n = sequential (appendix B.2)."""
    if sequential < 1:
        raise ValueError("sequential is a number of people, at least 1.")
    edge = -2 * log(alpha)
    return sqrt((edge + log(edge + 1)) / sequential)


def smallest_detectable(
    control: Arm, treatment: Arm, alpha: float, sequential: int | None
) -> float | None:
    """Return the increase these arms would have found with a power of 80 %.

    Of means, an increase that leaves the spread as it is: if more people buy, it grows.
    """
    quantile = distributions.norm.ppf(POWER)
    both_binary = control.successes is not None and treatment.successes is not None
    if not both_binary or sequential is not None:
        error = standard_error(control, treatment)
        reach = critical(control, treatment, alpha, sequential)
        return float((reach + quantile) * error) or None
    room = 1 - control.mean

    def missing(effect: float) -> float:
        return _power(control.mean, effect, (control.n, treatment.n), alpha) - POWER

    if room <= 0 or missing(room * (1 - 1e-9)) < 0:
        return None
    return float(optimize.brentq(missing, room * 1e-9, room * (1 - 1e-9), xtol=1e-12))


def _power(rate: float, effect: float, sizes: tuple[int, int], alpha: float) -> float:
    """Return the power of the two-sided score test of `rate` against rate + effect."""
    n_control, n_treatment = sizes
    power = proportion.power_proportions_2indep(
        effect,
        rate,
        n_treatment,
        ratio=n_control / n_treatment,
        alpha=alpha,
        return_results=False,
    )
    return float(power)


@dataclass(frozen=True)
class SampleSize:
    """People needed per arm."""

    control: int
    treatment: int

    @property
    def total(self) -> int:
        return self.control + self.treatment


def sample_size(
    baseline: float,
    effect: float,
    *,
    power: float = POWER,
    alpha: float = 0.05,
    share: float = 0.5,
    variance: float | None = None,
) -> SampleSize:
    """Return the people needed to see an absolute `effect` on a `baseline`.

    A proportion unless `variance`, that of the outcome per person, is given;
    `share` of the people are treated. ValueError for what no number of people shows.
    """
    if not effect or not 0 < share < 1:
        raise ValueError("The effect must not be 0, and the share between 0 and 1.")
    ratio = (1 - share) / share
    if variance is None:
        if not (0 <= baseline <= 1 and 0 <= baseline + effect <= 1):
            raise ValueError("Baseline and baseline + effect must be within 0 and 1.")
        treated = proportion.samplesize_proportions_2indep_onetail(
            effect, baseline, power, ratio=ratio, alpha=alpha, alternative="two-sided"
        )
    else:
        z = distributions.norm.ppf([1 - alpha / 2, power]).sum()
        treated = variance * (1 + 1 / ratio) * (z / effect) ** 2
    if not isfinite(treated):
        raise ValueError("No number of people can show this effect.")
    return SampleSize(int(np.ceil(treated * ratio)), int(np.ceil(treated)))

"""What the treatment changed: two arms in, one difference with its doubt out."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt
from typing import Any, Literal

import numpy as np
from scipy import stats as distributions
from statsmodels.stats import proportion

from campaigns.engine.stats.arms import Arm
from campaigns.engine.stats.power import (
    critical,
    rho,
    smallest_detectable,
    standard_error,
    welch_df,
)

Verdict = Literal["helped", "hurt", "cannot tell"]
# Fixed words: the pages say them in the reader's language.
Reason = Literal["", "one_arm", "no_people", "too_few", "no_variance", "covers_zero"]
Limits = tuple[float, float]


@dataclass(frozen=True)
class Lift:
    """Treatment minus control; None where the arms cannot say, `reason` says why.

    `relative*` are shares of the control's mean (0.1 is +10 %); the smallest
    detectable effects are those these arms would have shown four times in five.
    """

    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    smallest_detectable: float | None = None
    smallest_detectable_relative: float | None = None
    verdict: Verdict = "cannot tell"
    reason: Reason = ""
    alpha: float = 0.05
    sequential: bool = False


def compare(
    control: Arm | None,
    treatment: Arm | None,
    *,
    alpha: float = 0.05,
    relative: bool = True,
    sequential: int | None = None,
) -> Lift:
    """Return the lift of treatment over control with its 1 - alpha interval.

    Two proportions: Newcombe's interval (1998, method 10) and the score test; means:
    Welch. The ratio comes from the same limits (Donner & Zou 2012; for means this
    is Fieller), so that it excludes 1 exactly where the difference excludes 0.
    `sequential`, the number of people at which the interval shall be tightest, gives
    an asymptotic confidence sequence that may be looked at every day
    (Waudby-Smith et al. 2021, theorem 2.2).
    """
    shown: dict[str, Any] = {"alpha": alpha, "sequential": sequential is not None}
    reason = _why_not(control, treatment, counted=sequential is None)
    if control is None or treatment is None or reason:
        return Lift(_difference(control, treatment), reason=reason, **shown)
    if sequential is None and _both_counted(control, treatment):
        at, ends, p = _newcombe(control, treatment, alpha)
    else:
        at, ends, p = _normal(control, treatment, alpha, sequential)
    low, high = _difference_limits(treatment.mean, control.mean, at, ends)
    base = control.mean if relative and control.mean > 0 else None
    ratio = _ratio_limits(treatment.mean, control.mean, at, ends) if base else None
    smallest = smallest_detectable(control, treatment, alpha, sequential)
    # Newcombe and the score test differ by a hair at the border: ask for both.
    clear = p < alpha and (low > 0 or high < 0)
    return Lift(
        difference=treatment.mean - control.mean,
        low=low,
        high=high,
        p_value=p,
        relative=treatment.mean / base - 1 if base else None,
        relative_low=ratio[0] - 1 if ratio else None,
        relative_high=ratio[1] - 1 if ratio else None,
        smallest_detectable=smallest,
        smallest_detectable_relative=smallest / base if smallest and base else None,
        verdict=("helped" if low > 0 else "hurt") if clear else "cannot tell",
        reason="" if clear else _reason(control, treatment),
        **shown,
    )


def _both_counted(control: Arm, treatment: Arm) -> bool:
    return control.successes is not None and treatment.successes is not None


def _why_not(control: Arm | None, treatment: Arm | None, *, counted: bool) -> Reason:
    """Return why two arms cannot be compared at all, or ''.

    `counted`: two proportions are judged by their counts, which need no variance.
    """
    if control is None or treatment is None:
        return "one_arm"
    fewest = min(control.n, treatment.n)
    if fewest < 1:
        return "no_people"
    if counted and _both_counted(control, treatment):
        return ""
    if fewest < 2:
        return "too_few"
    return "" if max(control.variance, treatment.variance) > 0 else "no_variance"


def _difference(control: Arm | None, treatment: Arm | None) -> float | None:
    """Return the difference that was seen, if anything was seen in both arms."""
    if control and treatment and control.n and treatment.n:
        return treatment.mean - control.mean
    return None


def _reason(control: Arm, treatment: Arm) -> Reason:
    return "covers_zero" if max(control.variance, treatment.variance) else "no_variance"


def _newcombe(
    control: Arm, treatment: Arm, alpha: float
) -> tuple[Limits, Limits, float]:
    """Return Wilson's limits of each arm (treatment, control) and the score p-value."""
    counts = [(arm.successes or 0, arm.n) for arm in (treatment, control)]
    pairs = [
        proportion.proportion_confint(x, n, alpha, method="wilson") for x, n in counts
    ]
    # Rounding may leave the lowest limit a hair below 0.
    ends = [(max(0.0, float(low)), min(1.0, float(high))) for low, high in pairs]
    (x1, n1), (x2, n2) = counts
    if x1 + x2 in (0, n1 + n2):  # everybody did the same: the test is 0/0
        return ends[0], ends[1], 1.0
    _, p = proportion.proportions_ztest([x1, x2], [n1, n2])
    return ends[0], ends[1], float(p)


def _normal(
    control: Arm, treatment: Arm, alpha: float, sequential: int | None
) -> tuple[Limits, Limits, float]:
    """Return symmetric limits of each arm (treatment, control) and the p-value."""
    error = standard_error(control, treatment)  # > 0, or _why_not had said so
    reach = critical(control, treatment, alpha, sequential)
    t = (treatment.mean - control.mean) / error
    if sequential is None:
        p = 2 * distributions.t.sf(abs(t), welch_df(control, treatment))
    else:
        n = control.n + treatment.n
        p = _always_valid_p(t, n, rho(alpha, sequential))
    limits = []
    for arm in (treatment, control):
        margin = reach * sqrt(arm.variance / arm.n)
        limits.append((arm.mean - margin, arm.mean + margin))
    return limits[0], limits[1], float(p)


def _always_valid_p(t: float, n: int, rho: float) -> float:
    """Return the p-value that stays valid however often it is looked at."""
    nr2 = n * rho**2
    return min(1.0, sqrt(nr2 + 1) * exp(-(nr2 * t**2) / (2 * (nr2 + 1))))


def _difference_limits(t: float, c: float, at: Limits, ends: Limits) -> Limits:
    """Return limits of t - c from the limits of each (MOVER; Newcombe's method 10)."""
    low = t - c - sqrt((t - at[0]) ** 2 + (ends[1] - c) ** 2)
    return low, t - c + sqrt((at[1] - t) ** 2 + (c - ends[0]) ** 2)


def _ratio_limits(t: float, c: float, at: Limits, ends: Limits) -> Limits | None:
    """Return limits of t / c: where those of t - R c are 0 (Donner & Zou 2012).

    None where the control is too close to 0 to divide by.
    """
    if ends[0] <= 0:
        return None
    b = t * c
    shrink, rest = c**2 - (ends[1] - c) ** 2, t**2 - (t - at[0]) ** 2
    root = sqrt(max(0.0, b**2 - shrink * rest))
    # The same root of the quadratic twice: each form loses digits where b changes sign.
    low = rest / (b + root) if b > 0 else (b - root) / shrink if root else 0.0
    grow, rest = c**2 - (c - ends[0]) ** 2, t**2 - (at[1] - t) ** 2
    return low, (b + sqrt(max(0.0, b**2 - grow * rest))) / grow


def chance_to_win(control: Arm, treatment: Arm) -> float | None:
    """Return the posterior probability that treatment beats control, flat priors.

    Proportions: Beta(1, 1); means: normal. None where there is nothing to go by.
    """
    if control.successes is not None and treatment.successes is not None:
        u = (np.arange(4096) + 0.5) / 4096  # quantiles of the treatment's posterior
        posteriors = [
            distributions.beta(1 + arm.successes, 1 + arm.n - arm.successes)
            for arm in (control, treatment)
            if arm.successes is not None
        ]
        return float(posteriors[0].cdf(posteriors[1].ppf(u)).mean())
    if _why_not(control, treatment, counted=False):
        return None
    error = standard_error(control, treatment)
    return float(distributions.norm.cdf((treatment.mean - control.mean) / error))

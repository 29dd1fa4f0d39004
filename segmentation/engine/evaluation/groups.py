"""Service by group: a metric for each group of users, and the gap between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.evaluation.intervals import (
    Interval,
    drawn_means,
)
from segmentation.engine.evaluation.ranking import Result


@dataclass(frozen=True)
class Service:
    """A metric by group, and how much the best served is ahead of the worst."""

    metric: str
    groups: dict[str, Interval]
    sizes: dict[str, int]
    too_small: dict[str, int]  # groups of whom nothing can be said
    best: str
    worst: str
    gap: Interval

    def as_dict(self) -> dict[str, Any]:
        """The numbers for JSON."""
        return {
            "metric": self.metric,
            "groups": {
                name: {"n": self.sizes[name], **value._asdict()}
                for name, value in self.groups.items()
            },
            "too_small": self.too_small,
            "gap": {"best": self.best, "worst": self.worst, **self.gap._asdict()},
        }


class TooFewGroups(ValueError):
    """There are no two groups that are large enough to compare."""


def service(
    result: Result,
    labels: Sequence[str] | NDArray[Any],
    *,
    metric: str = "ndcg",
    min_size: int = 30,
    seed: int = 0,
) -> Service:
    """The metric by group; `labels` say the group of every user row of the training.

    The gap is between the groups with the largest and smallest mean. In its interval
    users are drawn within their groups and the two ends are looked for in each draw
    anew, less what chance alone makes of it: groups that are served alike have a gap
    whose interval reaches 0.
    """
    values = result.per_user[metric]
    names, code = np.unique(
        np.asarray(labels, dtype=str)[result.user_rows], return_inverse=True
    )
    counts = np.bincount(code, minlength=len(names))
    large = np.flatnonzero(counts >= min_size)
    if len(large) < 2:
        raise TooFewGroups(f"There are no two groups of at least {min_size} users.")
    parts = {str(names[at]): values[code == at] for at in large}
    drawn = [
        drawn_means(part, seed=seed + at) for at, part in enumerate(parts.values())
    ]
    groups = {
        name: _interval(part, means)
        for (name, part), means in zip(parts.items(), drawn, strict=True)
    }
    best = max(groups, key=lambda name: groups[name].mean)
    worst = min(groups, key=lambda name: groups[name].mean)
    return Service(
        metric=metric,
        groups=groups,
        sizes={name: len(part) for name, part in parts.items()},
        too_small={
            str(names[at]): int(counts[at]) for at in np.flatnonzero(counts < min_size)
        },
        best=best,
        worst=worst,
        gap=_gap(list(parts.values()), drawn),
    )


def _interval(values: NDArray[np.float64], means: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def _gap(
    parts: list[NDArray[np.float64]], drawn_by_part: list[NDArray[np.float64]]
) -> Interval:
    """Range of the means; drawn ranges are too wide by what chance adds, on average."""
    means = np.array([part.mean() for part in parts])
    drawn = np.column_stack(drawn_by_part)
    observed = means.max() - means.min()
    by_chance = np.ptp(drawn - means, axis=1)  # all alike: what would be seen
    ranges = np.ptp(drawn, axis=1)
    low = np.percentile(ranges, 2.5) - by_chance.mean()
    high = np.percentile(ranges, 97.5)
    if observed <= np.percentile(by_chance, 95):
        low = 0.0
    return Interval(float(observed), float(max(low, 0.0)), float(max(high, observed)))

"""Fit, choose, judge: leak-free splits, full-catalogue ranking, ratings, intervals."""

from segmentation.engine.evaluation.intervals import Interval, bootstrap, paired
from segmentation.engine.evaluation.ranking import (
    METRICS,
    TASKS,
    Holdout,
    NoTargets,
    NotPaired,
    Ranker,
    Result,
    difference,
    evaluate,
    truth,
)
from segmentation.engine.evaluation.ratings import rating_errors
from segmentation.engine.evaluation.splits import (
    Split,
    k_fold,
    leave_last_out,
    temporal_split,
)

__all__ = [
    "METRICS",
    "TASKS",
    "Holdout",
    "Interval",
    "NoTargets",
    "NotPaired",
    "Ranker",
    "Result",
    "Split",
    "bootstrap",
    "difference",
    "evaluate",
    "k_fold",
    "leave_last_out",
    "paired",
    "rating_errors",
    "temporal_split",
    "truth",
]

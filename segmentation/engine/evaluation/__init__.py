"""Fit, choose, judge: leak-free splits, full-catalogue ranking, ratings, intervals."""

from segmentation.engine.evaluation.exposure import (
    Exposure,
    diversity,
    exposure,
    gini,
    mean_of,
    novelty,
)
from segmentation.engine.evaluation.groups import Service, TooFewGroups, service
from segmentation.engine.evaluation.intervals import Interval, bootstrap, paired
from segmentation.engine.evaluation.ranking import (
    METRICS,
    TASKS,
    Holdout,
    NoTargets,
    NotPaired,
    Ranker,
    Result,
    cell_hits,
    difference,
    evaluate,
    ideal_gain,
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
    "Exposure",
    "Holdout",
    "Interval",
    "NoTargets",
    "NotPaired",
    "Ranker",
    "Result",
    "Service",
    "TooFewGroups",
    "Split",
    "bootstrap",
    "cell_hits",
    "difference",
    "diversity",
    "evaluate",
    "exposure",
    "gini",
    "ideal_gain",
    "k_fold",
    "leave_last_out",
    "mean_of",
    "novelty",
    "paired",
    "rating_errors",
    "service",
    "temporal_split",
    "truth",
]

"""How good a run is, on the part of the data that nothing was chosen on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from segmentation.engine import evaluation, recommenders
from segmentation.engine.interactions import Interactions
from segmentation.services.training.loading import Data

DIVERSITY_LISTS = 2000  # their pairs are compared by who took them: enough for a mean
MOST_GROUPS = 12
FEWEST = 30  # customers, of whom something can be said


def judge(
    model: recommenders.base.Recommender, data: Data, purpose_task: str
) -> tuple[dict[str, evaluation.Result], dict[str, Any]]:
    """The results of each task, and all that is to be told of them.

    NoTargets where nobody can be judged by the purpose's own task.
    """
    results = evaluate(model, data, purpose_task)
    told: dict[str, Any] = {
        task: result.as_dict() | beyond_accuracy(result, data.train)
        for task, result in results.items()
    }
    told["groups"] = {
        task: groups(result, data.user_labels) for task, result in results.items()
    }
    told["exposure"] = {
        task: exposure(result, data.item_labels, data.train)
        for task, result in results.items()
    }
    return results, told


def evaluate(
    model: recommenders.base.Recommender, data: Data, must: str = ""
) -> dict[str, evaluation.Result]:
    """The results of the tasks that a model can be judged on."""
    tasks = evaluation.TASKS if model.recommends_new else ("again",)
    results = {}
    for task in tasks:
        try:
            results[task] = evaluation.evaluate(
                model, data.train, data.test_truth, task=task
            )
        except evaluation.NoTargets:
            if task == must:
                raise
    return results


def beyond_accuracy(result: evaluation.Result, train: Interactions) -> dict[str, Any]:
    """How unequal, how new and how unlike each other what is shown is."""
    top = result.top_items
    some = top
    if len(top) > DIVERSITY_LISTS:
        rng = np.random.default_rng(0)
        some = top[rng.choice(len(top), DIVERSITY_LISTS, replace=False)]
    takers = train.user_items.T.tocsr()
    measured = {
        "novelty": evaluation.mean_of(evaluation.novelty(top, train)),
        "diversity": evaluation.mean_of(evaluation.diversity(some, takers)),
    }
    known = {k: v._asdict() for k, v in measured.items() if v.mean == v.mean}
    return {"gini": evaluation.gini(top, result.n_items), **known}


def groups(result: evaluation.Result, labels: dict[str, np.ndarray]) -> dict[str, Any]:
    """Of each grouping how well each group of customers is served, and the gap."""
    found = {}
    for name, each in labels.items():
        named = np.where(each == "", _("(none)"), each)
        try:
            told = evaluation.service(result, named, min_size=FEWEST)
        except evaluation.TooFewGroups:
            continue
        found[name] = told.as_dict()
    return found


def exposure(
    result: evaluation.Result, labels: dict[str, np.ndarray], train: Interactions
) -> dict[str, Any]:
    """Of each grouping of items who is shown, beside catalogue and sales."""
    every = {
        name: evaluation.exposure(result.top_items, each, train, at_most=MOST_GROUPS)
        for name, each in labels.items()
    }
    return {name: told.as_dict() for name, told in every.items() if told is not None}


def write_judged(
    results: dict[str, evaluation.Result],
    user_ids: np.ndarray,
    folder: Path,
    prefix: str = "",
) -> None:
    """What each judged customer got, so that runs can be compared in pairs.

    ``user_ids`` are those of the rows of the training part.
    """
    folder.mkdir(exist_ok=True)
    for task, result in results.items():
        np.save(folder / f"{prefix}{task}_user_ids.npy", user_ids[result.user_rows])
        np.save(folder / f"{prefix}{task}_user_rows.npy", result.user_rows)
        np.save(folder / f"{prefix}{task}_ndcg.npy", result.per_user["ndcg"])

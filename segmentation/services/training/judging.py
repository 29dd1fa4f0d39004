"""How good a run is, on the part of the data that nothing was chosen on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segmentation.engine import evaluation, recommenders
from segmentation.services.training.loading import Data


def judge(
    model: recommenders.base.Recommender, data: Data, purpose_task: str
) -> dict[str, evaluation.Result]:
    """Both tasks, on the part that nothing was chosen on; the purpose's own must be."""
    tasks = evaluation.TASKS if model.recommends_new else ("again",)
    results = {}
    for task in tasks:
        try:
            results[task] = evaluation.evaluate(
                model, data.train, data.test_truth, task=task
            )
        except evaluation.NoTargets:
            if task == purpose_task:
                raise
    return results


def write_judged(
    results: dict[str, evaluation.Result], user_ids: np.ndarray, folder: Path
) -> None:
    """What each judged customer got, so that runs can be compared in pairs."""
    folder.mkdir()
    for task, result in results.items():
        np.save(folder / f"{task}_user_ids.npy", user_ids[result.user_rows])
        np.save(folder / f"{task}_user_rows.npy", result.user_rows)
        np.save(folder / f"{task}_ndcg.npy", result.per_user["ndcg"])

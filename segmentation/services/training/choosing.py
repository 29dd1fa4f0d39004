"""Which parameters: every candidate learns on the first part, the second chooses."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from segmentation.engine import evaluation, recommenders
from segmentation.models import ModelRun
from segmentation.services.training import telling
from segmentation.services.training.loading import Data
from segmentation.services.training.steps import Steps


def candidates(run: ModelRun) -> list[dict[str, Any]]:
    """The parameters that were asked for, else those worth trying."""
    asked = telling.own_params(run.algorithm, run.params)
    kind = recommenders.kind(run.algorithm)
    tried = kind.candidates(run.purpose) or [{}]
    seeded = {"seed": run.seed} if "seed" in kind().params else {}
    if asked:
        return [seeded | asked]
    return [seeded | params for params in tried]


def choose(
    run: ModelRun,
    data: Data,
    candidates: list[dict[str, Any]],
    task: str,
    steps: Steps,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit every candidate on the first part and keep the best on the second."""
    holdout = evaluation.Holdout(data.validation_truth, task=task)
    best: tuple[float, dict[str, Any], evaluation.Result] | None = None
    tried = []
    for number, params in enumerate(candidates, start=1):
        steps.go(
            _("Trying parameters %(n)d of %(total)d")
            % {"n": number, "total": len(candidates)}
        )
        model = recommenders.create(run.algorithm, **params)
        model.fit(data.fit, validation=holdout, on_epoch=steps.epoch)
        result = evaluation.evaluate(
            model, data.fit, data.validation_truth, task=task, seed=run.seed
        )
        score = result["ndcg"].mean
        tried.append({"params": params, "ndcg": score})
        if best is None or score > best[0]:
            best = (score, model.refit_params, result)
    assert best is not None, "there is always a candidate"
    return best[1], {task: best[2].as_dict(), "tried": tried}

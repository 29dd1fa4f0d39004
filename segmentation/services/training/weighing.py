"""What behaviour says to a method: kinds, age and amount, chosen on validation.

Each in turn, with the parameters already chosen. The usual stays unless another is
better for the same customers, beyond chance: a worse reason than that would only move
the model about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from segmentation.engine import evaluation, recommenders
from segmentation.engine.signals import AMOUNT, NONE, QUANTITY
from segmentation.models import Kind, ModelRun
from segmentation.services.training import telling
from segmentation.services.training.loading import Data
from segmentation.services.training.steps import Steps

HALF_LIVES_DAYS = (56.0, 182.0)
RARE = 0.01  # of all lines: a kind that is rarer changes nothing
# What is there counts for them, not how much.
DEAF = ("ncf", "rules")


@dataclass(frozen=True)
class Chosen:
    """The data as it is learned from, with the model's parameters and its result."""

    data: Data
    params: dict[str, Any]
    result: evaluation.Result
    tried: list[dict[str, Any]]


def choose(
    run: ModelRun,
    data: Data,
    params: dict[str, Any],
    task: str,
    steps: Steps,
) -> Chosen | None:
    """The best weights on validation for chosen parameters; None: nothing to choose."""
    dimensions = _worth(run, data)
    if not dimensions:
        return None
    best = _tried(run, data, data, params, task, steps, [])
    for name, values in dimensions.items():
        for value in values:
            asked = best.data.chosen | {name: value}
            other = as_chosen(data, asked)
            found = _tried(run, other, data, params, task, steps, best.tried)
            better = evaluation.difference(best.result, found.result, seed=run.seed)
            best = (
                found
                if better.low > 0
                else Chosen(best.data, best.params, best.result, found.tried)
            )
    return best


def n_fits(run: ModelRun, data: Data) -> int:
    """How many fits the choice takes."""
    dimensions = _worth(run, data)
    return 1 + sum(map(len, dimensions.values())) if dimensions else 0


def as_chosen(data: Data, asked: dict[str, Any]) -> Data:
    """The data weighed as ``chosen_params["data"]`` of a run says."""
    return data.weighted(
        asked["kind_weights"], asked["half_life_days"], asked["amount"]
    )


def _tried(
    run: ModelRun,
    data: Data,
    usual: Data,
    params: dict[str, Any],
    task: str,
    steps: Steps,
    before: list[dict[str, Any]],
) -> Chosen:
    steps.go(_("Choosing what behaviour says"))
    model = recommenders.create(run.algorithm, **params)
    holdout = evaluation.Holdout(data.validation_truth, task=task)
    model.fit(data.fit, validation=holdout, on_epoch=steps.epoch)
    # On the same targets, whatever these weights leave out.
    result = evaluation.evaluate(
        model, usual.fit, data.validation_truth, task=task, seed=run.seed
    )
    one = {"data": data.chosen, "ndcg": result["ndcg"].mean}
    return Chosen(data, model.refit_params, result, [*before, one])


def _worth(run: ModelRun, data: Data) -> dict[str, list[Any]]:
    """What is worth trying beside the usual, by parameter; nothing that is the same.

    Nothing where somebody told the model's parameters or that of the data.
    """
    kind = recommenders.kind(run.algorithm)
    if kind.predicts_ratings or run.algorithm in DEAF:
        return {}
    if telling.own_params(run.algorithm, run.params):
        return {}
    worth: dict[str, list[Any]] = {}
    kinds, counts = np.unique(data.fit_lines.kind, return_counts=True)
    common = kinds[counts >= RARE * counts.sum()].tolist()
    if len(common) > 1:
        names = [Kind(kind).name.lower() for kind in common]
        strongest = max(common, key=lambda each: data.weighting.kinds.get(each, 0))
        only = {
            name: float(k == strongest) for name, k in zip(names, common, strict=True)
        }
        worth["kind_weights"] = [only, dict.fromkeys(names, 1.0)]
    if not telling.has_half_life(run.algorithm):
        times = data.fit_lines.log.timestamp
        assert times is not None, "the log always has times"
        span = np.ptp(times) if len(times) else 0
        worth["half_life_days"] = [days for days in HALF_LIVES_DAYS if days < span]
    quantity, amount = data.fit_lines.quantity, data.fit_lines.amount
    amounts = [QUANTITY] if np.ptp(quantity) > 0 else []
    known = amount[amount > 0]
    amounts += [AMOUNT] if len(known) and np.ptp(known) > 0 else []
    worth["amount"] = [each for each in amounts if each != NONE]
    told = telling.protocol(run.algorithm, run.params)
    return {n: values for n, values in worth.items() if values and told[n] is None}

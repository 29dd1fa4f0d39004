"""What a run has to beat, judged on the same customers: what is simple, what is live.

Popularity, personal frequency and item kNN are fitted once for the same data and
protocol; later runs take their numbers from the artifact of the first. The live run of
the purpose is judged anew: its parameters learn from the same part, because what it was
judged by itself may have been other weeks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segmentation.engine import evaluation, recommenders
from segmentation.engine.interactions import DataError
from segmentation.engine.recommenders.base import BadParameter
from segmentation.models import ModelRun
from segmentation.services import registry
from segmentation.services.training import judging, weighing
from segmentation.services.training.loading import Data
from segmentation.services.training.marks import mark
from segmentation.services.training.steps import Steps

BASELINES = ("popularity", "personal_frequency", "item_knn")
MEASURES = (*evaluation.METRICS, "coverage")
FORMAT = "1"  # of what is written: other numbers are not gone on with

Numbers = dict[str, dict[str, dict[str, Any]]]  # name → task → measures
Values = dict[str, dict[str, np.ndarray]]  # name → task → NDCG of each customer


@dataclass(frozen=True)
class Beside:
    """Measures of what stands beside a run, and the NDCG of each judged customer."""

    about: str
    numbers: Numbers
    values: Values
    live: dict[str, Any]

    def compared(self, results: dict[str, evaluation.Result]) -> dict[str, Any]:
        """For JSON: each with ``gain``, how much better the run is, pair by pair."""
        told = {
            name: self._gains(name, results) for name in self.numbers if name != "live"
        }
        found: dict[str, Any] = {"beside": {"about": self.about, **told}}
        if self.live:
            found["live"] = self.live | self._gains("live", results)
        return found

    def _gains(
        self, name: str, results: dict[str, evaluation.Result]
    ) -> dict[str, Any]:
        told = {}
        for task, measures in self.numbers.get(name, {}).items():
            told[task] = dict(measures)
            if task in results:
                theirs, ours = self.values[name][task], results[task].per_user["ndcg"]
                told[task]["gain"] = evaluation.paired(theirs, ours)._asdict()
        return told

    def write(
        self, results: dict[str, evaluation.Result], ids: np.ndarray, folder: Path
    ) -> None:
        """Beside ``judged/{task}_…`` also ``beside_{name}_{task}…`` and ``live_…``."""
        for name, by_task in self.values.items():
            prefix = "live_" if name == "live" else f"beside_{name}_"
            for task, values in by_task.items():
                np.save(folder / f"{prefix}{task}_ndcg.npy", values)
                if task in results:
                    rows = results[task].user_rows
                    np.save(folder / f"{prefix}{task}_user_ids.npy", ids[rows])


def stand(run: ModelRun, data: Data, steps: Steps) -> Beside:
    """Judge, or take from an earlier run, all that a run is compared with."""
    about = mark(data.train, data.test_truth, FORMAT)
    found = _earlier(about) or _baselines(data, steps)
    numbers, values = found
    live = _live(run)
    told: dict[str, Any] = {}
    if live is not None:
        told = {"run": live.pk, "algorithm": live.algorithm}
        try:
            measured = _again(live, about, data, steps)
            numbers, values = numbers | measured[0], values | measured[1]
        except (DataError, BadParameter) as error:
            told["error"] = str(error)
    return Beside(about, numbers, values, told)


def _live(run: ModelRun) -> ModelRun | None:
    rows = ModelRun.objects.filter(purpose=run.purpose, stage=ModelRun.Stage.LIVE)
    return rows.exclude(pk=run.pk).first()


def _baselines(data: Data, steps: Steps) -> tuple[Numbers, Values]:
    """Each with the usual parameters of its method, one fit for both tasks."""
    numbers: Numbers = {}
    values: Values = {}
    for name in BASELINES:
        model = recommenders.create(name).fit(data.train, on_epoch=steps.pulse)
        steps.pulse()
        for task, result in judging.evaluate(model, data).items():
            _keep(numbers, values, name, task, result)
    return numbers, values


def _again(
    live: ModelRun, about: str, data: Data, steps: Steps
) -> tuple[Numbers, Values]:
    """The live run's parameters on this data; its own numbers if it saw the same."""
    tasks = {k: live.metrics.get(k) for k in evaluation.TASKS if live.metrics.get(k)}
    if live.metrics.get("beside", {}).get("about") == about:
        own = _read(live, {"live": tasks}, "")
        if own is not None:
            return {"live": _measures(tasks)}, own
    params = dict(live.chosen_params)
    asked = params.pop("data", None)
    learned = weighing.as_chosen(data, asked) if asked else data
    model = recommenders.create(live.algorithm, **params)
    model.fit(learned.train, on_epoch=steps.pulse)
    numbers: Numbers = {}
    values: Values = {}
    for task, result in judging.evaluate(model, data).items():
        _keep(numbers, values, "live", task, result)
    return numbers, values


def _keep(
    numbers: Numbers,
    values: Values,
    name: str,
    task: str,
    result: evaluation.Result,
) -> None:
    numbers.setdefault(name, {})[task] = _measures({task: result.as_dict()})[task]
    values.setdefault(name, {})[task] = result.per_user["ndcg"]


def _measures(by_task: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        task: {k: v for k, v in measured.items() if k in MEASURES}
        for task, measured in by_task.items()
    }


def _earlier(about: str) -> tuple[Numbers, Values] | None:
    """The baselines of the newest run that was judged on the same data, if any."""
    rows = ModelRun.objects.filter(metrics__beside__about=about).exclude(artifact="")
    for run in rows.order_by("-pk")[:3]:
        told = run.metrics["beside"]
        numbers = {name: _measures(told[name]) for name in BASELINES if name in told}
        values = _read(run, numbers, "beside_{name}_")
        if values is not None:
            return numbers, values
    return None


def _read(run: ModelRun, numbers: dict[str, Any], prefix: str) -> Values | None:
    """Per-customer numbers out of an artifact; None where it is not kept any more."""
    try:
        folder = registry.local_folder(run.artifact) / "judged"
        return {
            name: {
                task: np.load(
                    folder / f"{prefix.format(name=name)}{task}_ndcg.npy",
                    allow_pickle=False,
                )
                for task in by_task
            }
            for name, by_task in numbers.items()
        }
    except (OSError, ValueError):
        return None

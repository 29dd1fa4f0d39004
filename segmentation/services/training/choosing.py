"""Which parameters: every trial learns on the first part, the second chooses.

A run without a budget tries the few candidates of its method. With ``trials`` or
``minutes`` a search goes on from them. Each finished trial is written to the run at
once, so whoever takes a killed run up begins where it was.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from segmentation.engine import evaluation, recommenders
from segmentation.engine.interactions import DataError
from segmentation.engine.recommenders.base import BadParameter
from segmentation.models import ModelRun
from segmentation.services import jobs
from segmentation.services.training import searching, telling
from segmentation.services.training.loading import Data
from segmentation.services.training.marks import mark
from segmentation.services.training.steps import Steps

MOST_TRIALS = 1000
Trial = dict[str, Any]


def candidates(run: ModelRun) -> list[dict[str, Any]]:
    """The parameters that were asked for, else those worth trying.

    What was asked for holds in each; alone it is all that is tried, unless there is a
    budget to search the others.
    """
    asked = telling.own_params(run.algorithm, run.params)
    kind = recommenders.kind(run.algorithm)
    seeded = {"seed": run.seed} if "seed" in kind().params else {}
    if asked and not _is_search(run):
        return [seeded | asked]
    tried = [seeded | each | asked for each in kind.candidates(run.purpose) or [{}]]
    return [each for at, each in enumerate(tried) if each not in tried[:at]]


def check_budget(params: dict[str, Any]) -> None:
    """Refused where a search cannot be bounded so."""
    trials, minutes = params.get("trials"), params.get("minutes")
    if trials is not None and not (type(trials) is int and 1 <= trials <= MOST_TRIALS):
        raise jobs.Refused(
            _("trials is “%(value)s”; it must be a whole number from 1 to %(most)d.")
            % {"value": trials, "most": MOST_TRIALS}
        )
    is_number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    if minutes is not None and not (is_number and 0 < minutes < math.inf):
        raise jobs.Refused(
            _("minutes is “%(value)s”; it must be a positive number.")
            % {"value": minutes}
        )


@dataclass(frozen=True)
class Search:
    """What is tried, in which order, and when it is enough."""

    first: list[dict[str, Any]]
    space: Any
    usual: dict[str, Any]  # the method's defaults, for what a candidate leaves out
    fixed: dict[str, Any]
    seed: int
    trials: int
    seconds: float

    @classmethod
    def of(cls, run: ModelRun) -> Search:
        first = candidates(run)
        asked = telling.own_params(run.algorithm, run.params)
        kind = recommenders.kind(run.algorithm)
        usual = kind().params
        seeded = {"seed": run.seed} if "seed" in usual else {}
        space = {k: v for k, v in kind.space().items() if k not in asked}
        trials = run.params.get("trials")
        minutes = run.params.get("minutes")
        if not _is_search(run):
            trials = len(first)
        return cls(
            first=first,
            space=space,
            usual=usual,
            fixed=seeded | asked,
            seed=run.seed,
            trials=trials or MOST_TRIALS,
            seconds=60 * minutes if minutes else math.inf,
        )

    def next(self, done: list[Trial]) -> dict[str, Any] | None:
        """The parameters to try after those; None when the budget is used up."""
        if len(done) >= self.trials or done and _spent(done) >= self.seconds:
            return None
        if len(done) < len(self.first):
            return self.first[len(done)]
        if not self.space:
            return None
        tried = [(self.usual | each["params"], each["ndcg"]) for each in done]
        found = searching.propose(self.space, tried, seed=self.seed)
        return None if found is None else found | self.fixed

    def expected(self, done: list[Trial]) -> int:
        """How many trials there will be, as far as one can say now."""
        if not self.space:
            return min(self.trials, len(self.first))
        if not done or self.seconds == math.inf:
            return self.trials if self.trials < MOST_TRIALS else len(self.first)
        left = max(self.seconds - _spent(done), 0.0)
        more = math.ceil(left * len(done) / max(_spent(done), 1e-3))
        return min(self.trials, len(done) + more)


def choose(
    run: ModelRun, data: Data, task: str, steps: Steps, *, others: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit every trial on the first part and keep the best on the second.

    ``others`` are the steps that follow the choosing.
    """
    holdout = evaluation.Holdout(data.validation_truth, task=task)
    about = mark(data.fit, data.validation_truth, task, run.algorithm)
    done = [trial for trial in run.trials if trial.get("about") == about]
    steps.resume(len(done), run.curve)
    search = Search.of(run)
    while (params := search.next(done)) is not None:
        total = max(search.expected(done), len(done) + 1)
        steps.total = total + others
        words = {"n": len(done) + 1, "total": total}
        steps.go(_("Trying parameters %(n)d of %(total)d") % words)
        trial = _try(run, data, params, holdout, steps)
        done = _with(done, trial | {"number": len(done) + 1, "about": about})
        steps.held.write(trials=done)
    best = _best(done)
    if best is None:
        raise DataError(done[-1]["error"])
    steps.total = len(done) + others
    tried = [{k: trial[k] for k in ("params", "ndcg")} for trial in done]
    return best["chosen"], {task: best["result"], "tried": tried}


def _try(
    run: ModelRun,
    data: Data,
    params: dict[str, Any],
    holdout: evaluation.Holdout,
    steps: Steps,
) -> Trial:
    """One fit and how it ranks; one that cannot be is told, and the search goes on."""
    started = time.perf_counter()
    trial: Trial = {"params": params, "ndcg": None}
    try:
        model = recommenders.create(run.algorithm, **params)
        model.fit(data.fit, validation=holdout, on_epoch=steps.epoch)
        result = evaluation.evaluate(
            model, data.fit, holdout.truth, task=holdout.task, seed=run.seed
        )
        ndcg = result["ndcg"]
        trial |= {"ndcg": ndcg.mean, "low": ndcg.low, "high": ndcg.high}
        trial |= {"chosen": model.refit_params, "result": result.as_dict()}
    except (DataError, BadParameter) as error:
        trial["error"] = str(error)
    trial["seconds"] = round(time.perf_counter() - started, 3)
    return trial


def _with(done: list[Trial], trial: Trial) -> list[Trial]:
    """The trials with one more; only the best keeps all that was measured."""
    every = [*done, trial]
    best = _best(every)
    return [
        each
        if each is best
        else {k: v for k, v in each.items() if k not in ("result", "chosen")}
        for each in every
    ]


def _best(done: list[Trial]) -> Trial | None:
    """The first of the highest."""
    scored = [trial for trial in done if trial["ndcg"] is not None]
    return max(scored, key=lambda trial: trial["ndcg"], default=None)


def _spent(done: list[Trial]) -> float:
    return float(sum(trial["seconds"] for trial in done))


def _is_search(run: ModelRun) -> bool:
    return bool(run.params.get("trials") or run.params.get("minutes"))

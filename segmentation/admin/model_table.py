"""All finished runs side by side, with what they must beat, per task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from segmentation.admin import charts, names
from segmentation.models import ModelRun

MEASURES = ("ndcg", "recall", "hit_rate", "coverage")
BASELINES = ("popularity", "personal_frequency")


@dataclass
class Line:
    run: ModelRun
    url: str
    cells: list[dict[str, Any]]
    validation: float | None
    mean: float | None
    low: float | None
    high: float | None
    is_live: bool
    is_best: bool = False
    is_baseline: bool = False

    @property
    def name(self) -> str:
        return names.algorithm(self.run)


@dataclass
class Table:
    task: str
    title: str
    meaning: str
    lines: list[Line] = field(default_factory=list)
    figure: str = ""
    verdict: str = ""
    n_users: int | None = None


def tables(runs: list[ModelRun], address: Any) -> list[Table]:
    """One table a task; ``address(run)`` is the page of a run."""
    heads = (
        ("again", _("Again"), _("what a person buys again: habit")),
        ("discover", _("Discover"), _("what a person never bought before")),
    )
    return [_table(task, title, means, runs, address) for task, title, means in heads]


def _table(
    task: str, title: str, meaning: str, runs: list[ModelRun], address: Any
) -> Table:
    table = Table(task, title, meaning)
    for run in _latest(runs, task):
        measured = run.metrics[task]
        ndcg = cell(measured, "ndcg")
        table.lines.append(
            Line(
                run=run,
                url=address(run),
                cells=[cell(measured, name) for name in MEASURES],
                validation=_validation(run, task),
                mean=ndcg["mean"],
                low=ndcg["low"],
                high=ndcg["high"],
                is_live=run.stage == run.Stage.LIVE and run.purpose == task,
                is_baseline=run.algorithm in BASELINES,
            )
        )
        table.n_users = table.n_users or measured.get("n_users")
    table.lines.sort(key=lambda line: -(line.mean or 0))
    judged = [line for line in table.lines if line.validation is not None]
    if judged:
        max(judged, key=lambda line: line.validation or 0).is_best = True
    if table.lines:
        table.figure = _figure(table)
        table.verdict = _verdict(table)
    return table


def _latest(runs: list[ModelRun], task: str) -> list[ModelRun]:
    """The newest run of each algorithm that was judged on this task, and the live one.

    A run trained for this very purpose goes before one that was only measured on it.
    """
    chosen: dict[Any, ModelRun] = {}
    for run in sorted(runs, key=lambda run: (run.purpose == task, run.pk)):
        if isinstance(run.metrics.get(task), dict):
            chosen[names.algorithm(run)] = run
    live = [
        run
        for run in runs
        if run.stage == run.Stage.LIVE
        and run.purpose == task
        and isinstance(run.metrics.get(task), dict)
    ]
    return list({run.pk: run for run in (*chosen.values(), *live)}.values())


def cell(measured: dict[str, Any], name: str) -> dict[str, Any]:
    value = measured.get(name)
    if isinstance(value, int | float):
        value = {"mean": value}
    value = value or {}
    return {key: value.get(key) for key in ("mean", "low", "high")}


def _validation(run: ModelRun, task: str) -> float | None:
    measured = run.metrics.get("validation", {}).get(task)
    return cell(measured, "ndcg")["mean"] if isinstance(measured, dict) else None


def _label(line: Line) -> str:
    text = f"{line.name} #{line.run.pk}"
    return f"{text} · {_('live')}" if line.is_live else text


def _figure(table: Table) -> str:
    reference = next(
        (line.mean for line in table.lines if line.run.algorithm == "popularity"), None
    )
    rows = [
        charts.Estimate(_label(line), line.mean, line.low, line.high, line.is_live)
        for line in table.lines
        if line.mean is not None
    ]
    return charts.dots(rows, axis=_("NDCG@10 with interval"), reference=reference)


def _verdict(table: Table) -> str:
    """One honest sentence: does the best model beat what is simple?"""
    clever = [line for line in table.lines if not line.is_baseline]
    simple = [line for line in table.lines if line.is_baseline]
    if not clever or not simple or clever[0].mean is None:
        return ""
    best, base = clever[0], simple[0]
    words = {"model": best.name, "simple": base.name}
    if _is_above(best.low, base.high):
        return _("%(model)s beats %(simple)s; their intervals do not touch.") % words
    if _is_above(base.low, best.high):
        return (
            _("The simple %(simple)s beats every cleverer model on this shop's data.")
            % words
        )
    return (
        _("%(model)s and %(simple)s cannot be told apart: their intervals overlap.")
        % words
    )


def _is_above(low: float | None, high: float | None) -> bool:
    """One interval lies wholly above another; unknown ends say nothing."""
    return low is not None and high is not None and low > high

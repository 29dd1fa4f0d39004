"""All finished runs side by side, with what they must beat, per task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from segmentation.admin import charts, model_pairs, model_words, names
from segmentation.admin.run_page import cell
from segmentation.models import ModelRun

MEASURES = ("ndcg", "recall", "hit_rate", "coverage")
BASELINES = ("popularity", "personal_frequency", "item_knn")
SIMPLE = BASELINES[:2]  # what anybody could do without a model
MOST_LINES = 12  # of a task, in the first table; the others follow folded
MOST_RIVALS = 4  # against whom a model is weighed in words


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
    to_best: dict[str, Any] = field(default_factory=dict)
    to_live: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return names.algorithm(self.run)


@dataclass
class Why:
    """One model against another, in sentences."""

    title: str
    sentences: list[str]


@dataclass
class Table:
    task: str
    title: str
    meaning: str
    lines: list[Line] = field(default_factory=list)
    figure: str = ""
    verdict: str = ""
    n_users: int | None = None
    more: list[Line] = field(default_factory=list)
    why: list[Why] = field(default_factory=list)


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
        _pair(table)
        table.figure = _figure(table)
        table.verdict = _verdict(table)
        table.why = _why(table)
        table.lines, table.more = _folded(table.lines)
    return table


def _pair(table: Table) -> None:
    """How much worse each line is than the best and the live one, pair by pair."""
    best = next((line for line in table.lines if line.is_best), None)
    live = next((line for line in table.lines if line.is_live), None)
    for line in table.lines:
        line.to_best = _difference(line, best, table.task)
        line.to_live = _difference(line, live, table.task)


def _difference(line: Line, other: Line | None, task: str) -> dict[str, Any]:
    if other is None or other is line:
        return {}
    gain = model_pairs.difference(line.run, other.run, task)
    if gain is None:
        return {}
    tone = "good" if gain.low > 0 else "bad" if gain.high < 0 else ""
    return {**gain._asdict(), "tone": tone}


def _folded(lines: list[Line]) -> tuple[list[Line], list[Line]]:
    """The first lines and the rest; the live, the best and the simple are in front."""
    first = {
        id(line)
        for line in lines
        if line.is_live or line.is_best or line.run.algorithm in SIMPLE
    }
    for line in lines:
        if len(first) >= MOST_LINES:
            break
        first.add(id(line))
    shown = [line for line in lines if id(line) in first]
    return shown, [line for line in lines if id(line) not in first]


def _why(table: Table) -> list[Why]:
    """The live model, or else the best on validation, against the others."""
    ours = next((line for line in table.lines if line.is_live), None)
    ours = ours or next((line for line in table.lines if line.is_best), None)
    if ours is None:
        return []
    others = [line for line in table.lines if line is not ours]
    simple = [line for line in others if line.is_baseline]
    others = [line for line in others if not line.is_baseline][: MOST_RIVALS - 1]
    found = []
    for other in [*others, *simple][:MOST_RIVALS]:
        gain = model_pairs.difference(ours.run, other.run, table.task)
        words = {"ours": ours.name, "theirs": other.name}
        title = _("Why %(ours)s and not %(theirs)s") % words
        if gain is not None and gain.high < 0:
            title = _("Why not %(theirs)s instead of %(ours)s") % words
        found.append(Why(title, model_words.why(_side(ours), _side(other), gain)))
    return found


def _side(line: Line) -> model_words.Side:
    coverage = line.cells[MEASURES.index("coverage")]["mean"]
    return model_words.Side(
        _label(line), line.run, coverage, line.run.algorithm in SIMPLE
    )


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
    clever = [line for line in table.lines if line.run.algorithm not in SIMPLE]
    simple = [line for line in table.lines if line.run.algorithm in SIMPLE]
    if not clever or not simple or clever[0].mean is None:
        return ""
    best, base = clever[0], simple[0]
    words = {"model": best.name, "simple": base.name}
    gain = model_pairs.difference(best.run, base.run, table.task)
    if gain.low > 0 if gain else _is_above(best.low, base.high):
        text = _("%(model)s beats %(simple)s beyond what chance explains.")
    elif gain.high < 0 if gain else _is_above(base.low, best.high):
        text = _(
            "The simple %(simple)s beats every cleverer model on this shop's data."
        )
    else:
        text = _("%(model)s and %(simple)s cannot be told apart.")
    return text % words


def _is_above(low: float | None, high: float | None) -> bool:
    """One interval lies wholly above another; unknown ends say nothing."""
    return low is not None and high is not None and low > high

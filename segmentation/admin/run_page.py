"""What the page of a run shows of it: measures, rivals, trials, groups, facts."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from segmentation.admin import charts, names
from segmentation.admin.model_words import task_word
from segmentation.models import ModelRun
from segmentation.services import registry
from segmentation.templatetags.strata import number, signed

TASKS = ("again", "discover")
MEASURES = (
    "ndcg",
    "recall",
    "precision",
    "hit_rate",
    "map",
    "mrr",
    "coverage",
    "gini",
    "novelty",
    "diversity",
)
MOST_TRIALS = 200  # in the table; the figure has all


def cell(measured: Any, name: str) -> dict[str, Any]:
    """A measure as mean, low and high; None where it is not known."""
    value = measured.get(name) if isinstance(measured, dict) else None
    if isinstance(value, int | float):
        value = {"mean": value}
    value = value if isinstance(value, dict) else {}
    return {key: value.get(key) for key in ("mean", "low", "high")}


def context(run: ModelRun) -> dict[str, Any]:
    """All of it, for the template."""
    return {
        "measured": measured(run),
        "tasks": [task_word(task) for task in _tasks(run)],
        "errors_of_ratings": ratings(run),
        "rivals": [rivals(run, task) for task in _tasks(run)],
        "rival_error": run.metrics.get("live", {}).get("error"),
        "curve": curve(run),
        "curve_points": run.curve or [],
        "trials": trials(run),
        "groups": groups(run),
        "exposure": exposure(run),
        "facts": facts(run),
        "logs": logs(run),
    }


def measured(run: ModelRun) -> list[dict[str, Any]]:
    """A row a measure, a cell a task."""
    words = _words()
    rows = []
    for name in MEASURES:
        cells = [cell(run.metrics.get(task), name) for task in _tasks(run)]
        if any(each["mean"] is not None for each in cells):
            rows.append(
                {"name": words[name][0], "help": words[name][1], "cells": cells}
            )
    return rows


def ratings(run: ModelRun) -> list[tuple[str, dict[str, Any]]]:
    told = run.metrics.get("ratings") or {}
    return [
        (name.upper(), cell(told, name)) for name in ("rmse", "mae") if name in told
    ]


def rivals(run: ModelRun, task: str) -> dict[str, Any]:
    """What stands beside the run on a task, with how much better the run is."""
    found = [
        _rival(names.named(name), told.get(task))
        for name, told in run.metrics.get("beside", {}).items()
        if isinstance(told, dict)
    ]
    live = run.metrics.get("live")
    if live:
        words = {"name": names.named(live["algorithm"]), "run": live["run"]}
        name = _("%(name)s · %(run)s, which is live") % words
        found.append(_rival(name, live.get(task)))
    lines = [line for line in found if line is not None]
    own = cell(run.metrics[task], "ndcg")
    rows = [charts.Estimate(_("this run"), **own, emphasis=True)]
    rows += [charts.Estimate(line["name"], **line["ndcg"]) for line in lines]
    return {
        "task": task,
        "word": task_word(task),
        "lines": lines,
        "n_users": run.metrics[task].get("n_users"),
        "figure": charts.dots(rows, axis="NDCG@10") if len(rows) > 1 else "",
    }


def _rival(name: str, told: Any) -> dict[str, Any] | None:
    if not isinstance(told, dict):
        return None
    gain = cell(told, "gain")
    return {
        "name": name,
        "ndcg": cell(told, "ndcg"),
        "coverage": cell(told, "coverage"),
        "gain": gain,
        "verdict": verdict(gain),
    }


def verdict(gain: dict[str, Any]) -> str:
    """What a paired difference says in a word."""
    if gain["low"] is None or gain["high"] is None:
        return ""
    if gain["low"] > 0:
        return _("this run is better")
    if gain["high"] < 0:
        return _("this run is worse")
    return _("cannot be told apart")


def curve(run: ModelRun) -> str:
    points = [p for p in run.curve or () if p.get("loss") or p.get("metric")]
    return charts.training_curve(points) if len(points) > 1 else ""


def trials(run: ModelRun) -> dict[str, Any] | None:
    """The search as a figure and a table, best first."""
    told = [each for each in run.trials if isinstance(each, dict)]
    if not told:
        return None
    varied = _varied(told)
    points = [
        (at, each.get("ndcg"), "<br>".join(f"{k}: {_value(v)}" for k, v in own.items()))
        for at, (each, own) in enumerate(zip(told, varied, strict=True), start=1)
    ]
    lines = [
        {
            "number": at,
            "ndcg": cell({"ndcg": _interval(each)}, "ndcg"),
            "params": ", ".join(f"{k} {_value(v)}" for k, v in own.items()) or "–",
            "seconds": each.get("seconds"),
            "error": each.get("error", ""),
        }
        for at, (each, own) in enumerate(zip(told, varied, strict=True), start=1)
    ]
    lines.sort(key=lambda line: -(line["ndcg"]["mean"] or -1.0))
    is_shown = sum(point[1] is not None for point in points) > 1
    return {
        "figure": charts.trials(points, axis=_("validation NDCG@10"))
        if is_shown
        else "",
        "lines": lines[:MOST_TRIALS],
        "more": max(len(lines) - MOST_TRIALS, 0),
        "n": len(told),
        "seconds": sum(each.get("seconds") or 0.0 for each in told),
    }


def _interval(trial: dict[str, Any]) -> dict[str, Any]:
    return {
        "mean": trial.get("ndcg"),
        "low": trial.get("low"),
        "high": trial.get("high"),
    }


def _varied(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each trial the parameters that are not the same in all of them."""
    every = [dict(each.get("params") or {}) for each in told]
    for own in every:
        own |= {f"data.{k}": v for k, v in (own.pop("data", None) or {}).items()}
    keys = dict.fromkeys(key for own in every for key in own)
    if len(every) == 1:
        return every
    differ = [k for k in keys if len({json.dumps(own.get(k)) for own in every}) > 1]
    return [{k: own[k] for k in differ if k in own} for own in every]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def groups(run: ModelRun) -> list[dict[str, Any]]:
    """How well each group of customers is served, and whether the gap is real."""
    found = []
    for task in _tasks(run):
        for name, told in (run.metrics.get("groups", {}).get(task) or {}).items():
            rows = [
                charts.Estimate(
                    f"{group} ({number(each['n'])})",
                    each["mean"],
                    each["low"],
                    each["high"],
                )
                for group, each in told["groups"].items()
            ]
            found.append(
                {
                    "task": task_word(task),
                    "name": _group_word(name),
                    "figure": charts.dots(rows, axis="NDCG@10"),
                    "gap": _gap(told["gap"]),
                    "too_small": told.get("too_small") or {},
                }
            )
    return found


def _gap(gap: dict[str, Any]) -> str:
    words = {
        "best": gap["best"],
        "worst": gap["worst"],
        "gap": number(gap["mean"], 3),
        "low": number(gap["low"], 3),
        "high": number(gap["high"], 3),
    }
    if gap["low"] > 0:
        text = _(
            "“%(best)s” is served better than “%(worst)s” by %(gap)s "
            "(%(low)s to %(high)s)."
        )
    else:
        text = _(
            "No gap can be told from chance: %(gap)s between “%(best)s” and "
            "“%(worst)s”, up to %(high)s."
        )
    return text % words


def exposure(run: ModelRun) -> list[dict[str, Any]]:
    """Which groups of items are shown, against their share of catalogue and sales."""
    found = []
    for task in _tasks(run):
        for name, told in (run.metrics.get("exposure", {}).get(task) or {}).items():
            each = told["groups"]
            others = [
                (
                    _("of the catalogue"),
                    [group["catalogue"] for group in each.values()],
                ),
                (_("of the sales"), [group["sales"] for group in each.values()]),
            ]
            gap = told["gap"]
            words = {
                "most": gap["most"],
                "least": gap["least"],
                "gap": signed(100 * gap["mean"], 1),
                "low": signed(100 * gap["low"], 1),
                "high": signed(100 * gap["high"], 1),
            }
            text = _(
                "Beside its sales “%(most)s” is shown most and “%(least)s” least: "
                "%(gap)s points apart (%(low)s to %(high)s)."
            )
            found.append(
                {
                    "task": task_word(task),
                    "name": _group_word(name),
                    "figure": charts.exposure(
                        list(each), [group["shown"] for group in each.values()], others
                    ),
                    "gap": text % words,
                }
            )
    return found


def facts(run: ModelRun) -> list[tuple[str, str]]:
    """What it was made from: parts, data, parameters, seed, code, cost."""
    told, data, cost = run.protocol, run.snapshot, run.estimate
    lines = [
        (_("learned from"), _until(told.get("valid_from"))),
        (_("chosen on"), _between(told.get("valid_from"), told.get("test_from"))),
        (_("judged on"), _between(told.get("test_from"), told.get("test_until"))),
    ]
    if data:
        counts = {name: number(data.get(name)) for name in ("users", "items", "lines")}
        text = _("%(users)s customers, %(items)s items, %(lines)s lines") % counts
        lines += [
            (_("data"), text),
            (_("newest line"), _day(data.get("newest"))),
            (_("data hash"), str(data.get("hash", ""))),
        ]
    lines += [
        (_("asked parameters"), _plain(run.params)),
        (_("chosen parameters"), _plain(run.chosen_params)),
        (_("seed"), str(run.seed)),
        (_("code version"), run.code_version),
        (_("estimate"), _plain(cost)),
        (_("seconds"), _plain(run.timings)),
        (_("peak memory"), f"{number(run.peak_memory_mb)} MB"),
    ]
    return [(name, text) for name, text in lines if text]


def _until(instant: Any) -> str:
    return _("all before %(day)s") % {"day": _day(instant)} if instant else ""


def _between(first: Any, last: Any) -> str:
    if not (first and last):
        return ""
    return _("%(first)s to %(last)s") % {"first": _day(first), "last": _day(last)}


def _day(instant: Any) -> str:
    return str(instant)[:16].replace("T", " ") if instant else ""


def _plain(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value or "")
    return ", ".join(f"{k} {_value(v)}" for k, v in value.items() if v is not None)


def logs(run: ModelRun) -> str:
    """The command that opens the run's TensorBoard logs; empty where there are none."""
    if not run.artifact or not registry.is_on_this_disk():
        return ""
    folder = registry.local_folder(run.artifact) / "logs"
    return f"tensorboard --logdir {folder}" if folder.is_dir() else ""


def _tasks(run: ModelRun) -> list[str]:
    return [task for task in TASKS if isinstance(run.metrics.get(task), dict)]


def _group_word(name: str) -> str:
    words = {
        "activity": _("activity"),
        "tenure": _("new and old customers"),
        "category": _("category"),
        "brand": _("brand"),
    }
    return words.get(name, name)


def _words() -> dict[str, tuple[str, str]]:
    return {
        "ndcg": ("NDCG@10", _("how high in the list what was taken stands")),
        "recall": (_("recall@10"), _("share of what was taken that was named")),
        "precision": (_("precision@10"), _("share of the list that was taken")),
        "hit_rate": (_("hit rate@10"), _("customers with at least one hit")),
        "map": ("MAP@10", _("precision at each hit, averaged")),
        "mrr": ("MRR", _("one over the place of the first hit")),
        "coverage": (
            _("coverage@10"),
            _("share of the catalogue that is named at all"),
        ),
        "gini": ("Gini", _("0: all items are shown alike, 1: one takes all")),
        "novelty": (_("novelty"), _("bits: 10 means that one in a thousand had it")),
        "diversity": (
            _("diversity"),
            _("1: no two items of a list have takers in common"),
        ),
    }

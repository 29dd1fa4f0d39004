"""What the page “Data quality” shows of a report: figures, each beside its table."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segmentation.admin import charts
from segmentation.admin import quality_words as words
from segmentation.models import QualityReport
from segmentation.templatetags.strata import number

ATTRIBUTES = "attributes."


def shown(report: QualityReport, group: str) -> dict[str, Any]:
    """The context of the page; ``group`` is the asked way of grouping customers."""
    facts = report.report
    return {
        "facts": facts,
        "taken_at": parse_datetime(facts["taken_at"]),
        "findings": words.findings(facts),
        "days": _days(facts["days"]),
        "kinds": [line | {"kind": words.kind(line["kind"])} for line in facts["kinds"]],
        "funnels": _funnels(facts["funnel"]),
        "paths": _paths(facts["paths"]),
        "transitions": _transitions(facts["paths"]),
        "tail": _tail(facts["tail"]),
        "cold": _cold(facts["cold"]),
        "missing": _missing(facts["catalogue"]),
        "amounts": _amounts(facts["out_of_range"]),
        **_groups(facts, group),
    }


def _days(days: dict[str, Any]) -> dict[str, Any] | None:
    if not days:
        return None
    return days | {
        "figure": charts.series(
            days["first"],
            days["counts"],
            days["step"],
            axis=_("events a week") if days["step"] == 7 else _("events a day"),
        ),
        "months": _months(days),
    }


def _months(days: dict[str, Any]) -> list[tuple[str, int]]:
    """The figure's counts by month, for who cannot see it."""
    first, step = date.fromisoformat(days["first"]), days["step"]
    months: dict[str, int] = {}
    for place, n in enumerate(days["counts"]):
        month = f"{first + timedelta(days=place * step):%Y-%m}"
        months[month] = months.get(month, 0) + n
    return list(months.items())


def _funnels(funnel: dict[str, Any]) -> list[dict[str, Any]]:
    titles = {
        "pairs": _("By customer and item"),
        "sessions": _("By visit"),
    }
    told = []
    for name, title in titles.items():
        steps = []
        before: int | None = None
        for step in funnel[name]:
            if not step["n"]:
                continue  # the shop does not record it
            steps.append(
                {
                    "name": words.STEPS[step["step"]],
                    "n": step["n"],
                    "reached": step["reached"],
                    "share": step["reached"] / before if before else None,
                }
            )
            before = step["reached"]
        figure = charts.bars(
            [str(step["name"]) for step in steps],
            [step["reached"] for step in steps],
            axis=_("went every step so far"),
        )
        told.append({"title": title, "steps": steps, "figure": figure, "name": name})
    return told


def _paths(paths: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "way": " → ".join(words.kind(kind) for kind in path["kinds"])
            + (" → …" if path["goes_on"] else ""),
            "n": path["n"],
            "share": path["share"],
        }
        for path in paths["paths"]
    ]


def _transitions(paths: dict[str, Any]) -> list[dict[str, Any]]:
    lines = sorted(paths["transitions"], key=lambda line: (line["from"], -line["n"]))
    return [
        line | {"from": words.kind(line["from"]), "to": words.kind(line["to"])}
        for line in lines
    ]


def _tail(tail: dict[str, Any]) -> dict[str, Any]:
    names = {"items": _("items"), "customers": _("customers")}
    lines = [(names[key], part["holders"], part["have"]) for key, part in tail.items()]
    figure = charts.curves(
        lines,
        x_axis=_("share of items or customers, from the fewest events"),
        y_axis=_("share of events"),
    )
    rows = [part | {"name": names[key]} for key, part in tail.items()]
    return {"figure": figure, "rows": rows}


def _cold(cold: dict[str, Any]) -> list[dict[str, Any]]:
    titles = {"customers": _("Customers"), "items": _("Items")}
    told = []
    for name, part in cold.items():
        bounds = part["bounds"]
        labels = [
            _bar(low, high)
            for low, high in zip(bounds, [*bounds[1:], None], strict=True)
        ]
        figure = charts.bars(labels, part["bars"], axis=_("events of each"))
        rows = list(zip(labels, part["bars"], strict=True))
        told.append(
            part | {"title": titles[name], "name": name, "figure": figure, "rows": rows}
        )
    return told


def _bar(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return str(low) if high == low + 1 else f"{low}–{high - 1}"


def _missing(catalogue: dict[str, Any]) -> list[dict[str, Any]]:
    n = catalogue["n"] or 1
    names = {
        "title": _("title"),
        "category": _("category"),
        "brand": _("brand"),
        "price": _("price"),
        "url": _("address"),
        "image": _("image"),
        "description": _("description"),
    }
    return [
        {"name": names[key], "n": missing, "share": missing / n}
        for key, missing in catalogue["missing"].items()
    ]


def _amounts(ranges: dict[str, Any]) -> list[dict[str, Any]]:
    names = {"price": _("price"), "quantity": _("quantity"), "amount": _("amount")}
    return [part | {"name": names[key]} for key, part in ranges.items()]


def _groups(facts: dict[str, Any], asked: str) -> dict[str, Any]:
    """Customers by a chosen attribute, items by category."""
    groups = facts["groups"]
    told = [key for key, lines in groups.items() if len(lines) > 1]
    by = asked if asked in groups else next(iter(told), "")
    choices = [(key, _name_of(key)) for key in told]
    return {
        "by": by,
        "choices": choices,
        "groups": [
            _group("people", _("Customers"), groups.get(by, [])),
            _group("categories", _("Items by category"), facts["categories"]),
        ],
    }


def _name_of(key: str) -> str:
    return key.removeprefix(ATTRIBUTES) if ATTRIBUTES in key else _("locale")


def _group(name: str, title: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    lines = [line | {"label": _label(line["name"])} for line in lines]
    estimates = [
        charts.Estimate(line["label"], line["ratio"], line.get("low"), line.get("high"))
        for line in lines
    ]
    figure = ""
    if len(estimates) > 1:
        axis = _("events of each member, times everybody's")
        figure = charts.dots(estimates, axis=axis, reference=1, digits=2)
    return {
        "key": name,
        "title": title,
        "lines": lines,
        "figure": figure,
        "sentences": words.represented(lines),
    }


def _label(name: str | None) -> str:
    if name is None:
        return _("all others")
    return name or _("not told")


def summary(report: QualityReport | None) -> str:
    """One line for other pages."""
    if report is None:
        return _("Look at what is missing, cannot be or is suspicious in the data")
    n = report.report["suspects"]["open"]
    text = ngettext(
        "%(n)s suspicious customer to decide about",
        "%(n)s suspicious customers to decide about",
        n,
    )
    return text % {"n": number(n)}

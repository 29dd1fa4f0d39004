"""Figures for the pages, as plotly's JSON; ``strata.js`` draws them in either theme.

Colours of marks are chosen to stand out on light and on dark; text, grid and
background are the page's own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from django.utils.translation import gettext as _

# Okabe and Ito's set with its black and yellow replaced: they vanish on a dark page.
COLOURS = (
    "#2f8fd0",
    "#e07b39",
    "#2aa876",
    "#c65c9e",
    "#8f7ee0",
    "#b59a1f",
    "#35b0c4",
    "#d9534f",
    "#7a8ca5",
    "#6aa84f",
)
SYMBOLS = ("circle", "diamond", "square", "triangle-up")
ROW_PIXELS = 34
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Estimate:
    """One line of a dot plot: a value with its interval."""

    label: str
    mean: float
    low: float | None = None
    high: float | None = None
    emphasis: bool = False


def dots(
    rows: Sequence[Estimate],
    *,
    axis: str,
    reference: float | None = None,
    percent: bool = False,
    digits: int = 3,
) -> str:
    """Estimates with intervals below each other; ``reference`` is a dashed line."""
    rows = [row for row in rows if row.mean is not None]
    colour = [COLOURS[1] if row.emphasis else COLOURS[0] for row in rows]
    form = f".{digits}%" if percent else f".{digits}f"
    figure = go.Figure(
        go.Scatter(
            x=[row.mean for row in rows],
            y=[row.label for row in rows],
            mode="markers",
            marker={"size": 11, "color": colour},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [_above(row) for row in rows],
                "arrayminus": [_below(row) for row in rows],
                "thickness": 2,
                "width": 6,
                "color": "#7a8ca5",
            },
            customdata=[[row.low, row.high] for row in rows],
            hovertemplate=(
                f"%{{y}}: %{{x:{form}}} "
                f"[%{{customdata[0]:{form}}}, %{{customdata[1]:{form}}}]"
                "<extra></extra>"
            ),
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    figure.update_xaxes(title=axis, tickformat=".1%" if percent else None)
    if reference is not None:
        figure.add_vline(x=reference, line={"dash": "dash", "color": "#7a8ca5"})
    return _shown(figure, 90 + ROW_PIXELS * max(len(rows), 1))


def series(first: str, counts: Sequence[int], step: int, *, axis: str) -> str:
    """Counts per day (or ``step`` days) from a first day on."""
    figure = go.Figure(
        go.Scatter(
            x0=first,
            dx=step * DAY_MS,
            y=list(counts),
            mode="lines",
            line={"color": COLOURS[0], "width": 1.5},
            fill="tozeroy",
            hovertemplate="%{x|%Y-%m-%d}: %{y:,}<extra></extra>",
        )
    )
    figure.update_xaxes(type="date")
    figure.update_yaxes(title=axis, rangemode="tozero")
    return _shown(figure, 280)


def bars(names: Sequence[str], counts: Sequence[float], *, axis: str) -> str:
    """Counts beside each other, in the given order."""
    figure = go.Figure(
        go.Bar(
            x=list(names),
            y=list(counts),
            marker={"color": COLOURS[0]},
            hovertemplate="%{x}: %{y:,}<extra></extra>",
        )
    )
    figure.update_xaxes(type="category", title=axis)
    figure.update_yaxes(rangemode="tozero")
    return _shown(figure, 280)


def curves(
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    x_axis: str,
    y_axis: str,
) -> str:
    """Lorenz curves: named (x, y), shares both, beside the line of equality."""
    figure = go.Figure()
    for place, (name, xs, ys) in enumerate(lines):
        figure.add_scatter(
            x=list(xs),
            y=list(ys),
            name=name,
            mode="lines",
            line={"color": COLOURS[place], "dash": ("solid", "dashdot")[place % 2]},
            hovertemplate="%{x:.0%}: %{y:.1%}<extra>%{fullData.name}</extra>",
        )
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        name=_("all equal"),
        mode="lines",
        line={"color": "#7a8ca5", "dash": "dot", "width": 1},
        hoverinfo="skip",
    )
    figure.update_xaxes(title=x_axis, tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title=y_axis, tickformat=".0%")
    return _shown(figure, 340, legend=True, legend_at={"x": 0.03, "y": 0.97})


def customers_map(picture: dict[str, Any], names: dict[int, str]) -> str:
    """A sample of customers in two dimensions, coloured by segment."""
    figure = go.Figure()
    points: dict[int, tuple[list[float], list[float]]] = {}
    columns = (picture.get("x", []), picture.get("y", []), picture.get("label", []))
    for x, y, label in zip(*columns, strict=False):
        xs, ys = points.setdefault(int(label), ([], []))
        xs.append(x)
        ys.append(y)
    for place, (label, (xs, ys)) in enumerate(sorted(points.items())):
        figure.add_scattergl(
            x=xs,
            y=ys,
            mode="markers",
            name=names.get(label, _("nobody's")),
            marker={
                "size": 6,
                "opacity": 0.75,
                "color": COLOURS[place % len(COLOURS)],
                "symbol": SYMBOLS[place // len(COLOURS) % len(SYMBOLS)],
            },
            hovertemplate="%{fullData.name}<extra></extra>",
        )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return _shown(figure, 520, legend=True)


def k_curve(points: Sequence[dict[str, Any]], chosen: int | None) -> str:
    """Silhouette (higher is better) and inertia (look for the elbow) by k."""
    ks = [point["k"] for point in points]
    figure = go.Figure()
    figure.add_scatter(
        x=ks,
        y=[point.get("silhouette") for point in points],
        name=_("silhouette"),
        mode="lines+markers",
        line={"color": COLOURS[0]},
    )
    figure.add_scatter(
        x=ks,
        y=[point.get("inertia") for point in points],
        name=_("inertia"),
        mode="lines+markers",
        line={"color": COLOURS[1], "dash": "dot"},
        yaxis="y2",
    )
    figure.update_layout(
        xaxis={"title": _("number of segments"), "dtick": 1 if len(ks) < 25 else None},
        yaxis={"title": _("silhouette")},
        yaxis2={
            "title": _("inertia"),
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "tickmode": "auto",
            "nticks": 6,
        },
    )
    if chosen:
        figure.add_vline(
            x=chosen,
            line={"dash": "dash", "color": COLOURS[2]},
            annotation_text=_("chosen: %(k)d") % {"k": chosen},
        )
    return _shown(figure, 340, legend=True)


def training_curve(points: Sequence[dict[str, Any]]) -> str:
    """Loss and validation metric by epoch; each fit of the run is a line of its own."""
    figure = go.Figure()
    points = _with_gaps(points)
    epochs = [point.get("epoch") for point in points]
    for place, (key, name, axis) in enumerate(
        (("loss", _("loss"), "y"), ("metric", _("validation NDCG@10"), "y2"))
    ):
        figure.add_scatter(
            x=epochs,
            y=[point.get(key) for point in points],
            name=name,
            mode="lines+markers",
            line={"color": COLOURS[place]},
            yaxis=axis,
        )
    figure.update_layout(
        xaxis={"title": _("epoch")},
        yaxis={"title": _("loss")},
        yaxis2={
            "title": _("validation NDCG@10"),
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
        },
    )
    return _shown(figure, 320, legend=True)


def trials(points: Sequence[tuple[int, float | None, str]], *, axis: str) -> str:
    """Each trial (number, score, what it tried) and the best so far, as a staircase."""
    done = [point for point in points if point[1] is not None]
    best, highest = [], -math.inf
    for _number, score, _text in done:
        highest = max(highest, float(score or 0.0))
        best.append(highest)
    numbers = [number for number, _score, _text in done]
    figure = go.Figure()
    figure.add_scatter(
        x=numbers,
        y=[score for _number, score, _text in done],
        name=_("a trial"),
        mode="markers",
        marker={"color": COLOURS[0], "size": 9},
        text=[text for _number, _score, text in done],
        hovertemplate="%{x}: %{y:.4f}<br>%{text}<extra></extra>",
    )
    figure.add_scatter(
        x=numbers,
        y=best,
        name=_("best so far"),
        mode="lines",
        line={"color": COLOURS[1], "shape": "hv", "width": 2},
        hovertemplate="%{y:.4f}<extra>%{fullData.name}</extra>",
    )
    figure.update_xaxes(title=_("trial"), dtick=1 if len(done) < 16 else None)
    figure.update_yaxes(title=axis)
    return _shown(figure, 320, legend=True)


def exposure(
    names: Sequence[str],
    shown: Sequence[dict[str, float]],
    others: Sequence[tuple[str, Sequence[float]]],
) -> str:
    """Shares of groups of items: shown, with its interval, beside other shares."""
    figure = go.Figure()
    figure.add_bar(
        y=list(names),
        x=[each["mean"] for each in shown],
        name=_("shown"),
        orientation="h",
        marker={"color": COLOURS[0]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [each["high"] - each["mean"] for each in shown],
            "arrayminus": [each["mean"] - each["low"] for each in shown],
            "color": "#7a8ca5",
        },
        hovertemplate="%{y}: %{x:.1%}<extra>%{fullData.name}</extra>",
    )
    for place, (name, shares) in enumerate(others, start=1):
        figure.add_scatter(
            y=list(names),
            x=list(shares),
            name=name,
            mode="markers",
            marker={
                "color": COLOURS[place],
                "symbol": SYMBOLS[place],
                "size": 11,
                "line": {"width": 1, "color": "#ffffff"},
            },
            hovertemplate="%{y}: %{x:.1%}<extra>%{fullData.name}</extra>",
        )
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    return _shown(figure, 130 + ROW_PIXELS * len(names), legend=True)


def _with_gaps(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """An empty point wherever the epochs begin again, so that no line joins fits."""
    apart: list[dict[str, Any]] = []
    for point in points:
        if apart and point["epoch"] <= apart[-1].get("epoch", 0):
            apart.append({})
        apart.append(point)
    return apart


def _above(row: Estimate) -> float:
    return 0.0 if row.high is None else max(row.high - row.mean, 0.0)


def _below(row: Estimate) -> float:
    return 0.0 if row.low is None else max(row.mean - row.low, 0.0)


def _shown(
    figure: go.Figure,
    height: int,
    *,
    legend: bool = False,
    legend_at: dict[str, Any] | None = None,
) -> str:
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 16, "t": 24, "b": 48},
        showlegend=legend,
        legend=legend_at or {"orientation": "h", "y": -0.16},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="closest",
    )
    return json.dumps(json.loads(figure.to_json()))

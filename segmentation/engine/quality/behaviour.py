"""Behaviour at a glance: days, kinds, the way to a purchase, what follows what."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np

from segmentation.engine.quality.log import EARLIEST, Ints, Log, starts

MOST_DAYS = 1100  # then weeks are shown
MOST_GAPS = 10
PATH_STEPS = 6
MOST_PATHS = 10
_BASE = 64  # kinds are smaller, so six of them fit 36 bits


def days(log: Log, now: float) -> dict[str, Any]:
    """Events per local day (or week), and the days without any in between."""
    possible = (log.at >= EARLIEST) & (log.at <= now)
    if not possible.any():
        return {}
    numbers = log.local[possible] // 86_400
    first = int(numbers.min())
    counts = np.bincount(numbers - first)
    quiet = np.flatnonzero(counts == 0)
    runs = np.split(quiet, np.flatnonzero(np.diff(quiet) > 1) + 1) if len(quiet) else []
    longest = sorted(runs, key=len, reverse=True)[:MOST_GAPS]
    step = 1 if len(counts) <= MOST_DAYS else 7
    return {
        "first": _day(first),
        "last": _day(first + len(counts) - 1),
        "n": len(counts),
        "n_empty": len(quiet),
        "median": float(np.median(counts)),
        "gaps": [
            {"from": _day(first + run[0]), "to": _day(first + run[-1]), "n": len(run)}
            for run in longest
        ],
        "step": step,
        "counts": np.add.reduceat(counts, np.arange(0, len(counts), step)).tolist(),
    }


def kinds(log: Log) -> list[dict[str, Any]]:
    """Events, customers and amount of each kind, the commonest first."""
    found = np.bincount(log.kind)
    lines = []
    for kind in np.flatnonzero(found):
        chosen = log.kind == kind
        lines.append(
            {
                "kind": int(kind),
                "n": int(found[kind]),
                "customers": int(np.count_nonzero(log.per_customer(chosen))),
                "amount": float(np.nansum(log.amount[chosen])),
            }
        )
    return sorted(lines, key=lambda line: -line["n"])


def funnel(log: Log) -> dict[str, list[dict[str, Any]]]:
    """View, cart, purchase: by pairs of customer and item, and by visit.

    ``n`` has the step; ``reached`` has it and every step before that the shop records
    at all.
    """
    return {"pairs": _steps(log, log.pair), "sessions": _steps(log, log.visit)}


def paths(log: Log) -> dict[str, Any]:
    """The commonest ways through a visit, and how often one kind follows another.

    Equal kinds in a row count as one step.
    """
    own = np.flatnonzero(log.is_own)
    if not len(own):
        return {"visits": 0, "paths": [], "transitions": []}
    visit = log.visit[own]
    order = own[np.lexsort((log.kind[own], log.at[own], visit))]
    visit, kind = np.sort(visit), log.kind[order]
    new_step = starts(visit, kind)
    visit, kind = visit[new_step], kind[new_step]
    first = starts(visit)
    place = np.flatnonzero(first)
    position = np.arange(len(visit)) - place[np.cumsum(first) - 1]
    n_visits = len(place)
    follows = ~first[1:]
    pair = kind[:-1][follows] * _BASE + kind[1:][follows]
    return {
        "visits": n_visits,
        "paths": _common_paths(kind, position, np.cumsum(first) - 1, n_visits),
        "transitions": _transitions(pair, kind),
    }


def _steps(log: Log, holder: Ints) -> list[dict[str, Any]]:
    """Holders (pairs or visits, numbered; -1 is none) of each step."""
    steps: list[dict[str, Any]] = []
    n_holders = int(holder.max(initial=-1)) + 1
    reached = np.ones(n_holders, dtype=bool)
    for name in ("view", "cart", "purchase"):
        chosen = log.is_of(getattr(log.kinds, name)) & (holder >= 0)
        has = np.bincount(holder[chosen], minlength=n_holders) > 0
        n = int(has.sum())
        if n:
            reached &= has
        n_reached = int(reached.sum()) if n else 0
        steps.append({"step": name, "n": n, "reached": n_reached})
    return steps


def _common_paths(
    kind: Ints, position: Ints, visit: Ints, n_visits: int
) -> list[dict[str, Any]]:
    """Each visit's first steps as one number, a digit a step; then count numbers."""
    inside = position < PATH_STEPS
    digits = kind[inside] * _BASE ** (PATH_STEPS - 1 - position[inside])
    codes = np.zeros(n_visits, np.int64)
    np.add.at(codes, visit[inside], digits)
    longer = np.zeros(n_visits, np.int64)
    longer[visit[~inside]] = 1
    found, counts = np.unique(codes * 2 + longer, return_counts=True)
    top = np.argsort(-counts, kind="stable")[:MOST_PATHS]
    return [
        {
            "kinds": _digits(int(found[place]) // 2),
            "goes_on": bool(found[place] % 2),
            "n": int(counts[place]),
            "share": float(counts[place] / n_visits),
        }
        for place in top
    ]


def _transitions(pair: Ints, kind: Ints) -> list[dict[str, Any]]:
    """From → to with its share of all that came after ``from``, the end included."""
    found, counts = np.unique(pair, return_counts=True)
    of_kind = np.bincount(kind, minlength=_BASE)
    return [
        {
            "from": int(code // _BASE),
            "to": int(code % _BASE),
            "n": int(n),
            "share": float(n / of_kind[code // _BASE]),
        }
        for code, n in zip(found, counts, strict=True)
    ]


def _digits(code: int) -> list[int]:
    steps = [code // _BASE**place % _BASE for place in range(PATH_STEPS)]
    return [step for step in reversed(steps) if step]


def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=int(number))).isoformat()

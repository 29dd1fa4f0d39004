"""Behaviour at a glance: days, kinds, the way to a purchase, what follows what."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np

from segmentation.engine.quality.log import (
    EARLIEST,
    SESSION_GAP,
    Flags,
    Ints,
    Log,
    starts,
)

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
    pairs = log.customer * max(len(log.item_ids), 1) + log.item
    return {
        "pairs": _steps(log, pairs, log.item >= 0),
        "sessions": _steps(log, _visits(log), log.is_own),
    }


def paths(log: Log) -> dict[str, Any]:
    """The commonest ways through a visit, and how often one kind follows another.

    A visit is a session where the shop names it, else events of a customer with rests
    of at most half an hour. Equal kinds in a row count as one step.
    """
    own = np.flatnonzero(log.is_own)
    if not len(own):
        return {"visits": 0, "paths": [], "transitions": []}
    visit = _visits(log)[own]
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


def _steps(log: Log, keys: Ints, chosen: Flags) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    reached: Ints | None = None
    for name in ("view", "cart", "purchase"):
        have = np.unique(keys[chosen & log.is_of(getattr(log.kinds, name))])
        if len(have):
            reached = (
                have
                if reached is None
                else np.intersect1d(reached, have, assume_unique=True)
            )
        n_reached = len(reached) if len(have) and reached is not None else 0
        steps.append({"step": name, "n": len(have), "reached": n_reached})
    return steps


def _visits(log: Log) -> Ints:
    """A number for the visit that each event belongs to."""
    order = np.lexsort((log.at, log.session, log.customer))
    customer, session, at = log.customer[order], log.session[order], log.at[order]
    first = starts(customer, session)
    first[1:] |= (session[1:] == 0) & (np.diff(at) > SESSION_GAP)
    visits = np.empty(len(log), np.int64)
    visits[order] = np.cumsum(first) - 1
    return visits


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

"""Which ad a person sees: eligible ones by relevance x weight, drawn by a given chance.

The draws are passed in and logged, and so any decision can be replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from math import isfinite
from typing import Literal

# Fixed words: the pages say them in the reader's language.
Refusal = Literal[
    "paused",
    "outside dates",
    "not in segment",
    "excluded",
    "capped",
    "budget spent",
    "not relevant",
]


@dataclass(frozen=True)
class Candidate:
    """One ad as the decision sees it, counters included.

    `segments` empty: everybody. `cap`: how often one person may see it; `budget_left`:
    what remains of its budget; None: no limit.
    """

    ad_id: int
    relevance: float = 1.0
    weight: float = 1.0
    paused: bool = False
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    segments: frozenset[int] = frozenset()
    cap: int | None = None
    times_shown: int = 0
    budget_left: float | None = None


@dataclass(frozen=True)
class Visit:
    """Who is looking, and when."""

    now: datetime
    segments: frozenset[int] = frozenset()
    excluded: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Choice:
    """One chosen ad, its score, and the chance it had when it was drawn."""

    ad_id: int
    score: float
    propensity: float


@dataclass(frozen=True)
class Decision:
    """The ads for the slots, best-drawn first, and why each other was refused."""

    choices: tuple[Choice, ...] = ()
    refused: dict[int, Refusal] = field(default_factory=dict)


def decide(
    candidates: Sequence[Candidate], visit: Visit, draws: Sequence[float]
) -> Decision:
    """Return one ad per draw in [0, 1), without repetition, as far as there are ads.

    The candidates' order does not matter. ValueError for a draw outside [0, 1).
    """
    if not all(0 <= draw < 1 for draw in draws):
        raise ValueError("A draw must be within 0 and 1, 1 excluded.")
    refused: dict[int, Refusal] = {}
    eligible: list[tuple[int, float]] = []
    for candidate in sorted(candidates, key=lambda each: each.ad_id):
        reason = refusal(candidate, visit)
        if reason is None:
            eligible.append((candidate.ad_id, score(candidate)))
        else:
            refused[candidate.ad_id] = reason
    choices = []
    for draw in draws[: len(eligible)]:
        choice = _drawn(eligible, draw)
        choices.append(choice)
        eligible.remove((choice.ad_id, choice.score))
    return Decision(tuple(choices), refused)


def refusal(candidate: Candidate, visit: Visit) -> Refusal | None:
    """Return the first reason why this ad may not be shown now, or None."""
    if candidate.paused:
        return "paused"
    if not _running(candidate, visit.now):
        return "outside dates"
    if candidate.segments and candidate.segments.isdisjoint(visit.segments):
        return "not in segment"
    if candidate.ad_id in visit.excluded:
        return "excluded"
    if candidate.cap is not None and candidate.times_shown >= candidate.cap:
        return "capped"
    if candidate.budget_left is not None and candidate.budget_left <= 0:
        return "budget spent"
    # A score of 0, or none at all, means no: it must not be drawn by rounding.
    worth = score(candidate)
    return None if worth > 0 and isfinite(worth) else "not relevant"


def score(candidate: Candidate) -> float:
    """Return relevance x weight."""
    return candidate.relevance * candidate.weight


def _running(candidate: Candidate, now: datetime) -> bool:
    """Return whether now is within [starts_at, ends_at)."""
    started = candidate.starts_at is None or candidate.starts_at <= now
    return started and (candidate.ends_at is None or now < candidate.ends_at)


def _drawn(eligible: Sequence[tuple[int, float]], draw: float) -> Choice:
    """Return the ad whose part of the line from 0 to the scores' sum the draw hits."""
    edges = list(accumulate(worth for _, worth in eligible))
    total = edges[-1]
    for (ad_id, worth), edge in zip(eligible, edges, strict=True):
        if draw * total < edge:
            return Choice(ad_id, worth, worth / total)
    ad_id, worth = eligible[-1]  # draw x total was rounded up to the total
    return Choice(ad_id, worth, worth / total)

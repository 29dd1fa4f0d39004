"""Why this model and not that one, in words: quality, coverage, cost, freshness, doubt.

Each sentence says what was measured, and says so where the simple one is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from segmentation.models import ModelRun
from segmentation.templatetags.strata import duration, number, share, signed

MUCH = 1.5  # times as much, from which on a cost or a coverage is worth a word
STALE_DAYS = 1.0


@dataclass(frozen=True)
class Side:
    """A run as the sentences need it."""

    name: str
    run: ModelRun
    coverage: float | None
    is_simple: bool


def task_word(task: str) -> str:
    return {"again": _("again"), "discover": _("discover")}.get(task, task)


def why(ours: Side, theirs: Side, gain: Any) -> list[str]:
    """Sentences for the first and against the second, or the other way round.

    ``gain`` is how much better the first is on the same customers, or None.
    """
    told = [
        _quality(ours, theirs, gain),
        _coverage(ours, theirs),
        _cost(ours, theirs),
        _freshness(ours, theirs),
    ]
    return [sentence for sentence in told if sentence]


def _quality(ours: Side, theirs: Side, gain: Any) -> str:
    words = {"ours": ours.name, "theirs": theirs.name}
    if gain is None:
        text = _(
            "%(ours)s and %(theirs)s were not judged by the same weeks, so their "
            "figures cannot be compared in pairs."
        )
        return text % words
    words |= {
        "gain": signed(gain.mean, 4),
        "low": signed(gain.low, 4),
        "high": signed(gain.high, 4),
        "least": number(max((gain.high - gain.low) / 2, 0.0), 4),
    }
    if gain.low > 0:
        text = _(
            "%(ours)s ranks better than %(theirs)s on the same customers: %(gain)s "
            "NDCG@10 (%(low)s to %(high)s)."
        )
    elif gain.high < 0 and theirs.is_simple:
        text = _(
            "The simple %(theirs)s ranks better than %(ours)s on the same customers: "
            "%(gain)s NDCG@10 (%(low)s to %(high)s). Take the simple one."
        )
    elif gain.high < 0:
        text = _(
            "%(theirs)s ranks better than %(ours)s on the same customers: %(gain)s "
            "NDCG@10 (%(low)s to %(high)s)."
        )
    else:
        text = _(
            "%(ours)s and %(theirs)s cannot be told apart: %(gain)s NDCG@10 (%(low)s "
            "to %(high)s); a difference below about %(least)s would not be seen here."
        )
    return text % words


def _coverage(ours: Side, theirs: Side) -> str:
    mine, other = ours.coverage or 0.0, theirs.coverage or 0.0
    if not (mine and other) or max(mine, other) < MUCH * min(mine, other):
        return ""
    wide, narrow = (ours, theirs) if mine > other else (theirs, ours)
    text = _(
        "%(wide)s names %(much)s of the catalogue, %(narrow)s only %(little)s: more "
        "items get a chance to be seen."
    )
    return text % {
        "wide": wide.name,
        "narrow": narrow.name,
        "much": share(wide.coverage),
        "little": share(narrow.coverage),
    }


def _cost(ours: Side, theirs: Side) -> str:
    cost = [_seconds(each.run) or 0.0 for each in (ours, theirs)]
    memory = [each.run.peak_memory_mb for each in (ours, theirs)]
    if not all(cost) or max(cost) < MUCH * min(cost):
        return ""
    dear, cheap = (0, 1) if cost[0] > cost[1] else (1, 0)
    sides = (ours, theirs)
    words = {
        "dear": sides[dear].name,
        "cheap": sides[cheap].name,
        "long": duration(cost[dear]),
        "short": duration(cost[cheap]),
        "much": number(memory[dear]),
        "little": number(memory[cheap]),
    }
    if not all(memory):
        return (
            _("To learn once, %(dear)s takes %(long)s and %(cheap)s %(short)s.") % words
        )
    text = _(
        "To learn once, %(dear)s takes %(long)s and a process of %(much)s MB, "
        "%(cheap)s %(short)s and %(little)s MB."
    )
    return text % words


def _seconds(run: ModelRun) -> float | None:
    """What the last fit took, which every new training pays again."""
    value = run.timings.get("refit")
    return float(value) if isinstance(value, int | float) else None


def _freshness(ours: Side, theirs: Side) -> str:
    newest = [_newest(each.run) for each in (ours, theirs)]
    if newest[0] is None or newest[1] is None:
        return ""
    days = (newest[0] - newest[1]).total_seconds() / 86_400
    if abs(days) < STALE_DAYS:
        return ""
    fresh, old = (ours, theirs) if days > 0 else (theirs, ours)
    words = {"fresh": fresh.name, "old": old.name, "days": number(abs(days))}
    return _("%(fresh)s has learned from %(days)s more days than %(old)s.") % words


def _newest(run: ModelRun) -> datetime | None:
    told = run.snapshot.get("newest")
    return parse_datetime(told) if isinstance(told, str) else None

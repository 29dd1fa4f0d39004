"""May this run go live? Not when it serves the same customers worse than the live one.

Customers are compared with themselves: both runs ranked for them what they took in the
same period, after learning from what came before it. Where the training judged the live
run's parameters beside its own (``judged/live_…``) those numbers count; else what the
live run wrote when it was judged itself, if that was on the same period.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.engine.evaluation import intervals
from segmentation.models import ModelRun, Purpose
from segmentation.services import jobs, registry

Verdict = dict[str, Any]
SAME = ("test_from", "test_until", "min_lines")  # of the protocol: the same question


class GateClosed(jobs.Refused):
    """The run may not go live by itself; the sentence says why."""


def verdict(run: ModelRun) -> Verdict:
    """What the gate says of a run now: ``passed``, ``reason`` and the numbers.

    ``difference`` is NDCG@10 less that of the live run, {"mean", "low", "high"};
    ``coverage`` the share of the catalogue that the lists of the judged customers name.
    """
    task = task_of(run)
    rival = _rival(run)
    measured = run.metrics.get(task)
    found: Verdict = {
        "passed": True,
        "live_run": rival.pk if rival else None,
        "reason": _("Nothing is live for this purpose yet."),
        "difference": None,
        "coverage": measured["coverage"]["mean"] if _has_coverage(measured) else None,
    }
    if rival is not None:
        found |= _beside(run, rival, task)
    if found["passed"] and _has_coverage(measured):
        found |= _covering(measured)
    return found


def go_live(
    run: ModelRun, *, actor: Any = None, actor_name: str = "", overrule: str = ""
) -> ModelRun | None:
    """Make a run live if the gate lets it pass, or because of a reason to overrule it.

    Answers the run it replaced. GateClosed where neither holds; who may give a reason
    is for the door to ask.
    """
    found = verdict(run)
    if not found["passed"]:
        if not overrule.strip():
            raise GateClosed(found["reason"])
        by = actor.get_username() if actor else actor_name
        found["overruled"] = {
            "by": by,
            "reason": overrule.strip(),
            "at": timezone.now().isoformat(),
        }
    return registry.promote(
        run,
        actor=actor,
        actor_name=actor_name,
        gate=found,
        action="promote" if found["passed"] else "overrule_gate",
    )


def roll_back(run: ModelRun, *, actor: Any = None) -> ModelRun | None:
    """Make a run live again that was live before; the gate was asked at that time."""
    if not ModelRun.objects.filter(pk=run.pk, stage=ModelRun.Stage.RETIRED).exists():
        raise jobs.Refused(_("Only a run that was live before can be gone back to."))
    return registry.promote(run, actor=actor, action="roll_back")


def task_of(run: ModelRun) -> str:
    """By which ranking a run is judged: every purpose but "again" by discovery."""
    return "again" if run.purpose == Purpose.AGAIN else "discover"


def _rival(run: ModelRun) -> ModelRun | None:
    live = ModelRun.objects.filter(purpose=run.purpose, stage=ModelRun.Stage.LIVE)
    return live.exclude(pk=run.pk).first()


def _beside(run: ModelRun, rival: ModelRun, task: str) -> Verdict:
    """The paired test against the live run."""
    pair = _pair(run, rival, task)
    if pair is None:
        text = _(
            "It cannot be told whether it is worse than the live run %(run)s: there "
            "are no customers on whom both were judged in the same period."
        )
        return {"passed": False, "reason": text % {"run": rival}}
    ours, theirs = pair
    gain = intervals.paired(theirs, ours)
    passed = gain.high >= 0
    words = {
        "n": len(ours),
        "ours": f"{ours.mean():.4f}",
        "theirs": f"{theirs.mean():.4f}",
        "low": f"{gain.low:+.4f}",
        "high": f"{gain.high:+.4f}",
    }
    if not passed:
        text = _(
            "It is worse than the live run: NDCG@10 %(ours)s against %(theirs)s on the "
            "same %(n)d customers, difference %(low)s to %(high)s."
        )
    elif gain.low > 0:
        text = _(
            "It is better than the live run: NDCG@10 %(ours)s against %(theirs)s on "
            "the same %(n)d customers, difference %(low)s to %(high)s."
        )
    else:
        text = _(
            "It is not worse than the live run as far as one can tell: NDCG@10 "
            "%(ours)s against %(theirs)s on the same %(n)d customers, difference "
            "%(low)s to %(high)s."
        )
    difference = {name: round(value, 6) for name, value in gain._asdict().items()}
    return {"passed": passed, "reason": text % words, "difference": difference}


def _has_coverage(measured: Any) -> bool:
    return isinstance(measured, dict) and isinstance(measured.get("coverage"), dict)


def _covering(measured: dict[str, Any]) -> Verdict:
    """The floor, as a share of what lists of ten for so many people could name."""
    share, floor = measured["coverage"]["mean"], conf.gate_coverage()
    n_items, n_users = measured.get("n_items"), measured.get("n_users")
    most = min(1.0, 10 * n_users / n_items) if n_items and n_users else 1.0
    if share >= floor * most:
        return {}
    text = _(
        "Its lists name %(share)s %% of the catalogue; at least %(floor)s %% are "
        "wanted, or everybody is shown the same few items."
    )
    words = {"share": f"{100 * share:.2f}", "floor": f"{100 * floor * most:.2f}"}
    return {"passed": False, "reason": text % words}


def _pair(
    run: ModelRun, rival: ModelRun, task: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """NDCG of both for the same customers in the same order; None without any."""
    ours = _judged(run, task)
    if ours is None:
        return None
    theirs = _judged(run, task, "live_") if _was_beside(run, rival) else None
    if theirs is None and _is_same_question(run, rival):
        theirs = _judged(rival, task)
    if theirs is None:
        return None
    _both, at, rival_at = np.intersect1d(ours[0], theirs[0], return_indices=True)
    return (ours[1][at], theirs[1][rival_at]) if len(at) else None


def _was_beside(run: ModelRun, rival: ModelRun) -> bool:
    """Whether the rival is the run whose parameters were judged in the training."""
    told = run.metrics.get("live")
    return isinstance(told, dict) and told.get("run") == rival.pk


def _is_same_question(run: ModelRun, rival: ModelRun) -> bool:
    told = [[each.protocol.get(name) for name in SAME] for each in (run, rival)]
    return told[0] == told[1] and None not in told[0]


def _judged(
    run: ModelRun, task: str, whose: str = ""
) -> tuple[np.ndarray, np.ndarray] | None:
    """Ids of the judged customers and the NDCG of each; None where it is not known."""
    folder = _folder(run)
    try:
        ids = np.load(folder / f"{whose}{task}_user_ids.npy")
        ndcg = np.load(folder / f"{whose}{task}_ndcg.npy").astype(np.float64)
    except FileNotFoundError:
        return None
    known = ids > 0  # who was erased has none
    return ids[known], ndcg[known]


def _folder(run: ModelRun) -> Path:
    return registry.local_folder(run.artifact) / "judged"

"""Which artifacts are kept, and which folders nobody needs any more.

A run's row stays for ever: recipients and served lists say which run chose, and the row
says of what data, with which parameters, seed and code. Its artifact is kept while the
run is live, while something still works with it, and of each purpose for the last
STRATA_KEEP_RUNS runs and for the one that was live before. Killed anywhere, the next
sweep removes what is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from segmentation import conf
from segmentation.models import ListRefresh, ModelRun, Purpose, SegmentSet
from segmentation.services import artifacts, jobs

# What lies in the storage and no row names: left by a deed that was killed, or lists
# that were replaced. A process may have read the name just before.
GRACE_SECONDS = 600.0
REFRESHES_KEPT = timedelta(days=7)


@dataclass(frozen=True)
class Removed:
    n_runs: int  # rows that gave their artifact up
    n_folders: int


def sweep(now: datetime) -> Removed:
    """Remove what is not kept; twice, or from two processes at once, does no harm."""
    old = ListRefresh.objects.filter(finished_at__lt=now - REFRESHES_KEPT)
    old.filter(status=ListRefresh.Status.DONE).delete()
    n_runs = sum(_let_go(run) for purpose in Purpose.values for run in _spare(purpose))
    return Removed(n_runs, _remove_unnamed())


def kept(purpose: str) -> set[int]:
    """Runs of a purpose whose artifact stays."""
    rows = ModelRun.objects.filter(purpose=purpose).exclude(artifact="")
    done = rows.filter(status=ModelRun.Status.DONE).order_by("-pk")
    former = rows.filter(stage=ModelRun.Stage.RETIRED, promoted_at__isnull=False)
    return {
        *rows.filter(stage=ModelRun.Stage.LIVE).values_list("pk", flat=True),
        *done.values_list("pk", flat=True)[: max(conf.kept_runs(), 0)],
        *former.order_by("-promoted_at").values_list("pk", flat=True)[:1],
        *_at_work(rows),
    }


def _at_work(rows: Any) -> set[int]:
    """Runs that a deed works with, or that are not finished themselves."""
    sets = SegmentSet.objects.filter(status__in=jobs.UNFINISHED, run__isnull=False)
    return {
        *rows.filter(status__in=jobs.UNFINISHED).values_list("pk", flat=True),
        *sets.values_list("run_id", flat=True),
        *ListRefresh.objects.unfinished().values_list("run_id", flat=True),
    }


def _spare(purpose: str) -> list[ModelRun]:
    rows = ModelRun.objects.filter(purpose=purpose).exclude(artifact="")
    return list(rows.exclude(pk__in=kept(purpose)).only("pk", "artifact", "lists"))


def _let_go(run: ModelRun) -> int:
    """The row first: what it named is then removed as something that nobody names.

    One that goes live at the same moment keeps its artifact: whichever of the two
    updates comes second sees the other.
    """
    rows = ModelRun.objects.filter(pk=run.pk, artifact=run.artifact)
    return rows.exclude(stage=ModelRun.Stage.LIVE).update(artifact="", lists="")


def _remove_unnamed() -> int:
    found = artifacts.names()  # before the rows: a name that is written later is there
    named = set(ModelRun.objects.values_list("artifact", flat=True))
    named |= set(ModelRun.objects.values_list("lists", flat=True))
    busy = {
        *ModelRun.objects.unfinished().values_list("pk", flat=True),
        *ListRefresh.objects.unfinished().values_list("run_id", flat=True),
    }
    n = 0
    for name in found:
        run = _run_of(name)
        if name in named or not run:  # the host may keep other things there
            continue
        # Somebody at work on the run may be about to name it.
        border = artifacts.IDLE_SECONDS if run in busy else GRACE_SECONDS
        if artifacts.age_seconds(name) > border:
            artifacts.remove(name)
            n += 1
    return n


def _run_of(name: str) -> int:
    """The run that an artifact was made for, as its name begins; 0 for no artifact."""
    found = re.fullmatch(r"(\d+)-[0-9a-f]{8}", name)
    return int(found[1]) if found else 0

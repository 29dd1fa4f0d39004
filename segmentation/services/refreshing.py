"""New lists of a live run from newer behaviour, without learning anew.

Who did something since the lists were written is folded into the model; everybody
else's list is copied. What is popular moves with what those people have now and had not
then. The new lists are a folder of their own and are switched in with one update of the
row, together with the fence: a killed refresh leaves the former lists.

Memory is flat: customers go by in blocks, lists are merged from file to file. What an
import brings of long ago counts for popularity from the next training on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation import bulk, conf, frames, queries
from segmentation.engine import recommenders
from segmentation.engine.interactions import IdMap, Interactions
from segmentation.models import (
    KIND_WEIGHTS,
    ImportJob,
    ImportKind,
    Job,
    ListRefresh,
    ModelRun,
    Purpose,
)
from segmentation.services import artifacts, jobs, merging, registry
from segmentation.services.training import writing

BLOCK = 5000  # customers whose behaviour is read at a time
CELLS = 1 << 22  # of a matrix whose items are counted at a time
POPULAR = 500
OVERLAP = timedelta(minutes=1)  # an event is written after it happened
AFTER_FAILURE = timedelta(hours=6)  # or the same would be told every few minutes
BUYERS = "buyers"  # per item of the model how many had it, in refreshed lists


def due(now: datetime) -> list[ListRefresh]:
    """Queue a refresh of each live run that has something new to tell."""
    minutes = conf.refresh_minutes()
    if minutes <= 0:
        return []
    border = now - timedelta(minutes=minutes)
    live = ModelRun.objects.filter(stage=ModelRun.Stage.LIVE)
    queued = []
    for run in live:
        waits = registry.written_at(run) > border or _is_busy(run, border, now)
        if not waits and _is_any_newer(run):
            try:
                with transaction.atomic():
                    queued.append(ListRefresh.objects.create(run=run))
            except IntegrityError:  # another beat was first
                continue
    return queued


def _is_busy(run: ModelRun, border: datetime, now: datetime) -> bool:
    """One is under way, or one just was, or the last one failed a short while ago."""
    last = run.refreshes.order_by("-pk").first()
    if last is None:
        return False
    if last.status in jobs.UNFINISHED or last.created_at > border:
        return True
    return last.status == Job.Status.FAILED and last.created_at > now - AFTER_FAILURE


def refresh(job: ListRefresh, held: jobs.Held) -> None:
    """Make the lists of a run anew and switch them in; Refused where it cannot be."""
    run = job.run
    if not run.artifact:
        raise jobs.Refused(_("The artifact of this run is not kept any more."))
    read_at = timezone.now()
    held.progress(0, 3, unit="steps", message=_("Looking for newer behaviour"))
    changed = changed_since(registry.written_at(run) - OVERLAP)
    if not len(changed):
        _write(run, held, {"refreshed_at": read_at}, {"customers": 0})
        return
    try:
        model = registry.load_model(run)
    except (OSError, recommenders.artifact.BadArtifact) as error:
        text = _("The artifact of run %(run)d cannot be read: %(error)s")
        raise jobs.Refused(text % {"run": run.pk, "error": error}) from error
    with artifacts.new_artifact(run) as (folder, name):
        made = _Made(run, model, held, folder)
        made.fold(changed)
        made.write()
    _write(run, held, {"lists": name, "refreshed_at": read_at}, made.counts)


def _write(
    run: ModelRun, held: jobs.Held, fields: dict[str, Any], counts: dict[str, int]
) -> None:
    """The switch: nobody sees the one without the other, nor from a lost lease."""
    with transaction.atomic():
        held.guard()
        rows = ModelRun.objects.filter(pk=run.pk, artifact=run.artifact)
        if not rows.update(**fields):
            raise jobs.Refused(_("The artifact of this run is not kept any more."))
        held.write(counts=counts)


def changed_since(instant: datetime) -> np.ndarray:
    """Customers with behaviour newer than an instant, or that came in since; ascending.

    By the index of whose behaviour it is: one look for each identity.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT i.customer_id {_newer(instant)}")
        found = [np.fromiter((row[0] for row in cursor), np.int64)]
    imports = _imports_since(instant)
    if imports:
        listed = ", ".join(map(str, imports))
        table = bulk.read(
            "SELECT DISTINCT i.customer_id FROM segmentation_event e "
            "JOIN segmentation_identity i ON i.id = e.identity_id "
            f"WHERE e.import_id IN ({listed})"
        )
        found.append(table.column(0).to_numpy().astype(np.int64))
    left_out = queries.left_out()
    return np.setdiff1d(np.concatenate(found), left_out)


def _is_any_newer(run: ModelRun) -> bool:
    instant = registry.written_at(run)
    if _imports_since(instant):
        return True
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 {_newer(instant)} LIMIT 1")
        return cursor.fetchone() is not None


def _newer(instant: datetime) -> str:
    """FROM and WHERE of identities with a newer event that tells of interest."""
    text = connection.ops.adapt_datetimefield_value(instant)
    kinds = ", ".join(str(int(kind)) for kind in KIND_WEIGHTS)
    return (
        "FROM segmentation_identity i "
        "JOIN segmentation_customer c ON c.id = i.customer_id AND c.personalised "
        "WHERE EXISTS (SELECT 1 FROM segmentation_event e WHERE e.identity_id = i.id "
        f"AND e.occurred_at > '{text}' AND e.kind IN ({kinds}) "
        "AND e.item_id IS NOT NULL)"
    )


def _imports_since(instant: datetime) -> list[int]:
    rows = ImportJob.objects.filter(kind=ImportKind.EVENTS, status=Job.Status.DONE)
    new = rows.filter(finished_at__gt=instant, rows_new__gt=0, undone_at=None)
    return list(new.values_list("pk", flat=True))


@dataclass
class _Log:
    """Somebody's histories as a model that looks like one fitted on them."""

    model: recommenders.base.Recommender
    data: Interactions

    def recommend(self, rows: Any, n: int, *, exclude_seen: bool) -> Any:
        assert len(rows) == len(self.data.users), "all of the log at once"
        return self.model.recommend_log(self.data, n, exclude_seen=exclude_seen)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


class _Made:
    """The lists that are being made, in a folder that nobody sees yet."""

    def __init__(
        self,
        run: ModelRun,
        model: recommenders.base.Recommender,
        held: jobs.Held,
        folder: Path,
    ) -> None:
        self.run, self.model, self.held = run, model, held
        self.folder, self.target = folder, folder / "lists"
        self.former = registry.local_folder(run.lists or run.artifact) / "lists"
        self.buyers = self._counted()
        self.parts: list[Path] = []
        self.n_folded = self.n_changed = 0

    @property
    def counts(self) -> dict[str, int]:
        return {"customers": self.n_changed, "folded_in": self.n_folded}

    def fold(self, changed: np.ndarray) -> None:
        """Fold block after block of people in; count what they have now."""
        self.n_changed = len(changed)
        is_folded = self.run.purpose != Purpose.SIMILAR and self.model.folds_log
        for start in range(0, len(changed), BLOCK):
            self.held.progress(start, len(changed), message=_("Folding in"))
            ids = changed[start : start + BLOCK]
            with frames.only_of(ids):
                data = self._count(frames.interest())
                if is_folded and len(data.users):
                    part = self.folder / f"part-{start}"
                    model: Any = _Log(self.model, data)
                    writing.write_lists(self.run, model, data, part)
                    self.parts.append(part)
                    self.n_folded += len(data.users)

    def write(self) -> None:
        """Merge the parts with the former lists, and add what is popular now."""
        self.held.progress(self.n_changed, self.n_changed, message=_("Writing lists"))
        merging.merge(self.former, self.parts, self.target)
        items = np.asarray(self.model.items_.ids)
        popular = items[np.argsort(-self.buyers, kind="stable")[:POPULAR]]
        np.save(self.target / "popular_ids.npy", popular.astype(np.int64))
        np.save(self.target / f"{BUYERS}.npy", self.buyers)
        for part in self.parts:
            merging.drop(part)

    def _counted(self) -> np.ndarray:
        """How many had each item by the former lists, else by the model."""
        path = self.former / f"{BUYERS}.npy"
        if path.exists():
            return np.load(path)
        counts = np.zeros(len(self.model.items_), np.int64)
        for block in _blocks(self.model.user_items_.indices):
            counts += np.bincount(block, minlength=len(counts))
        return counts

    def _count(self, known: frames.Interest) -> Interactions:
        """Who has what now; what they had at the former look is not counted again."""
        items = IdMap(np.asarray(self.model.items_.ids))
        now = Interactions.from_frame(known.as_of(), items=items)
        then = known.as_of(registry.written_at(self.run) - OVERLAP)
        for sign, log in ((1, now), (-1, Interactions.from_frame(then, items=items))):
            had = log.user_items.indices
            self.buyers += sign * np.bincount(had, minlength=len(items))
        return now


def _blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(values), CELLS):
        yield values[start : start + CELLS]

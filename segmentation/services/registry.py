"""Artifacts and what is live: a folder of arrays for each run, switched in one step.

An artifact is written to a folder of its own and named by the row only when it is
whole. Where the storage is not a directory of this host, a copy is kept on local disk
and memory-mapped from there.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files import File
from django.core.files.storage import FileSystemStorage, InvalidStorageError, storages
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.engine import recommenders
from segmentation.models import ModelRun, Purpose
from segmentation.services import audit, jobs

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0  # how long a process may serve the former run after a switch
INDEX = "files.json"
NEW = "new-artifact-"
HEAVY = {"ncf"}  # needs TensorFlow, which no web process loads
MORE_LISTS = (
    "habit",
    "last_bought",
    "reason_ids",
    "rebuy_item_ids",
    "rebuy_days",
    "together_ids",
    "together_scores",
)
IDLE_SECONDS = 86_400.0  # what nobody wrote for so long, nobody is writing


@dataclass(frozen=True)
class Lists:
    """Precomputed lists of one run, memory-mapped; ``owner_ids`` ascending.

    Owners are customers, or items for the purpose ``similar``.
    """

    run_id: int
    algorithm: str
    owner_ids: np.ndarray
    item_ids: np.ndarray  # owners × length, our item ids, 0 pads
    scores: np.ndarray
    popular_ids: np.ndarray
    written_at: datetime | None = None  # of what came later the lists know nothing
    data_params: dict[str, Any] = field(default_factory=dict)
    # Of each place: had it before, when last (days since 1970), what speaks for it.
    habit: np.ndarray | None = None
    last_bought: np.ndarray | None = None
    reason_ids: np.ndarray | None = None
    rebuy_item_ids: np.ndarray | None = None
    rebuy_days: np.ndarray | None = None
    together_ids: np.ndarray | None = None  # items that stand in the same baskets
    together_scores: np.ndarray | None = None

    def row(self, owner_id: int) -> int:
        """Row of one owner, -1 where the run does not know it."""
        at = int(self.owner_ids.searchsorted(owner_id))
        found = at < len(self.owner_ids) and self.owner_ids[at] == owner_id
        return at if found else -1

    def rebuy_days_of(self, item_ids: np.ndarray) -> np.ndarray:
        """Usual days between two purchases of one customer; NaN where unknown."""
        known, days = self.rebuy_item_ids, self.rebuy_days
        if known is None or days is None or not len(known):
            return np.full(len(item_ids), np.nan)
        at = np.searchsorted(known, item_ids).clip(max=len(known) - 1)
        return np.where(known[at] == item_ids, days[at], np.nan)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Row of each owner, -1 where the run does not know it."""
        if not len(self.owner_ids):
            return np.full(len(ids), -1)
        at = np.searchsorted(self.owner_ids, ids).clip(max=len(self.owner_ids) - 1)
        return np.where(self.owner_ids[at] == ids, at, -1)


@contextmanager
def new_artifact(run: ModelRun) -> Iterator[tuple[Path, str]]:
    """A folder to write into, and the name it is published under when all went well."""
    name = f"{run.pk}-{uuid.uuid4().hex[:8]}"
    conf.home().mkdir(parents=True, exist_ok=True)
    _remove_idle(conf.home().glob(f"{NEW}*"))  # a killed training could not
    folder = Path(tempfile.mkdtemp(prefix=NEW, dir=conf.home()))
    try:
        yield folder, name
        _publish(folder, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_model(run: ModelRun) -> recommenders.base.Recommender:
    """The fitted model of a run."""
    return recommenders.load(local_folder(run.artifact) / "model")


def local_folder(name: str) -> Path:
    """The artifact on this host's disk, copied there first if need be."""
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        return Path(storage.path(name))
    target = conf.home() / "artifact-copies" / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="copy-", dir=target.parent))
        try:
            _copy(storage, name, folder)
            with contextlib.suppress(OSError):
                folder.rename(target)  # or another process was first: as good
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        _drop_copies(target.parent)
    return target


def _drop_copies(folder: Path) -> None:
    """Remove this host's old copies of what is not live; they can be made again."""
    live = ModelRun.objects.filter(stage=ModelRun.Stage.LIVE)
    named = set(live.values_list("artifact", flat=True))
    _remove_idle(path for path in folder.iterdir() if path.name not in named)


def _remove_idle(folders: Iterable[Path]) -> None:
    """Remove folders that nobody has written to for a day; who reads on may do so."""
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > IDLE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _copy(storage: Any, name: str, folder: Path) -> None:
    with storage.open(f"{name}/{INDEX}") as file:
        index = json.load(file)
    for inner in index:
        path = folder / inner
        path.parent.mkdir(parents=True, exist_ok=True)
        with storage.open(f"{name}/{inner}") as source, path.open("wb") as copy:
            shutil.copyfileobj(source, copy, 2**20)


def promote(run: ModelRun, *, actor: Any = None) -> ModelRun | None:
    """Make a run the live one of its purpose; answers the run it replaced.

    Also the way back: any kept run can be promoted again.
    """
    with transaction.atomic():
        rivals = ModelRun.objects.filter(purpose=run.purpose)
        # Two promotions at once: the second waits here and then sees the first's run.
        list(rivals.select_for_update().order_by("pk").values_list("pk"))
        # Asked of the row: a deed that is tried again would change what is live.
        finished = rivals.filter(pk=run.pk, status=ModelRun.Status.DONE)
        if not finished.exclude(artifact="").exists():
            raise jobs.Refused(
                _("This run has no artifact; only a finished one can live.")
            )
        former = rivals.filter(stage=ModelRun.Stage.LIVE).exclude(pk=run.pk).first()
        rivals.filter(stage=ModelRun.Stage.LIVE).exclude(pk=run.pk).update(
            stage=ModelRun.Stage.RETIRED
        )
        run.stage = ModelRun.Stage.LIVE
        run.promoted_at = timezone.now()
        run.save(update_fields=["stage", "promoted_at"])
        changes = {"live run": [former.pk if former else None, run.pk]}
        audit.record(actor, "promote", run, changes)
    _cache.clear()
    return former


def gate(run: ModelRun) -> dict[str, Any]:
    """Whether a run may go live: on validation it is not worse than the live one."""
    task = "again" if run.purpose == Purpose.AGAIN else "discover"
    live = ModelRun.objects.filter(purpose=run.purpose, stage=ModelRun.Stage.LIVE)
    rival = live.exclude(pk=run.pk).first()
    verdict: dict[str, Any] = {"live_run": rival.pk if rival else None, "passed": True}
    if rival is None:
        verdict["reason"] = _("Nothing is live for this purpose yet.")
        return verdict
    ours, theirs = (_validated(each, task) for each in (run, rival))
    verdict["passed"] = theirs is None or (ours is not None and ours >= theirs)
    verdict["reason"] = _(
        "NDCG@10 on validation: %(ours)s, the live run %(theirs)s."
    ) % {"ours": ours, "theirs": theirs}
    return verdict


def _validated(run: ModelRun, task: str) -> float | None:
    result = run.metrics.get("validation", {}).get(task)
    return result["ndcg"]["mean"] if result else None


def live_lists(purpose: str) -> Lists | None:
    """The lists of the live run, as this process knows it since at most 2 s."""
    now = time.monotonic()
    checked, lists = _cache.get(purpose, (0.0, None))
    if checked and now - checked < CHECK_SECONDS:
        return lists
    with _lock:
        seen, lists = _cache.get(purpose, (0.0, None))
        if seen == checked:  # nobody looked while we waited
            lists = _current(purpose, lists)
            _cache[purpose] = (now, lists)
    return lists


def live_model(purpose: str) -> recommenders.base.Recommender | None:
    """The model of the lists that are served; None where it would load TensorFlow."""
    lists = live_lists(purpose)
    if lists is None:
        return None
    kept = _models.get(purpose)
    if kept is None or kept[0] != lists.run_id:
        with _lock:
            kept = _models[purpose] = (lists.run_id, _light_model(lists.run_id))
    return kept[1]


def _light_model(run_id: int) -> recommenders.base.Recommender | None:
    run = ModelRun.objects.only("algorithm", "chosen_params", "artifact").get(pk=run_id)
    names = {run.algorithm, *run.chosen_params.get("members", ())}
    if names & HEAVY:
        return None
    try:
        return load_model(run)
    except (OSError, recommenders.artifact.BadArtifact):
        log.exception("the model of run %s cannot be read", run_id)
        return None


def _current(purpose: str, former: Lists | None) -> Lists | None:
    run = (
        ModelRun.objects.filter(purpose=purpose, stage=ModelRun.Stage.LIVE)
        .only("pk", "algorithm", "artifact", "started_at", "chosen_params")
        .first()
    )
    if run is None or (former is not None and former.run_id == run.pk):
        return former if run else None
    try:
        return _mapped(run)
    except OSError:  # a storefront gets the former lists rather than an error
        log.exception("the artifact of run %s cannot be read", run.pk)
        return former


_cache: dict[str, tuple[float, Lists | None]] = {}
_models: dict[str, tuple[int, recommenders.base.Recommender | None]] = {}
_lock = threading.Lock()


def _mapped(run: ModelRun) -> Lists:
    folder = local_folder(run.artifact) / "lists"
    names = ("owner_ids", "item_ids", "scores", "popular_ids")
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    for name in MORE_LISTS:
        path = folder / f"{name}.npy"
        if path.exists():  # an older artifact has fewer of them
            arrays[name] = np.load(path, mmap_mode="r")
    return Lists(
        run_id=run.pk,
        algorithm=run.algorithm,
        written_at=run.started_at,  # what it was learned from was read right after
        data_params=run.chosen_params.get("data") or {},
        **arrays,
    )


def _publish(folder: Path, name: str) -> None:
    files = sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )
    (folder / INDEX).write_text(json.dumps(files))
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        target = Path(storage.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        shutil.move(folder, target)  # a copy where the storage is another disk
        return
    for inner in [*files, INDEX]:
        with (folder / inner).open("rb") as file:
            storage.save(f"{name}/{inner}", File(file))


def is_on_this_disk() -> bool:
    """Whether artifacts are folders that can be changed where they lie."""
    return isinstance(_storage(), FileSystemStorage)


def _storage() -> Any:
    """The host's storage named "artifacts", else a folder under STRATA_HOME."""
    try:
        return storages["artifacts"]
    except InvalidStorageError:
        return FileSystemStorage(location=conf.home() / "artifacts")

"""What is live: one run of a purpose, its lists and its model, switched in one step.

Every process asks the row at most every two seconds and maps what it names; one answer
never mixes two runs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

import numpy as np
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation.engine import recommenders
from segmentation.models import ModelRun
from segmentation.services import audit, jobs
from segmentation.services.artifacts import (
    INDEX,
    NEW,
    is_on_this_disk,
    local_folder,
    new_artifact,
)

__all__ = [
    "INDEX",
    "NEW",
    "Lists",
    "is_on_this_disk",
    "live_lists",
    "live_model",
    "load_model",
    "local_folder",
    "new_artifact",
    "promote",
    "read_lists",
]

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0  # how long a process may serve the former run after a switch

# Beside the lists themselves; an older artifact has fewer of them.
MORE_LISTS = (
    "habit",
    "last_bought",
    "reason_ids",
    "rebuy_item_ids",
    "rebuy_days",
    "together_ids",
    "together_scores",
)

T = TypeVar("T")


@dataclass(frozen=True)
class Lists:
    """Precomputed lists of one run, memory-mapped; ``owner_ids`` ascending.

    Owners are customers, or items for the purpose ``similar``. ``written_at`` is when
    the behaviour that they were made from was read: whoever did something later has
    more to tell than their list knows.
    """

    run_id: int
    algorithm: str
    owner_ids: np.ndarray
    item_ids: np.ndarray  # owners × length, our item ids, 0 pads
    scores: np.ndarray
    popular_ids: np.ndarray
    written_at: datetime
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


def load_model(run: ModelRun) -> recommenders.base.Recommender:
    """The fitted model of a run, memory-mapped; none needs TensorFlow to answer."""
    return recommenders.load(local_folder(run.artifact) / "model")


def read_lists(run: ModelRun) -> Lists:
    """The lists that a run is served from: its own, or those of its last refresh."""
    folder = local_folder(run.lists or run.artifact) / "lists"
    names = ("owner_ids", "item_ids", "scores", "popular_ids")
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    for name in MORE_LISTS:
        path = folder / f"{name}.npy"
        if path.exists():
            arrays[name] = np.load(path, mmap_mode="r")
    return Lists(
        run_id=run.pk,
        algorithm=run.algorithm,
        written_at=written_at(run),
        data_params=run.chosen_params.get("data") or {},
        **arrays,
    )


def written_at(run: ModelRun) -> datetime:
    """When the behaviour was read that a run's lists were made from, at the latest."""
    return run.refreshed_at or run.started_at or run.created_at


def promote(
    run: ModelRun,
    *,
    actor: Any = None,
    actor_name: str = "",
    gate: dict[str, Any] | None = None,
    action: str = "promote",
) -> ModelRun | None:
    """Make a run the live one of its purpose; answers the run it replaced.

    Also the way back: any kept run can be promoted again. With a ``gate`` that was
    asked before, Refused where another run went live meanwhile.
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
        changes: dict[str, Any] = {
            "live run": [former.pk if former else None, run.pk],
        }
        if gate is not None:
            if gate["live_run"] != (former.pk if former else None):
                raise jobs.Refused(
                    _("Another run went live meanwhile; look at the gate again.")
                )
            changes["gate"] = [None, gate["reason"]]
            if "overruled" in gate:
                changes["overruled because"] = [None, gate["overruled"]["reason"]]
            run.gate = gate
        rivals.filter(stage=ModelRun.Stage.LIVE).exclude(pk=run.pk).update(
            stage=ModelRun.Stage.RETIRED
        )
        run.stage = ModelRun.Stage.LIVE
        run.promoted_at = timezone.now()
        fields = ["stage", "promoted_at", *(["gate"] if gate is not None else [])]
        run.save(update_fields=fields)
        audit.record(actor, action, run, changes, actor_name=actor_name)
    _lists.forget()
    _models.forget()
    return former


def live_lists(purpose: str) -> Lists | None:
    """The lists of the live run, as this process knows it since at most 2 s."""
    return _lists.get(purpose)


def live_model(purpose: str) -> recommenders.base.Recommender | None:
    """The model of the live run, memory-mapped, as this process knows it.

    None where nothing is live or its artifact cannot be read.
    """
    return _models.get(purpose)


class _Known(Generic[T]):
    """One thing of the live run of each purpose, looked after every 2 s.

    ``name`` says which of two is the newer, ``read`` fetches it. What cannot be read
    leaves the former in place: a storefront gets that rather than an error.
    """

    def __init__(
        self, name: Callable[[ModelRun], object], read: Callable[[ModelRun], T]
    ) -> None:
        self._name, self._read = name, read
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, object, T | None]] = {}

    def get(self, purpose: str) -> T | None:
        now = time.monotonic()
        checked, _name, found = self._found.get(purpose, (0.0, None, None))
        if checked and now - checked < CHECK_SECONDS:
            return found
        with self._lock:
            seen, name, found = self._found.get(purpose, (0.0, None, None))
            if seen == checked:  # nobody looked while we waited
                name, found = self._look(purpose, name, found)
                self._found[purpose] = (now, name, found)
        return found

    def _look(
        self, purpose: str, name: object, found: T | None
    ) -> tuple[object, T | None]:
        rows = ModelRun.objects.filter(purpose=purpose, stage=ModelRun.Stage.LIVE)
        run = rows.only(*_NEEDED).first()
        if run is None:
            return None, None
        if found is not None and self._name(run) == name:
            return name, found
        try:
            return self._name(run), self._read(run)
        except (OSError, recommenders.artifact.BadArtifact):
            log.exception("the artifact of run %s cannot be read", run.pk)
            return name, found

    def expire(self) -> None:
        """Look again at the next question, and keep what there is until then."""
        self._found = {
            purpose: (-CHECK_SECONDS, name, found)
            for purpose, (_at, name, found) in self._found.items()
        }

    def forget(self) -> None:
        self._found.clear()


_NEEDED = (
    "algorithm",
    "artifact",
    "chosen_params",
    "lists",
    "created_at",
    "started_at",
    "refreshed_at",
)
_lists = _Known(lambda run: (run.pk, run.artifact, run.lists), read_lists)
_models = _Known(lambda run: (run.pk, run.artifact), load_model)


def forget() -> None:
    """Know nothing, as a new process: for what rolls rows back, such as tests."""
    _lists.forget()
    _models.forget()

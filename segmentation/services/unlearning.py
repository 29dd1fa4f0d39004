"""What models keep of a person who is erased: made unknown, in every stored run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from django.utils.translation import gettext as _

from segmentation.engine.recommenders import artifact
from segmentation.models import ModelRun, Purpose
from segmentation.services import registry


@dataclass
class Unlearned:
    """Runs that knew the person, and sentences about what could not be reached."""

    n_runs: int = 0
    remains: list[str] = field(default_factory=list)


def forget(customer_ids: Collection[int]) -> Unlearned:
    """Drop customers from the lists and models of every run; twice does no harm.

    What others were given because of them (the vectors of items, neighbours) stays: it
    is a sum over everybody and names nobody.
    """
    done = Unlearned()
    ids = np.array(sorted(customer_ids), np.int64)
    stored = ModelRun.objects.exclude(artifact="")
    for run in stored.only("pk", "artifact", "lists", "purpose"):
        if not registry.is_on_this_disk():
            done.remains.append(
                _("Run %(run)d lies in an object store and still has their row.")
                % {"run": run.pk}
            )
            continue
        try:
            folder = registry.local_folder(run.artifact)
            _drop_judged(folder / "judged", ids)
            known = artifact.forget(folder / "model", ids)
            if run.purpose != Purpose.SIMILAR:
                known += _drop_lists(folder / "lists", ids)
                if run.lists:
                    refreshed = registry.local_folder(run.lists)
                    known += _drop_lists(refreshed / "lists", ids)
            done.n_runs += known > 0
        except FileNotFoundError:  # removed by age or by hand: nothing is kept there
            continue
        except (OSError, ValueError) as error:
            words = {"run": run.pk, "error": error}
            text = _("The artifact of run %(run)d cannot be changed: %(error)s")
            done.remains.append(text % words)
    return done


def _drop_judged(folder: Path, ids: np.ndarray) -> None:
    """What a judged customer got stays, as that of nobody."""
    for path in folder.glob("*_user_ids.npy"):
        judged = np.load(path, mmap_mode="r+")
        if not judged.size:
            continue
        rows = np.flatnonzero(np.isin(judged, ids))
        judged[rows] = -1 - rows
        judged.flush()


def _drop_lists(folder: Path, ids: np.ndarray) -> int:
    """Owners stay in ascending order: who goes gets the id of the one before."""
    owners = np.load(folder / "owner_ids.npy", mmap_mode="r+")
    n_known = 0
    for number in ids.tolist():
        first, end = np.searchsorted(owners, [number, number + 1])
        if first == end:
            continue
        for name in ("item_ids", "scores"):
            array = np.load(folder / f"{name}.npy", mmap_mode="r+")
            array[first:end] = 0
            array.flush()
        owners[first:end] = owners[first - 1] if first else 0
        n_known += 1
    owners.flush()
    return n_known

"""The lists of a run, as arrays of its artifact."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np

from segmentation.engine import recommenders
from segmentation.engine.interactions import Interactions
from segmentation.models import ModelRun, Purpose

LIST_LENGTH = 50
SIMILAR_LENGTH = 20
NETWORKS = ("ncf", "towers")


def write_lists(
    run: ModelRun,
    model: recommenders.base.Recommender,
    data: Interactions,
    folder: Path,
) -> None:
    folder.mkdir(parents=True)
    if run.purpose == Purpose.SIMILAR:
        owners = data.items.ids
        top = model.similar_items(np.arange(len(owners)), SIMILAR_LENGTH)
    else:
        owners = data.users.ids
        top = model.recommend(
            np.arange(len(owners)),
            LIST_LENGTH,
            exclude_seen=run.purpose != Purpose.AGAIN,
        )
    order = np.argsort(owners)
    # -1 must not index the last item: unknown places become id 0, which is nobody's.
    ids = np.where(top.items >= 0, data.items.ids[top.items], 0)
    buyers = np.bincount(data.user_items.indices, minlength=len(data.items))
    popular = data.items.ids[np.argsort(-buyers, kind="stable")[:500]]
    np.save(folder / "owner_ids.npy", owners[order].astype(np.int64))
    np.save(folder / "item_ids.npy", ids[order].astype(np.int64))
    np.save(folder / "scores.npy", top.scores[order].astype(np.float32))
    np.save(folder / "popular_ids.npy", popular.astype(np.int64))


def write_logs(run: ModelRun, curve: list[dict[str, float]], folder: Path) -> None:
    """The curves of a network for TensorBoard; other methods need no TensorFlow."""
    if run.algorithm in NETWORKS and curve:
        # Imported here: TensorFlow is in the process that trained, and in no other.
        import_module("segmentation.engine.recommenders.eventlog").write(folder, curve)

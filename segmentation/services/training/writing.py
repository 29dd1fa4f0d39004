"""The lists of a run, as arrays of its artifact."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np

from segmentation import frames
from segmentation.engine import baskets, recommenders
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders.topn import TopN
from segmentation.models import ModelRun, Purpose

LIST_LENGTH = 50
SIMILAR_LENGTH = 20
REASONED = 10  # places of each list whose reason is worked out beforehand
REASON_ROWS = 20_000  # places at a time
NETWORKS = ("ncf", "towers")


def write_lists(
    run: ModelRun,
    model: recommenders.base.Recommender,
    data: Interactions,
    folder: Path,
) -> None:
    """Write the lists of every customer (or item), and what serving knows of them.

    Owners ascend. Rows of ``habit``, ``last_bought`` and ``reason_ids`` belong to those
    of ``item_ids``.
    """
    folder.mkdir(parents=True)
    if run.purpose == Purpose.SIMILAR:
        owners = data.items.ids
        top = model.similar_items(np.arange(len(owners)), SIMILAR_LENGTH)
        more = _together(owners)
    else:
        owners = data.users.ids
        top = model.recommend(
            np.arange(len(owners)),
            LIST_LENGTH,
            exclude_seen=run.purpose != Purpose.AGAIN,
        )
        more = _about_places(model, data, top)
        if run.purpose == Purpose.AGAIN:
            more |= _bought_before(owners, data.items.ids, top)
    order = np.argsort(owners)
    # -1 must not index the last item: unknown places become id 0, which is nobody's.
    ids = np.where(top.items >= 0, data.items.ids[top.items], 0)
    buyers = np.bincount(data.user_items.indices, minlength=len(data.items))
    popular = data.items.ids[np.argsort(-buyers, kind="stable")[:500]]
    np.save(folder / "owner_ids.npy", owners[order].astype(np.int64))
    np.save(folder / "item_ids.npy", ids[order].astype(np.int64))
    np.save(folder / "scores.npy", top.scores[order].astype(np.float32))
    np.save(folder / "popular_ids.npy", popular.astype(np.int64))
    for name, array in more.items():
        per_owner = not name.startswith("rebuy")
        np.save(folder / f"{name}.npy", array[order] if per_owner else array)


def _about_places(
    model: recommenders.base.Recommender, data: Interactions, top: TopN
) -> dict[str, np.ndarray]:
    """Whether each place is a habit, and what in the history speaks most for it."""
    n_items = np.int64(len(data.items))
    named = top.items >= 0
    owner = np.repeat(np.arange(len(top.items)), top.items.shape[1]).reshape(
        top.items.shape
    )
    had = data.user_items
    keys = np.repeat(np.arange(had.shape[0]), np.diff(had.indptr)) * n_items
    keys += had.indices  # ascending, as the matrix is sorted
    wanted = owner * n_items + top.items
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    found = {"habit": named & (keys[at] == wanted)}
    if model.has_reasons:
        found["reason_ids"] = _reasons(model, data, top)
    return found


def _reasons(
    model: recommenders.base.Recommender, data: Interactions, top: TopN
) -> np.ndarray:
    """The item of the history that speaks most for each of the first places, else 0."""
    found = np.zeros(top.items.shape, np.int64)
    owner, place = np.nonzero(top.items[:, :REASONED] >= 0)
    for start in range(0, len(owner), REASON_ROWS):
        who, where = (
            owner[start : start + REASON_ROWS],
            place[start : start + REASON_ROWS],
        )
        listed = top.items[who, where]
        best = model.reasons(data.user_items[who], listed, 1).items[:, 0]
        # That somebody chose a thing because they chose it before is no reason.
        told = (best >= 0) & (best != listed)
        found[who[told], where[told]] = data.items.ids[best[told]]
    return found


def _bought_before(
    owners: np.ndarray, item_ids: np.ndarray, top: TopN
) -> dict[str, np.ndarray]:
    """When each place was bought last, and each item's usual time until the next."""
    bought = frames.purchases().to_pandas()
    days = (bought["at"] / frames.SECONDS_A_DAY).to_numpy()
    who, what = bought["user_id"].to_numpy(), bought["item_id"].to_numpy()
    ids, usual = baskets.usual_days(who, what, days)
    last = baskets.last_days(who, what, days)
    listed = np.where(top.items >= 0, item_ids[top.items], 0)
    return {
        "rebuy_item_ids": ids.astype(np.int64),
        "rebuy_days": usual.astype(np.float32),
        "last_bought": last.of(owners[:, None], listed).astype(np.float64),
    }


def _together(item_ids: np.ndarray) -> dict[str, np.ndarray]:
    """Of each item those that stand in the same baskets more often than by chance."""
    bought = frames.purchases().to_pandas()
    day = (bought["at"] // frames.SECONDS_A_DAY).astype(np.int64)
    order = bought["order_key"]
    # Without an order, what one customer bought in a day is taken for a basket.
    basket = bought.assign(day=day.where(order == 0, -1)).groupby(
        ["user_id", "order_key", "day"], sort=False
    )
    top = baskets.together(
        basket.ngroup().to_numpy(),
        bought["item_id"].to_numpy(),
        item_ids,
        SIMILAR_LENGTH,
    )
    return {
        "together_ids": np.where(top.items >= 0, item_ids[top.items], 0),
        "together_scores": top.scores,
    }


def write_logs(run: ModelRun, curve: list[dict[str, float]], folder: Path) -> None:
    """The curves of a network for TensorBoard; other methods need no TensorFlow."""
    if run.algorithm in NETWORKS and curve:
        # Imported here: TensorFlow is in the process that trained, and in no other.
        import_module("segmentation.engine.recommenders.eventlog").write(folder, curve)

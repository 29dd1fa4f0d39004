"""Two runs on the same customers: what each of them got, from their artifacts."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from segmentation.engine import evaluation
from segmentation.engine.evaluation import Interval
from segmentation.models import ModelRun
from segmentation.services import registry

SAME = ("test_from", "test_until", "min_lines")  # of the protocol: the same question
FEWEST = 2  # customers that both were judged on


def difference(run: ModelRun, other: ModelRun, task: str) -> Interval | None:
    """NDCG@10 of a run less that of another, pair by pair; None where they cannot be.

    They can where both were judged by the same weeks.
    """
    told = [[each.protocol.get(name) for name in SAME] for each in (run, other)]
    if told[0] != told[1] or None in told[0]:
        return None
    ours, theirs = (_values(each.artifact, task) for each in (run, other))
    if ours is None or theirs is None:
        return None
    both, at, there = np.intersect1d(ours[0], theirs[0], return_indices=True)
    if len(both) < FEWEST:
        return None
    return evaluation.paired(theirs[1][there], ours[1][at])


@lru_cache(maxsize=128)  # an artifact never changes, its name is never used again
def _values(artifact: str, task: str) -> tuple[np.ndarray, np.ndarray] | None:
    if not artifact:
        return None
    folder = registry.local_folder(artifact) / "judged"
    try:
        ids = np.load(folder / f"{task}_user_ids.npy", allow_pickle=False)
        values = np.load(folder / f"{task}_ndcg.npy", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return (ids, values.astype(np.float64)) if len(ids) == len(values) else None

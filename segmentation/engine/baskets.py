"""What purchases say: usual gaps, last times, what goes together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.topn import TopN

MIN_GAPS = 5  # fewer say nothing about what is usual
MIN_BASKETS = 3  # that two items share
SHRINKAGE = 10.0  # baskets: a likeness that rests on few of them counts less


def usual_days(
    users: ArrayLike, items: ArrayLike, days: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Items (ascending) and the days that mostly pass until they are bought again.

    It is the lower quartile of the gaps between two purchases of one customer: within
    it three of four have not bought again. Purchases of one day are one.
    """
    who, what, when = _ordered(users, items, np.floor(np.asarray(days, np.float64)))
    same = (who[1:] == who[:-1]) & (what[1:] == what[:-1])
    gaps, of = np.diff(when)[same], what[1:][same]
    of, gaps = of[gaps > 0], gaps[gaps > 0]
    order = np.lexsort((gaps, of))
    ids, first, counts = np.unique(of[order], return_index=True, return_counts=True)
    quartile = gaps[order][first + (counts - 1) // 4]
    enough = counts >= MIN_GAPS
    return ids[enough], quartile[enough]


@dataclass(frozen=True, eq=False)
class LastDays:
    """When each pair was last; users and items ascending."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    keys: NDArray[np.int64]  # user position x items + item position, ascending
    days: NDArray[np.float64]

    def of(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """The day of each pair (broadcast), -inf where there was none."""
        who, what = np.broadcast_arrays(users, items)
        user, known = _positions(self.users, who)
        item, there = _positions(self.items, what)
        key = user * len(self.items) + item
        at, found = _positions(self.keys, key)
        there = there & known & found
        if not len(self.days):
            return np.full(who.shape, -np.inf)
        return np.where(there, self.days[at], -np.inf)


def last_days(users: ArrayLike, items: ArrayLike, days: ArrayLike) -> LastDays:
    """When each customer bought each item last."""
    who, what, when = _ordered(users, items, np.asarray(days, np.float64))
    last = np.ones(len(who), bool)
    last[:-1] = (who[1:] != who[:-1]) | (what[1:] != what[:-1])
    all_users, all_items = np.unique(who), np.unique(what)
    user = np.searchsorted(all_users, who[last])
    item = np.searchsorted(all_items, what[last])
    keys = user.astype(np.int64) * len(all_items) + item
    return LastDays(all_users, all_items, keys, when[last])


def together(baskets: ArrayLike, items: ArrayLike, item_ids: ArrayLike, n: int) -> TopN:
    """For each of `item_ids` the n others (by row) that share baskets most.

    Cosine of the items over baskets, shrunk; pairs that met in fewer than
    MIN_BASKETS are left out.
    """
    ids = np.asarray(item_ids)
    at, known = _positions(np.sort(ids), np.asarray(items))
    column = np.argsort(ids)[at[known]]
    basket = np.unique(np.asarray(baskets)[known], return_inverse=True)[1]
    shape = (int(basket.max(initial=-1)) + 1, len(ids))
    ones = np.ones(len(column), np.float32)
    filled = sparse.csr_matrix((ones, (basket, column)), shape=shape)
    filled.data[:] = 1
    met = (filled.T @ filled).tocsr()
    counts = met.diagonal()
    met.setdiag(0)
    met.data[met.data < MIN_BASKETS] = 0
    met.eliminate_zeros()
    owner = np.repeat(np.arange(len(ids)), np.diff(met.indptr))
    other, shared = met.indices, met.data
    root = np.sqrt(counts[owner] * counts[other])
    score = (shared / root * shared / (shared + SHRINKAGE)).astype(np.float32)
    order = np.lexsort((other, -score, owner))
    return topn.pack(owner[order], other[order], score[order], len(ids), n)


def _ordered(
    users: ArrayLike, items: ArrayLike, days: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """By user, item and day."""
    who, what = np.asarray(users, np.int64), np.asarray(items, np.int64)
    order = np.lexsort((days, what, who))
    return who[order], what[order], days[order]


def _positions(
    ids: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Position of each in ascending ids (0: not there), and whether it is there."""
    if not len(ids):
        return np.zeros(wanted.shape, np.int64), np.zeros(wanted.shape, bool)
    at = np.searchsorted(ids, wanted).clip(max=len(ids) - 1)
    return at, ids[at] == wanted

"""A chain that always answers, and a stated share of places for items by chance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from segmentation.engine import evaluation, recommenders
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import ItemMask, OnEpoch, require
from segmentation.engine.recommenders.composite import Composite
from segmentation.engine.recommenders.popularity import Popularity
from segmentation.engine.recommenders.topn import TopN


class ColdStart(Composite):
    """The first member that has an answer, the next one for the places left, …

    `recommend` keeps the contract; `answer` also serves people whom nobody knows and
    says of every place which member filled it. Scores only tell the order. A share of
    the places goes to items by chance: only what was shown can be learned of.
    """

    algorithm = "cold_start"
    learned = ("n_steps_",)

    n_steps_: NDArray[np.int64]

    def __init__(
        self,
        members: tuple[str, ...] = ("item_knn", "popularity"),
        member_params: dict[str, dict[str, Any]] | None = None,
        random_share: float = 0.0,
        seed: int = 7,
    ) -> None:
        self.members = members
        self.member_params = member_params
        self.random_share = random_share
        self.seed = seed

    def _check_params(self) -> None:
        super()._check_params()
        last = recommenders.kind(self.members[-1])
        require(
            issubclass(last, Popularity),
            "members must be a chain that ends with popularity, which always answers.",
        )
        share = self.random_share
        require(0 <= share < 1, "random_share must be from 0 to below 1.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        self._fit_members(data, validation, on_epoch)
        self.n_steps_ = np.array([len(self.members)])

    def answer(
        self,
        user_rows: ArrayLike,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        item_mask: ItemMask = None,
    ) -> tuple[TopN, NDArray[np.int8]]:
        """Lists for all, known or not, and the number of the member of each place.

        A place that chance filled has the number after the last member's.
        """
        self._require_fitted()
        rows = np.asarray(user_rows, np.int64).reshape(-1)
        lists = [
            model.recommend(rows, n, exclude_seen=exclude_seen, item_mask=item_mask)
            for model in self.members_
        ]
        last = self.members_[-1]
        assert isinstance(last, Popularity)
        lists[-1].items[rows < 0] = last.top(n, item_mask=item_mask).items
        joined = _joined([top.items for top in lists], n)
        if not self.random_share:
            return joined
        seen = self.user_items_[np.maximum(rows, 0)] if exclude_seen else None
        return self._with_chance(*joined, rows, seen, item_mask)

    def recommend_for(
        self,
        histories: sparse.csr_matrix,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        item_mask: ItemMask = None,
    ) -> TopN:
        """Lists of histories, each member folding them in; chance by their number."""
        self._require(self.folds_in, "has a member that cannot answer a history")
        lists = [
            model.recommend_for(
                histories, n, exclude_seen=exclude_seen, item_mask=item_mask
            )
            for model in self.members_
        ]
        top, steps = _joined([each.items for each in lists], n)
        if not self.random_share:
            return top
        seen = histories if exclude_seen else None
        rows = np.arange(histories.shape[0])
        return self._with_chance(top, steps, rows, seen, item_mask)[0]

    def _contributions(
        self, histories: sparse.csr_matrix, item_rows: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        """Of the first member that has something to say of the item."""
        total = sparse.csr_matrix(histories.shape, dtype=np.float32)
        for model in self.members_:
            if model.has_reasons:
                silent = np.asarray(total.sum(axis=1)).ravel() == 0
                own = model._contributions(histories, item_rows).tocsr().maximum(0)
                total = total + sparse.diags(silent.astype(np.float32)) @ own
        return sparse.csr_matrix(total)

    def _with_chance(
        self,
        top: TopN,
        steps: NDArray[np.int8],
        rows: NDArray[np.int64],
        seen: sparse.csr_matrix | None,
        item_mask: ItemMask,
    ) -> tuple[TopN, NDArray[np.int8]]:
        """Some places of each list for items that are neither in it nor seen."""
        n = top.items.shape[1]
        pool = self._pool(item_mask)
        places = np.arange(n)
        by_chance = _drawn(self.seed, rows[:, None], places) < self.random_share
        by_chance &= top.items >= 0
        at = _drawn(self.seed + 1, rows[:, None], places) * max(len(pool), 1)
        drawn = pool[at.astype(np.int64)] if len(pool) else np.full(at.shape, -1)
        fresh = _unlike(drawn, top.items, seen)
        by_chance &= fresh
        top.items[by_chance] = drawn[by_chance]
        steps[by_chance] = len(self.members_)
        return top, steps

    def _pool(self, item_mask: ItemMask) -> NDArray[np.int64]:
        allowed = self._allowed(item_mask)
        return np.arange(len(self.items_)) if allowed is None else allowed

    def _recommend(
        self,
        rows: NDArray[np.int64],
        n: int,
        exclude_seen: bool,
        allowed: NDArray[np.int64] | None,
    ) -> TopN:
        return self.answer(rows, n, exclude_seen=exclude_seen, item_mask=allowed)[0]

    def _block_rows(self) -> int:
        return 2048


def _joined(lists: list[NDArray[np.int32]], n: int) -> tuple[TopN, NDArray[np.int8]]:
    """One list after the other, no item twice, and from which each place came."""
    items = np.hstack(lists)
    step = np.repeat(np.arange(len(lists)), [part.shape[1] for part in lists])
    owner, place = np.nonzero(items >= 0)
    named = items[owner, place]
    key = owner * (np.int64(named.max(initial=0)) + 1) + named
    first = np.sort(np.unique(key, return_index=True)[1])
    owner, place, named = owner[first], place[first], named[first]
    counts = np.bincount(owner, minlength=len(items))
    rank = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
    top = topn.pack(owner, named, n - rank, len(items), n)
    steps = np.full((len(items), n), -1, np.int8)
    kept = rank < n
    steps[owner[kept], rank[kept]] = step[place[kept]]
    return top, steps


def _drawn(seed: int, rows: NDArray[np.int64], places: NDArray[np.int64]) -> Any:
    """Uniform numbers in [0, 1) of each row and place, whoever is asked beside them."""
    with np.errstate(over="ignore"):  # splitmix64 (Steele et al. 2014) wraps around
        state = (rows + 2).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state = state + (places.astype(np.uint64) + 1) * np.uint64(0xD1B54A32D192ED03)
        state = state + np.uint64(seed) * np.uint64(0x2545F4914F6CDD1D)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) / 2**53


def _unlike(
    drawn: NDArray[np.int64],
    items: NDArray[np.int32],
    seen: sparse.csr_matrix | None,
) -> NDArray[np.bool_]:
    """Where a drawn item is neither in its list, nor drawn before, nor seen."""
    n_rows, n = drawn.shape
    fresh = (drawn >= 0) & (drawn[:, :, None] != items[:, None, :]).all(axis=2)
    earlier = (drawn[:, :, None] == drawn[:, None, :]) & (np.tri(n, k=-1) > 0)
    fresh &= ~earlier.any(axis=2)
    if seen is not None:
        owner = np.repeat(np.arange(n_rows), n)
        had = np.asarray(seen[owner, np.maximum(drawn, 0).ravel()]).reshape(n_rows, n)
        fresh &= had == 0
    return fresh

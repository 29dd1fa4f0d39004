"""Several models as one: a weighted sum, or one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segmentation.engine import evaluation, recommenders
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import (
    ItemMask,
    OnEpoch,
    Recommender,
    require,
)
from segmentation.engine.recommenders.popularity import Popularity
from segmentation.engine.recommenders.topn import TopN

STEPS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # weights tried, the best member 1
LEARNING_USERS = 2000
LISTED = 0.05  # what being in a list at all counts beside its first place
MEMBERS = "members"


class Composite(Recommender):
    """Members by name with their parameters, saved in folders below its own."""

    members: tuple[str, ...]
    member_params: dict[str, dict[str, Any]] | None
    members_: list[Recommender]

    def _check_params(self) -> None:
        names = recommenders.names()
        require(len(self.members) >= 1, "members must be one name or more.")
        for name in self.members:
            require(name in names, f"members must be among {', '.join(names)}.")
            inside = issubclass(recommenders.kind(name), Composite)
            require(not inside, f"members must be single models, not {name}.")

    @property
    def refit_params(self) -> dict[str, Any]:
        """The parameters with those of the members that learned when to stop."""
        inside = zip(self.members, self.members_, strict=True)
        own = {name: model.refit_params for name, model in inside}
        return {**self.params, "member_params": own}

    def _fit_members(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        told = self.member_params or {}
        self.members_ = [
            recommenders.create(name, **told.get(name, {})).fit(
                data, validation=validation, on_epoch=on_epoch
            )
            for name in self.members
        ]

    def save(self, folder: str | Path) -> None:
        """Write the members first, each as its own model, then what joins them."""
        self._require_fitted()
        for at, model in enumerate(self.members_):
            model.save(Path(folder) / MEMBERS / str(at))
        super().save(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        model = super().load(folder)
        model.members_ = [
            recommenders.load(Path(folder) / MEMBERS / str(at))
            for at in range(len(model.members))
        ]
        return model

    def _allowed(self, item_mask: ItemMask) -> NDArray[np.int64] | None:
        """Left to the members: one may name what another may not."""
        if item_mask is None:
            return None
        mask = np.asarray(item_mask)
        return np.flatnonzero(mask) if mask.dtype == bool else np.unique(mask)


class Blend(Composite):
    """Score = sum of weight x score of each member, scaled to the list's first place.

    Weights are searched one after the other for the best NDCG on validation; without
    one, all are 1. Only what some member has among its first `depth` is ranked.
    """

    algorithm = "blend"
    learned = ("weights_",)

    weights_: NDArray[np.float64]  # of the members

    def __init__(
        self,
        members: tuple[str, ...] = ("personal_frequency", "item_knn", "als"),
        weights: tuple[float, ...] | None = None,
        depth: int = 100,
        member_params: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.members = members
        self.weights = weights
        self.depth = depth
        self.member_params = member_params

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose == "again":
            return [{"members": ("personal_frequency", "ease")}]
        return [{"members": ("ease", "item_knn")}] if purpose == "discover" else []

    @property
    def refit_params(self) -> dict[str, Any]:
        """The learned weights, too: on all data there is no validation to learn on."""
        weights = tuple(float(weight) for weight in self.weights_)
        return {**super().refit_params, "weights": weights}

    def _check_params(self) -> None:
        super()._check_params()
        require(self.depth >= 1, "depth must be at least 1.")
        if self.weights is not None:
            same = len(self.weights) == len(self.members)
            require(same, "weights must be one number for each of the members.")
            require(min(self.weights) >= 0, "weights must be 0 or more.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        self._fit_members(data, validation, on_epoch)
        weights = np.ones(len(self.members))
        if self.weights is not None:
            weights = np.array(self.weights, np.float64)
        elif validation is not None and len(self.members) > 1:
            weights = self._learned_weights(data, validation)
        self.weights_ = weights

    def _learned_weights(
        self, data: Interactions, validation: evaluation.Holdout
    ) -> NDArray[np.float64]:
        rows, targets = validation.targets(data, LEARNING_USERS)
        new_only = validation.task == "discover"
        owner, items, parts = self._cells(
            rows, max(self.depth, validation.k), new_only, validation.items
        )
        hit = evaluation.cell_hits(owner, items, targets)

        def ndcg(weights: NDArray[np.float64]) -> float:
            scores = parts @ weights
            # As in a list: what no weighted member named is not there.
            kept = scores > 0
            order = np.lexsort((items[kept], -scores[kept], owner[kept]))
            who = owner[kept][order]
            counts = np.bincount(who, minlength=len(rows))
            rank = np.arange(len(who)) - (np.cumsum(counts) - counts)[who]
            first = hit[kept][order] & (rank < validation.k)
            gain = np.bincount(
                who[first], 1 / np.log2(rank[first] + 2), minlength=len(rows)
            )
            return float((gain / evaluation.ideal_gain(targets, validation.k)).mean())

        alone = np.eye(len(self.members))
        start = int(np.argmax([ndcg(weights) for weights in alone]))
        best, weights = ndcg(alone[start]), alone[start].copy()
        for member in 2 * [at for at in range(len(weights)) if at != start]:
            for step in STEPS:
                tried = weights.copy()
                tried[member] = step
                reached = ndcg(tried)
                if reached > best:
                    best, weights = reached, tried
        return weights

    def _cells(
        self,
        rows: NDArray[np.int64],
        depth: int,
        exclude_seen: bool,
        allowed: ItemMask,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Places (list, item) that a member names, and what each gives them."""
        n_items = np.int64(len(self.items_))
        keys, gains, which = [], [], []
        for at, model in enumerate(self.members_):
            top = model.recommend(
                rows, depth, exclude_seen=exclude_seen, item_mask=allowed
            )
            owner, place = np.nonzero(top.items >= 0)
            # A mask must not change the scale: the order of what stays would change.
            whole = top
            if allowed is not None:
                whole = model.recommend(rows, depth, exclude_seen=exclude_seen)
            keys.append(owner * n_items + top.items[owner, place])
            gains.append(_scaled(top, whole)[owner, place])
            which.append(np.full(len(owner), at))
        cells, cell = np.unique(np.concatenate(keys), return_inverse=True)
        parts = np.zeros((len(cells), len(self.members)))
        parts[cell, np.concatenate(which)] = np.concatenate(gains)
        owner, items = np.divmod(cells, n_items)
        return owner, items, parts

    def _recommend(
        self,
        rows: NDArray[np.int64],
        n: int,
        exclude_seen: bool,
        allowed: NDArray[np.int64] | None,
    ) -> TopN:
        owner, items, parts = self._cells(
            rows, max(n, self.depth), exclude_seen, allowed
        )
        scores = parts @ self.weights_
        kept = scores > 0
        owner, items, scores = owner[kept], items[kept], scores[kept]
        order = np.lexsort((items, -scores, owner))
        return topn.pack(owner[order], items[order], scores[order], len(rows), n)

    def _block_rows(self) -> int:
        return 2048


class ColdStart(Composite):
    """The first member that has an answer, the next one for the places left, …

    `recommend` keeps the contract; `answer` also serves people whom nobody knows and
    says of every place which member filled it. Scores only tell the order.
    """

    algorithm = "cold_start"
    learned = ("n_steps_",)

    n_steps_: NDArray[np.int64]

    def __init__(
        self,
        members: tuple[str, ...] = ("item_knn", "popularity"),
        member_params: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.members = members
        self.member_params = member_params

    def _check_params(self) -> None:
        super()._check_params()
        last = recommenders.kind(self.members[-1])
        require(
            issubclass(last, Popularity),
            "members must be a chain that ends with popularity, which always answers.",
        )

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
        """Lists for all, known or not, and the number of the member of each place."""
        self._require_fitted()
        rows = np.asarray(user_rows, np.int64).reshape(-1)
        lists = [
            model.recommend(rows, n, exclude_seen=exclude_seen, item_mask=item_mask)
            for model in self.members_
        ]
        last = self.members_[-1]
        assert isinstance(last, Popularity)
        lists[-1].items[rows < 0] = last.top(n, item_mask=item_mask).items
        return _joined([top.items for top in lists], n)

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


def _scaled(top: TopN, whole: TopN) -> NDArray[np.float64]:
    """Scores from 1 for the first of the whole list to LISTED for its last.

    What stands further down gets less, and always more than 0.
    """
    named = whole.items >= 0
    first = whole.scores.max(axis=1, keepdims=True, where=named, initial=-np.inf)
    last = whole.scores.min(axis=1, keepdims=True, where=named, initial=np.inf)
    apart = np.isfinite(first) & (first > last)
    first, last = np.where(apart, first, 1.0), np.where(apart, last, 0.0)
    part = (top.scores.astype(np.float64) - last) / (first - last)
    part = np.where(apart, part, 1.0)
    below = LISTED * np.exp(np.minimum(part, 0.0))
    return np.where(part > 0, LISTED + (1 - LISTED) * part, below)


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

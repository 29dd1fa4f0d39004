"""Several models in one list: a weighted sum of their scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import (
    ItemMask,
    OnEpoch,
    Recommender,
    require,
)
from segmentation.engine.recommenders.composite import Composite
from segmentation.engine.recommenders.topn import TopN

STEPS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # weights tried, the best member 1
LEARNING_USERS = 2000
LISTED = 0.05  # what being in a list at all counts beside its first place


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
        ask = _asker(rows, max(self.depth, validation.k), new_only)
        owner, items, parts = self._cells(ask, validation.items)
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

    def recommend_for(
        self,
        histories: sparse.csr_matrix,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        item_mask: ItemMask = None,
    ) -> TopN:
        """Lists of histories: each member folds them in, block by block."""
        self._require(self.folds_in, "has a member that cannot answer a history")
        ask = _asker(histories, max(n, self.depth), exclude_seen)
        return self._ranked(
            *self._cells(ask, self._allowed(item_mask)), histories.shape[0], n
        )

    def _contributions(
        self, histories: sparse.csr_matrix, item_rows: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        """Each member's shares, by what the member gives the item in the blend."""
        owner, items, parts = self._cells(_asker(histories, self.depth, False), None)
        asked = np.flatnonzero(items == item_rows[owner])
        gains = np.zeros((len(item_rows), len(self.members_)))
        gains[owner[asked]] = parts[asked] * self.weights_
        total = sparse.csr_matrix(histories.shape, dtype=np.float64)
        for model, gain in zip(self.members_, gains.T, strict=True):
            if model.has_reasons:
                own = model._contributions(histories, item_rows).tocsr().maximum(0)
                sums = np.asarray(own.sum(axis=1)).ravel()
                scale = np.divide(gain, sums, where=sums > 0, out=np.zeros_like(gain))
                total = total + sparse.diags(scale) @ own
        return sparse.csr_matrix(total)

    def _cells(
        self, ask: Callable[[Recommender, ItemMask], TopN], allowed: ItemMask
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Places (list, item) that a member names, and what each gives them."""
        n_items = np.int64(len(self.items_))
        keys, gains, which = [], [], []
        for at, model in enumerate(self.members_):
            top = ask(model, allowed)
            owner, place = np.nonzero(top.items >= 0)
            # A mask must not change the scale: the order of what stays would change.
            whole = top if allowed is None else ask(model, None)
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
        ask = _asker(rows, max(n, self.depth), exclude_seen)
        return self._ranked(*self._cells(ask, allowed), len(rows), n)

    def _ranked(
        self,
        owner: NDArray[np.int64],
        items: NDArray[np.int64],
        parts: NDArray[np.float64],
        n_rows: int,
        n: int,
    ) -> TopN:
        scores = parts @ self.weights_
        kept = scores > 0
        owner, items, scores = owner[kept], items[kept], scores[kept]
        order = np.lexsort((items, -scores, owner))
        return topn.pack(owner[order], items[order], scores[order], n_rows, n)

    def _block_rows(self) -> int:
        return 2048


def _asker(
    people: ArrayLike | sparse.csr_matrix, depth: int, exclude_seen: bool
) -> Callable[[Recommender, ItemMask], TopN]:
    """The question to each member: of people by their row, or by their history."""

    def ask(model: Recommender, allowed: ItemMask) -> TopN:
        answer = model.recommend_for if sparse.issparse(people) else model.recommend
        return answer(people, depth, exclude_seen=exclude_seen, item_mask=allowed)

    return ask


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

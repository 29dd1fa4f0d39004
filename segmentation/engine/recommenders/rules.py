"""What an expert knows before there is behaviour: if they have this, then show that."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.interactions import DataError, Interactions
from segmentation.engine.recommenders.base import OnEpoch, Recommender, require
from segmentation.engine.recommenders.linear import candidates, damped

EXAMPLE = '{"if": "category=Tea", "then": "category=Cups"}'
PARTS = {"if", "then", "weight"}
FOR_POPULAR = (
    0.5  # what the most popular item of a rule is worth more than an untouched
)


class Rules(Recommender):
    """Score = sum over rules of weight x share of the history that the rule is for.

    A rule is `{"if": "category=Tea", "then": "category=Cups", "weight": 1}`; both sides
    are labels of the catalogue (category, brand, attributes). Among the items of a rule
    the popular come first.
    """

    algorithm = "rules"
    folds_in = True
    has_reasons = True
    names_untouched = True
    learned = ("from_items_", "to_items_")

    from_items_: sparse.csr_matrix  # items x rules, the weight where the rule is for it
    to_items_: sparse.csr_matrix  # rules x items that are shown

    def __init__(self, rules: tuple[dict[str, Any], ...] = ()) -> None:
        self.rules = rules

    def _check_params(self) -> None:
        for number, rule in enumerate(self.rules, start=1):
            told = isinstance(rule, dict) and {"if", "then"} <= set(rule) <= PARTS
            require(
                told and isinstance(rule["if"], str) and isinstance(rule["then"], str),
                f"rules must be like {EXAMPLE}; number {number} is not.",
            )
            weight = rule.get("weight", 1.0)
            number_like = isinstance(weight, int | float) and weight > 0
            require(
                number_like,
                f"rules must be of positive weight; number {number} is not.",
            )

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        if not self.rules:
            raise DataError("There are no rules: write at least one.")
        if data.catalogue is None:
            raise DataError("There is no catalogue: rules need categories or brands.")
        having = _items_by_label(data.catalogue.labels)
        for rule in self.rules:
            for side in ("if", "then"):
                if rule[side] not in having:
                    raise DataError(f"No item has the label {rule[side]} of a rule.")
        shape = len(data.items), len(self.rules)
        weights = [float(rule.get("weight", 1.0)) for rule in self.rules]
        self.from_items_ = _columns(
            [having[rule["if"]] for rule in self.rules], np.array(weights), shape
        )
        shown = _columns(
            [having[rule["then"]] for rule in self.rules], np.ones(shape[1]), shape
        )
        takers = np.bincount(data.user_items.indices, minlength=shape[0])
        liked = 1 + FOR_POPULAR * takers / max(takers.max(), 1)
        self.to_items_ = sparse.csr_matrix(
            (sparse.diags(liked) @ shown).T, dtype=np.float32
        )

    def _nameable(self) -> NDArray[np.bool_]:
        return np.asarray(self.to_items_.getnnz(axis=0) > 0)

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._scores_for(self.user_items_[rows])

    def _scores_for(self, histories: sparse.csr_matrix) -> NDArray[np.float32]:
        found = _shares(histories) @ self.from_items_ @ self.to_items_
        return candidates(found.tocsr())

    def _contributions(
        self, histories: sparse.csr_matrix, item_rows: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        lead_there = self.to_items_[:, item_rows].T @ self.from_items_.T
        return sparse.csr_matrix(_shares(histories).multiply(lead_there))


def _items_by_label(labels: list[list[str]]) -> dict[str, list[int]]:
    having: dict[str, list[int]] = {}
    for item, own in enumerate(labels):
        for label in set(own):
            having.setdefault(label, []).append(item)
    return having


def _columns(
    items: list[list[int]], weights: NDArray[np.float64], shape: tuple[int, int]
) -> sparse.csr_matrix:
    rule = np.repeat(np.arange(len(items)), [len(one) for one in items])
    cells: Any = (weights[rule], (np.concatenate(items), rule))
    return sparse.csr_matrix(cells, shape=shape, dtype=np.float32)


def _shares(histories: sparse.csr_matrix) -> sparse.csr_matrix:
    """Each item of a history as its share of it."""
    ones = damped(histories, "binary")
    counts = np.maximum(np.diff(ones.indptr), 1)
    return sparse.csr_matrix(sparse.diags(1 / counts) @ ones, dtype=np.float32)

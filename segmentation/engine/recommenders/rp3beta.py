"""RP3beta: walks from item to person to item, away from the popular ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import similarity
from segmentation.engine.recommenders.base import OnEpoch, require
from segmentation.engine.recommenders.linear import COUNTS, Linear, damped
from segmentation.engine.recommenders.spaces import Choice, Real, Space, Whole


class RP3beta(Linear):
    """Weight i -> j: chance to walk from i over a person to j, over popularity ** beta.

    Chances are raised to `alpha` (Cooper et al. 2014; beta by Paudel et al. 2017). Each
    item keeps the `n_neighbors` from which it is reached best: the other way round, the
    popular ones would be in every list.
    """

    algorithm = "rp3beta"

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 0.4,
        n_neighbors: int = 100,
        counts: str = "binary",
    ) -> None:
        self.alpha = alpha
        self.beta = beta
        self.n_neighbors = n_neighbors
        self.counts = counts

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose not in ("discover", "similar"):
            return []
        return [{"beta": value} for value in (0.0, 0.2, 0.4)]

    @classmethod
    def space(cls) -> Space:
        return {
            "alpha": Real(0.5, 2.0),
            "beta": Real(0.0, 1.0),
            "n_neighbors": Whole(20, 1000, log=True),
            "counts": Choice(COUNTS),
        }

    def _check_params(self) -> None:
        super()._check_params()
        require(self.alpha > 0, "alpha must be positive.")
        require(self.beta >= 0, "beta must be 0 or more.")
        require(self.n_neighbors >= 1, "n_neighbors must be at least 1.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        taken = damped(data.user_items, self.counts)
        popularity = np.maximum(taken.getnnz(axis=0), 1)
        discount = sparse.diags(popularity**-self.beta)
        to_users = _chances(taken.T.tocsr(), self.alpha)
        to_items = discount @ _chances(taken, self.alpha).T
        # One more than asked for: a walk also comes back to where it began.
        reached = similarity.similarities(
            to_items.tocsr(), to_users, self.n_neighbors + 1
        )
        reached.setdiag(0)
        self.similarity_ = similarity.largest(reached, self.n_neighbors).T.tocsr()


def _chances(matrix: sparse.csr_matrix, alpha: float) -> sparse.csr_matrix:
    """Rows that sum to 1, each value then raised to alpha."""
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    found = sparse.csr_matrix(sparse.diags(1 / np.maximum(sums, 1e-12)) @ matrix)
    found.data **= alpha
    return found

"""SLIM: sparse non-negative regression of items on each other (Ning & Karypis 2011)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import ease
from segmentation.engine.recommenders.base import OnEpoch, require
from segmentation.engine.recommenders.linear import COUNTS, Linear, damped
from segmentation.engine.recommenders.spaces import Choice, Real, Space

COPIES = 7  # of the items x items matrix in float32 that a fit holds at once
TOLERANCE = 5e-4  # between the dense and the sparse solution, the largest weight ~ .3


class SLIM(Linear):
    """Score = history @ W; W >= 0, diagonal 0, least squares with l1 and l2 penalty.

    Solved for all items at once by ADMM (Steck, Dimakopoulou, Riabov & Jebara 2020).
    Items beyond the most popular that fit into `memory_mib` are left out.
    """

    algorithm = "slim"

    def __init__(
        self,
        regularization: float = 50.0,
        sparsity: float = 0.5,
        counts: str = "log",
        iterations: int = 40,
        memory_mib: int = 1024,
    ) -> None:
        self.regularization = regularization
        self.sparsity = sparsity
        self.counts = counts
        self.iterations = iterations
        self.memory_mib = memory_mib

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose not in ("discover", "similar"):
            return []
        return [{"regularization": value} for value in (50.0, 200.0)]

    @classmethod
    def space(cls) -> Space:
        return {
            "regularization": Real(5.0, 1000.0, log=True),
            "sparsity": Real(0.01, 5.0, log=True),
            "counts": Choice(COUNTS),
        }

    def _check_params(self) -> None:
        super()._check_params()
        require(self.regularization > 0, "regularization must be positive.")
        require(self.sparsity >= 0, "sparsity must be 0 or more.")
        require(self.iterations >= 1, "iterations must be at least 1.")
        require(self.memory_mib >= 1, "memory_mib must be at least 1.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        taken = damped(data.user_items, self.counts)
        kept = ease.popular(taken, self.memory_mib, COPIES)
        part = taken[:, kept].tocsr()
        gram = np.asfortranarray((part.T @ part).toarray(), np.float32)
        found = sparse.coo_matrix(self._solved(gram, on_epoch))
        cells: Any = (found.data, (kept[found.row], kept[found.col]))
        n_items = taken.shape[1]
        self.similarity_ = sparse.csr_matrix(cells, shape=(n_items, n_items))

    def _solved(
        self, gram: NDArray[np.float32], on_epoch: OnEpoch | None
    ) -> NDArray[np.float32]:
        """W of the paper's section 3; `rho` ties its two halves together."""
        rho = np.float32(np.sqrt(self.regularization * _largest_eigenvalue(gram)))
        shifted = gram.copy(order="F")
        shifted[np.diag_indices_from(shifted)] += self.regularization + rho
        inverse = ease.inverted(shifted)
        diagonal = np.diag(inverse).copy()
        start = inverse @ gram
        sparse_one = np.zeros_like(start)
        pull = np.zeros_like(start)  # the scaled dual variable
        for step in range(1, self.iterations + 1):
            dense = start + inverse @ (rho * (sparse_one - pull))
            dense -= inverse * (np.diag(dense) / diagonal)[None, :]
            sparse_one = np.maximum(dense + pull - self.sparsity / rho, 0)
            np.fill_diagonal(sparse_one, 0)
            dense -= sparse_one
            pull += dense
            gap = float(np.abs(dense).max())
            if on_epoch is not None:
                on_epoch(step, self.iterations, gap, float("nan"))
            if gap < TOLERANCE:
                break
        return sparse_one


def _largest_eigenvalue(gram: NDArray[np.float32]) -> float:
    """By power iteration from the row sums: within a few percent, which is enough."""
    vector = gram.sum(axis=1)
    for _ in range(10):
        vector = gram @ (vector / np.linalg.norm(vector))
    return float(np.linalg.norm(vector))

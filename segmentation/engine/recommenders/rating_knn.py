"""Neighbours for ratings: plain, mean-centred, around baselines (Koren 2010)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import BLOCK_CELLS, OnEpoch, require
from segmentation.engine.recommenders.rated import Rated, baselines
from segmentation.engine.recommenders.spaces import Choice, Real, Space, Whole

SIDES = ("user", "item")
FORMS = ("plain", "mean", "baseline")
SIMILARITIES = ("msd", "cosine")
USER_PENALTY, ITEM_PENALTY = 15.0, 10.0  # of the baselines, Koren 2010

Floats = NDArray[np.float64]


class RatingKNN(Rated):
    """Rating = offset + mean of what the nearest gave above theirs, by similarity.

    `side` says who is near: users who rated the same items, or items rated by the same
    users. Offsets are 0 (plain), the mean of the user or item, or mean and both biases.
    Similarity is over what both rated: 1 / (mean squared difference + 1) or the cosine,
    of ratings less their offsets, times n / (n + shrinkage) for n in common.
    """

    algorithm = "rating_knn"
    learned = ("ratings_", "user_bias_", "item_bias_", "range_")

    ratings_: sparse.csr_matrix  # users x items
    user_bias_: Floats
    item_bias_: Floats

    def __init__(
        self,
        side: str = "item",
        form: str = "baseline",
        similarity: str = "cosine",
        n_neighbors: int = 40,
        shrinkage: float = 100.0,
    ) -> None:
        self.side = side
        self.form = form
        self.similarity = similarity
        self.n_neighbors = n_neighbors
        self.shrinkage = shrinkage

    @classmethod
    def space(cls) -> Space:
        return {
            "side": Choice(SIDES),
            "form": Choice(FORMS),
            "similarity": Choice(SIMILARITIES),
            "n_neighbors": Whole(10, 200, log=True),
            "shrinkage": Real(1.0, 500.0, log=True),
        }

    def _check_params(self) -> None:
        for name, known in (
            ("side", SIDES),
            ("form", FORMS),
            ("similarity", SIMILARITIES),
        ):
            sentence = f"{name} must be one of {', '.join(known)}."
            require(getattr(self, name) in known, sentence)
        require(self.n_neighbors >= 1, "n_neighbors must be at least 1.")
        require(self.shrinkage >= 0, "shrinkage must be 0 or more.")

    def _fit_ratings(
        self, ratings: sparse.csr_matrix, on_epoch: OnEpoch | None
    ) -> None:
        self.ratings_ = ratings
        users, items = (np.zeros(n) for n in ratings.shape)
        if self.form == "baseline":
            users, items = baselines(ratings, USER_PENALTY, ITEM_PENALTY)
        elif self.form == "mean" and self.side == "user":
            users = _means(ratings) - self.range_[0]
        elif self.form == "mean":
            items = _means(ratings.T.tocsr()) - self.range_[0]
        self.user_bias_, self.item_bias_ = users, items

    def _predict(
        self, users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        found = np.full(len(users), self.range_[0])
        found[users >= 0] += self.user_bias_[users[users >= 0]]
        found[items >= 0] += self.item_bias_[items[items >= 0]]
        both = np.flatnonzero((users >= 0) & (items >= 0))
        by_user = self.side == "user"
        of, at = (users, items) if by_user else (items, users)
        above = self._above()
        vectors = above if by_user else above.T.tocsr()
        step = max(1, BLOCK_CELLS // (8 * vectors.shape[0]))
        rows, owner = np.unique(of[both], return_inverse=True)
        given = vectors.tocsc()
        for start in range(0, len(rows), step):
            block = both[(owner >= start) & (owner < start + step)]
            alike = self._alike(vectors, rows[start : start + step])
            place = np.searchsorted(rows, of[block]) - start
            mean, has = self._mean_of_nearest(alike, place, of[block], at[block], given)
            if self.form == "plain":
                found[block] = np.where(has, mean, found[block])
            else:
                found[block] += mean
        return self._clipped(found)

    def _above(self) -> sparse.csr_matrix:
        """Ratings less their offsets (an explicit 0 is a rating, too)."""
        above = self.ratings_.copy()
        if self.form != "plain":
            owner = np.repeat(np.arange(above.shape[0]), np.diff(above.indptr))
            offsets = self.user_bias_[owner] + self.item_bias_[above.indices]
            above.data = above.data - offsets - self.range_[0]
        return above

    def _alike(self, vectors: sparse.csr_matrix, rows: NDArray[np.int64]) -> Floats:
        """Similarity of some rows to all, over what both rated (B x n)."""
        part = vectors[rows]
        there, here = (
            _with(vectors, np.ones(vectors.nnz)),
            _with(part, np.ones(part.nnz)),
        )
        common = (here @ there.T).toarray()
        products = (part @ vectors.T).toarray()
        squares = (_with(part, part.data**2) @ there.T).toarray()
        others = (here @ _with(vectors, vectors.data**2).T).toarray()
        if self.similarity == "msd":
            apart = (squares + others - 2 * products) / np.maximum(common, 1)
            found = 1 / (np.maximum(apart, 0) + 1)
        else:
            found = products / np.sqrt(np.maximum(squares * others, 1e-24))
        weight = common / np.maximum(common + self.shrinkage, 1)
        return np.asarray(np.where(common > 0, found * weight, 0.0))

    def _mean_of_nearest(
        self,
        alike: Floats,
        place: NDArray[np.int64],
        of: NDArray[np.int64],
        at: NDArray[np.int64],
        given: sparse.csc_matrix,
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """For each pair: the mean over the nearest that have `at`, and if any has."""
        owner, entry = topn.spread(given.indptr, at)
        near = alike[place[owner], given.indices[entry]]
        # Nobody is near to themselves: their own rating is what is asked for.
        useful = (near > 0) & (given.indices[entry] != of[owner])
        owner, entry, near = owner[useful], entry[useful], near[useful]
        order = np.lexsort((entry, -near, owner))
        owner, entry, near = owner[order], entry[order], near[order]
        counts = np.bincount(owner, minlength=len(at))
        rank = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
        first = rank < self.n_neighbors
        owner, entry, near = owner[first], entry[first], near[first]
        sums = np.bincount(owner, near * given.data[entry], minlength=len(at))
        total = np.bincount(owner, near, minlength=len(at))
        return sums / np.maximum(total, 1e-24), total > 0

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        n_items = len(self.items_)
        users = np.repeat(rows, n_items)
        items = np.tile(np.arange(n_items), len(rows))
        return self._predict(users, items).reshape(len(rows), n_items)

    def _block_rows(self) -> int:
        return max(1, BLOCK_CELLS // max(4 * self.ratings_.nnz, 1))


def _with(matrix: sparse.csr_matrix, data: Floats) -> sparse.csr_matrix:
    return sparse.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _means(ratings: sparse.csr_matrix) -> Floats:
    """Mean of each row, that of all for rows without a rating."""
    counts = np.diff(ratings.indptr)
    owner = np.repeat(np.arange(len(counts)), counts)
    sums = np.bincount(owner, ratings.data, minlength=len(counts))
    return np.where(counts > 0, sums / np.maximum(counts, 1), ratings.data.mean())

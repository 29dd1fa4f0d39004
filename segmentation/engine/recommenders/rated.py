"""What models of ratings share: one rating for each pair, predictions as scores."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.interactions import DataError, Interactions, NoRatings
from segmentation.engine.recommenders.base import OnEpoch, Recommender


class Rated(Recommender):
    """Predicts a rating for each pair; lists are ordered by it.

    A history given to such a model holds ratings. High predictions are not what people
    take next: for lists, a model of behaviour is the better choice.
    """

    predicts_ratings = True
    range_: NDArray[np.float64]  # mean, lowest and highest rating

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        ratings = matrix(data)
        if ratings.data.min() == ratings.data.max():
            raise DataError("All ratings are the same: there is nothing to learn.")
        numbers = ratings.data.mean(), ratings.data.min(), ratings.data.max()
        self.range_ = np.array(numbers, np.float64)
        self._fit_ratings(ratings, on_epoch)

    @abstractmethod
    def _fit_ratings(
        self, ratings: sparse.csr_matrix, on_epoch: OnEpoch | None
    ) -> None: ...

    def _clipped(self, ratings: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.clip(ratings, *self.range_[1:]).astype(np.float32)


def matrix(data: Interactions) -> sparse.csr_matrix:
    """CSR float64 users x items of mean ratings; a rating of 0 is one, too."""
    if data.rating is None:
        raise NoRatings("There are no ratings in this data; use a model of behaviour.")
    n_items = len(data.items)
    cell = data.user_row * np.int64(n_items) + data.item_row
    cells, which, times = np.unique(cell, return_inverse=True, return_counts=True)
    values = np.bincount(which, data.rating) / times
    user_row, item_row = np.divmod(cells, n_items)
    indptr = np.searchsorted(user_row, np.arange(len(data.users) + 1))
    return sparse.csr_matrix(
        (values, item_row, indptr), shape=(len(data.users), n_items)
    )


def baselines(
    ratings: sparse.csr_matrix,
    user_penalty: float,
    item_penalty: float,
    iterations: int = 10,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Biases of users and items around the mean, by turns (Koren 2010, eq. 1)."""
    by_user = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    by_item = ratings.indices
    left = ratings.data - ratings.data.mean()
    n_of_user = np.bincount(by_user, minlength=ratings.shape[0])
    n_of_item = np.bincount(by_item, minlength=ratings.shape[1])
    users, items = np.zeros(ratings.shape[0]), np.zeros(ratings.shape[1])
    for _ in range(iterations):
        sums = np.bincount(by_item, left - users[by_user], minlength=len(items))
        items = sums / (item_penalty + n_of_item)
        sums = np.bincount(by_user, left - items[by_item], minlength=len(users))
        users = sums / (user_penalty + n_of_user)
    return users, items

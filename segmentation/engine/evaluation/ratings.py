"""How far predicted ratings are from the given ones, with intervals over users."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segmentation.engine.evaluation.intervals import N_RESAMPLES, Interval, resamples
from segmentation.engine.interactions import EmptyData, Interactions, NoRatings


class Predictor(Protocol):
    """What is judged: a rating for each pair of rows."""

    def predict(
        self, user_rows: ArrayLike, item_rows: ArrayLike
    ) -> NDArray[np.float32]: ...


def rating_errors(
    model: Predictor, test: Interactions, *, seed: int = 0
) -> dict[str, Interval]:
    """`rmse` and `mae` over all ratings of the test; users are resampled.

    Its id maps are those the model was fitted on.
    """
    if test.rating is None:
        raise NoRatings("There are no ratings to judge by.")
    if not len(test):
        raise EmptyData("There is no rating to judge by.")
    found = model.predict(test.user_row, test.item_row).astype(np.float64)
    error = found - test.rating
    _, user = np.unique(test.user_row, return_inverse=True)
    n = np.bincount(user)
    squares = np.bincount(user, error**2)
    sizes = np.bincount(user, np.abs(error))
    sums = np.column_stack([squares, sizes, n])
    drawn = np.concatenate(
        [weights @ sums for weights in resamples(len(n), seed, N_RESAMPLES)]
    )
    return {
        "rmse": _interval(
            np.sqrt(squares.sum() / n.sum()), np.sqrt(drawn[:, 0] / drawn[:, 2])
        ),
        "mae": _interval(sizes.sum() / n.sum(), drawn[:, 1] / drawn[:, 2]),
    }


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))

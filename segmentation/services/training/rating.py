"""How far predicted ratings are from those that were given, beside the rankings."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segmentation.engine import evaluation, recommenders
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders.base import Recommender
from segmentation.services.training.loading import Data, Ratings
from segmentation.services.training.steps import Steps


def judge(
    model: Recommender, params: dict[str, Any], data: Data, seed: int, steps: Steps
) -> dict[str, Any]:
    """RMSE and MAE with intervals over customers; empty where there are no ratings.

    On the judged part with the model that was fitted before it, or, with ``k_fold``, on
    every rating, each predicted by a model that did not see its fold.
    """
    told = data.ratings
    if told is None or not model.predicts_ratings:
        return {}
    facts: dict[str, Any] = {"split": data.protocol["split"]}
    predictor: _Predicted | Recommender
    if told.n_folds is None:
        test, predictor = told.test, model
    else:
        test, predictor = _pooled(told, model.algorithm, params, steps)
        facts["folds"] = told.n_folds
    if not len(test):
        return {}
    errors = evaluation.rating_errors(predictor, test, seed=seed)
    found = {name: value._asdict() for name, value in errors.items()}
    return facts | {"n_ratings": len(test)} | found


@dataclasses.dataclass(frozen=True)
class _Predicted:
    """Predictions that were made, as a model of just these pairs."""

    ratings: NDArray[np.float32]

    def predict(
        self, user_rows: ArrayLike, item_rows: ArrayLike
    ) -> NDArray[np.float32]:
        return self.ratings


def _pooled(
    told: Ratings, algorithm: str, params: dict[str, Any], steps: Steps
) -> tuple[Interactions, _Predicted]:
    """All ratings, and what the models that did not see them predict."""
    tests, found = [], []
    for train, test in told.folds():
        model = recommenders.create(algorithm, **params)
        model.fit(train, on_epoch=steps.epoch)
        tests.append(test)
        found.append(model.predict(test.user_row, test.item_row))
    first = tests[0]
    names = ("user_row", "item_row", "weight", "rating", "timestamp")
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(test, name) for test in tests]) for name in names
    }
    return dataclasses.replace(first, **joined), _Predicted(np.concatenate(found))

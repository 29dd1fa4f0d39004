"""Models of ratings on MovieLens 100K by five folds: RMSE and MAE with intervals.

    python -m benchmarks.protocols.ratings [NAME …] [--data PATH/ml-100k.inter]

Parameters are chosen on a fifth of what is learned from, then all of it is learned
again and the fold is judged once. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.protocols.films import packaged, ratings
from segmentation.engine import columns, evaluation, recommenders
from segmentation.engine.interactions import IdMap, Interactions

N_FOLDS = 5
MODELS: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "mf": (
        "mf",
        {"n_factors": [20, 40], "regularization": [1.2, 1.5, 2.0]},
    ),
    "towers": (
        "towers",
        {"n_factors": [16], "epochs": [40, 60, 80], "weight_decay": [0.5, 2.0]},
    ),
    "user_knn, plain": (
        "rating_knn",
        {
            "side": ["user"],
            "form": ["plain"],
            "similarity": ["msd"],
            "shrinkage": [0.0],
        },
    ),
    "user_knn, mean-centred": (
        "rating_knn",
        {"side": ["user"], "form": ["mean"], "shrinkage": [0.0, 50.0]},
    ),
    "user_knn, baselines": (
        "rating_knn",
        {"side": ["user"], "form": ["baseline"], "shrinkage": [20.0, 100.0]},
    ),
    "item_knn, baselines": (
        "rating_knn",
        {"side": ["item"], "form": ["baseline"], "shrinkage": [20.0, 100.0]},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="models (default: all)")
    parser.add_argument("--data", help="ml-100k.inter")
    options = parser.parse_args()
    sys.stdout.write(json.dumps(report(options.names, options.data)) + "\n")


def report(names: list[str], path: str | None = None) -> dict[str, Any]:
    """The errors of each model, means over the folds."""
    frame = ratings(path or packaged())
    maps = IdMap(np.unique(frame[columns.USER])), IdMap(np.unique(frame[columns.ITEM]))
    table = {}
    for name in names or list(MODELS):
        table[name] = judged(name, frame, maps)
        sys.stderr.write(f"{name}: {table[name]}\n")
    return table


def judged(name: str, frame: pd.DataFrame, maps: tuple[IdMap, IdMap]) -> dict[str, Any]:
    algorithm, grid = MODELS[name]
    found: dict[str, list[Any]] = {"rmse": [], "mae": [], "params": [], "seconds": []}
    for train, test in evaluation.k_fold(frame, N_FOLDS, seed=0):
        params = choose(algorithm, grid, train, maps)
        started = time.perf_counter()
        model = recommenders.create(algorithm, **params)
        model.fit(Interactions.from_frame(train, *maps))
        held = Interactions.from_frame(test, *maps)
        errors = evaluation.rating_errors(model, held)
        found["seconds"].append(round(time.perf_counter() - started, 2))
        found["params"].append(params)
        for metric, interval in errors.items():
            found[metric].append(interval)
    return {
        "rmse": float(np.mean([one.mean for one in found["rmse"]])),
        "mae": float(np.mean([one.mean for one in found["mae"]])),
        "rmse_of_folds": found["rmse"],
        "params": found["params"],
        "seconds": float(np.median(found["seconds"])),
    }


def choose(
    algorithm: str,
    grid: dict[str, list[Any]],
    train: pd.DataFrame,
    maps: tuple[IdMap, IdMap],
) -> dict[str, Any]:
    """The parameters with the least error on a part of the training."""
    tried = [
        dict(zip(grid, each, strict=True)) for each in itertools.product(*grid.values())
    ]
    if len(tried) == 1:
        return tried[0]
    past, future = next(evaluation.k_fold(train, N_FOLDS, seed=1))
    data, held = (Interactions.from_frame(part, *maps) for part in (past, future))
    errors = [
        evaluation.rating_errors(
            recommenders.create(algorithm, **params).fit(data), held
        )["rmse"].mean
        for params in tried
    ]
    return tried[int(np.argmin(errors))]


if __name__ == "__main__":
    main()

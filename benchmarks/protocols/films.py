"""Protocol P1: every method on MovieLens 100K, chosen on validation, judged once.

    python -m benchmarks.protocols.films [NAME …] [--seeds 5] [--data ml-100k.inter]

Without a path it takes the file of the installed recbole (`make venv-bench`; nothing of
that package is imported). Every rating is a positive; the last of each user is the
test, the one before it the validation; all unseen items are ranked.
Ties are broken at random: each seed also draws an order of the catalogue.

Prints one JSON object: per method the chosen parameters, validation and test metrics at
10 with 95 % intervals, the paired differences to popularity and to the SLIM of
scikit-learn, seconds and the memory that fitting and scoring took; metrics are means
over the seeds. What is “of” a library is that library's own model, run beside ours.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import itertools
import json
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.protocols import peers
from segmentation.engine import columns, evaluation
from segmentation.engine.catalogue import Catalogue
from segmentation.engine.interactions import IdMap, Interactions

NAMES = {
    "user_id:token": columns.USER,
    "item_id:token": columns.ITEM,
    "rating:float": columns.RATING,
    "timestamp:float": columns.TIMESTAMP,
}
# Tried on validation, each combination of each line. The weights are all 1.
GRIDS: dict[str, list[dict[str, list[Any]]]] = {
    "popularity": [{}],
    "user_knn": [
        {
            "weighting": ["cosine", "tfidf"],
            "n_neighbors": [20, 40],
            "power": [0.3, 0.4, 0.5],
        },
        {"n_neighbors": [20], "shrinkage": [10.0]},
    ],
    "item_knn": [
        {"weighting": ["cosine", "tfidf"], "n_neighbors": [10, 20, 50]},
        {"weighting": ["bm25"], "n_neighbors": [100, 200], "k1": [50.0], "b": [0.5]},
    ],
    "rp3beta": [
        {"alpha": [0.6, 1.0], "beta": [0.0, 0.2, 0.4, 0.6], "n_neighbors": [50, 100]}
    ],
    "ease": [{"regularization": [50.0, 100.0, 200.0], "counts": ["linear"]}],
    "slim": [
        {
            "regularization": [30.0, 50.0, 100.0],
            "sparsity": [0.5, 2.0],
            "counts": ["linear"],
        }
    ],
    "als": [
        {
            "n_factors": [32, 64],
            "regularization": [1.0, 10.0],
            "alpha": [1.0],
            "weighting": ["linear"],
        }
    ],
    "blend": [
        {
            "members": [("slim", "als"), ("slim", "user_knn", "als")],
            "member_params": [
                {
                    "slim": {"regularization": 30.0, "counts": "linear"},
                    "als": {
                        "n_factors": 32,
                        "regularization": 1.0,
                        "weighting": "linear",
                    },
                    "user_knn": {"n_neighbors": 20, "power": 0.4},
                }
            ],
        }
    ],
    "ncf": [
        {
            "network": ["gmf"],
            "epochs": [80],
            "patience": [8],
            "learning_rate": [2e-3, 4e-3],
            "learning_rate_decay": [0.95],
            "weight_decay": [0.6, 1.0, 1.5],
            "n_negatives": [4, 16],
        }
    ],
    "content": [{"text_weight": [0.3, 1.0], "number_weight": [0.3, 1.0]}],
    "mf": [{}],
    "towers": [{}],
    "slim of scikit-learn": [{"alpha": [0.02, 0.05, 0.1], "l1_ratio": [0.01, 0.05]}],
    "als of implicit": [{"n_factors": [32, 64], "regularization": [1.0, 10.0]}],
    "item_knn of implicit": [{"n_neighbors": [10, 20, 50]}],
}
REFERENCE = "slim of scikit-learn"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="methods (default: all)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", help="ml-100k.inter")
    options = parser.parse_args()
    table = report(options.names, options.data, options.seeds)
    sys.stdout.write(json.dumps(table) + "\n")


def report(names: list[str], path: str | None = None, n_seeds: int = 5) -> Any:
    """A row of numbers for each method."""
    path = path or packaged()
    table: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name in names or list(GRIDS):
        # A process of its own: its peak of memory is that of this method.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            row, values[name] = pool.submit(judged, name, path, n_seeds).result()
        table[name] = row
        said = f"{row['validation_ndcg']:.4f} {row['ndcg']['mean']:.4f}"
        sys.stderr.write(f"{name}: {said} {row['params']} {row['seconds']}\n")
    for reference in ("popularity", REFERENCE):
        for name, row in table.items():
            if reference in values:
                gain = evaluation.paired(values[reference], values[name])
                row[f"gain_over_{reference}"] = gain._asdict()
    return table


def packaged() -> str:
    """The file inside the recbole package, which is not imported: it wants PyTorch."""
    spec = importlib.util.find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(
            "MovieLens 100K is not here: run make venv-bench or give --data."
        )
    folder = Path(spec.submodule_search_locations[0])
    return str(folder / "dataset_example" / "ml-100k" / "ml-100k.inter")


def ratings(path: str) -> pd.DataFrame:
    frame = pd.read_csv(path, sep="\t").rename(columns=NAMES)
    frame[columns.TIMESTAMP] /= 86_400.0
    return frame.assign(**{columns.WEIGHT: 1.0})


def described(path: str) -> pd.DataFrame:
    """Title, genres and year of the films, from the file beside the ratings."""
    film = pd.read_csv(Path(path).with_suffix(".item"), sep="\t")
    years = pd.to_numeric(film["release_year:token"], errors="coerce")
    pairs = zip(film["class:token_seq"].fillna(""), years, strict=True)
    told = [{"genre": genre.split(), "year": year} for genre, year in pairs]
    return pd.DataFrame(
        {
            "item_id": film["item_id:token"],
            "title": film["movie_title:token_seq"],
            "attributes": told,
        }
    )


def judged(name: str, path: str, n_seeds: int) -> tuple[dict[str, Any], Any]:
    """One method: choose on the first part, judge on the last (per-user NDCG, too)."""
    split = evaluation.leave_last_out(ratings(path))
    films = described(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    params, chosen = choose(name, *prepared(split.fit, split.validation, films, seed=0))
    choosing = time.perf_counter() - started
    results, spent = [], []
    for seed in range(n_seeds):
        train, truth = prepared(split.train, split.test, films, seed=seed)
        own = {**params, "seed": seed} if "seed" in params else params
        started = time.perf_counter()
        model = peers.create(name, **own).fit(train)
        results.append(evaluation.evaluate(model, train, truth))
        spent.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    row = {
        "params": params,
        "validation_ndcg": chosen,
        **mean_of(results),
        "seeds_ndcg": [result["ndcg"].mean for result in results],
        "seconds": {
            "choose": round(choosing, 1),
            "fit_and_score": round(float(np.median(spent)), 2),
        },
        "peak_mib": round(peak / 1024),
    }
    return row, np.mean([result.per_user["ndcg"] for result in results], axis=0)


def prepared(
    past: pd.DataFrame, future: pd.DataFrame, films: pd.DataFrame, *, seed: int
) -> tuple[Interactions, Any]:
    """Interactions and truth with the catalogue in a random order.

    Of items with the same score the one in the lower row comes first.
    """
    catalogue = np.unique(pd.concat([past, future])[columns.ITEM])
    items = IdMap(np.random.default_rng(seed).permutation(catalogue))
    data = Interactions.from_frame(past, items=items)
    data = dataclasses.replace(data, catalogue=Catalogue.from_frame(films, items))
    return data, evaluation.truth(future, data.users, items)


def choose(name: str, fit: Interactions, truth: Any) -> tuple[dict[str, Any], float]:
    holdout = evaluation.Holdout(truth)
    best: tuple[dict[str, Any], float] = ({}, -1.0)
    for grid in GRIDS[name]:
        for values in itertools.product(*grid.values()):
            params = dict(zip(grid, values, strict=True))
            model = peers.create(name, **params)
            model.fit(fit, validation=holdout)
            ndcg = holdout.ndcg(model, fit)
            sys.stderr.write(f"  {name} {params} {ndcg:.4f}\n")
            if ndcg > best[1]:
                best = (model.refit_params, ndcg)
    return best


def mean_of(results: list[evaluation.Result]) -> dict[str, Any]:
    """Metrics of the mean over the seeds of what each user got, with intervals."""
    found: dict[str, Any] = {}
    for metric in evaluation.METRICS:
        values = np.mean([result.per_user[metric] for result in results], axis=0)
        low, high = evaluation.bootstrap(values[:, None], seed=0)
        found[metric] = {
            "mean": float(values.mean()),
            "low": float(low[0]),
            "high": float(high[0]),
        }
    found["coverage"] = float(np.mean([result["coverage"].mean for result in results]))
    return found


if __name__ == "__main__":
    main()

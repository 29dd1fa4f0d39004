"""Our ALS beside the bare one of implicit, fitted and asked by turns.

    python benchmarks/models_speed.py
    python benchmarks/models_speed.py --users 200000 --items 50000 --mean 150

Tells medians of ``--pairs`` interleaved pairs: our fit by implicit's of the same matrix
(at most 1.15), and exact top 10 of all users without what they had by implicit's own
``recommend`` of the same vectors (at most 1). ``one_ms``: one customer's filtered list
of ``--items`` x 128 factors, by the clock and in processor time (at most 2). Peak
memory holds the matrix and both models. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from segmentation.engine.interactions import IdMap, Interactions  # noqa: E402
from segmentation.engine.recommenders.als import ALS  # noqa: E402

BATCH = 2000  # users that implicit is asked for at a time, by which it is fastest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--mean", type=int, default=50, help="interactions of a user")
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=15)
    parser.add_argument("--pairs", type=int, default=5)
    asked = parser.parse_args()
    data = _interactions(asked.users, asked.items, asked.mean)
    told = _fits(data, asked) | _lists(data, asked) | _one(asked.pairs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sizes = {"users": asked.users, "items": asked.items, "n": int(data.user_items.nnz)}
    told = {"benchmark": "models_speed", **sizes, **told, "peak_memory_mb": peak}
    sys.stdout.write(json.dumps(told) + "\n")


def _interactions(n_users: int, n_items: int, mean: int) -> Interactions:
    """Few items have most of the interactions, and few users are the most active."""
    rng = np.random.default_rng(11)
    counts = np.clip(rng.lognormal(0, 0.9, n_users) * mean / 1.5, 5, n_items // 10)
    users = np.repeat(np.arange(n_users, dtype=np.int32), counts.astype(int))
    items = (n_items * rng.random(len(users)) ** 2.5).astype(np.int32)
    return Interactions(
        users=IdMap(np.arange(n_users)),
        items=IdMap(np.arange(n_items)),
        user_row=users,
        item_row=items,
        weight=np.ones(len(users), np.float32),
    )


def _fits(data: Interactions, asked: argparse.Namespace) -> dict[str, Any]:
    matrix = data.user_items.copy()
    matrix.data = np.log1p(matrix.data)  # what ours gives to implicit, made before

    def bare() -> None:
        with threadpool_limits(1, "blas"):
            _bare(asked).fit(matrix, show_progress=False)

    return _pairs("fit", lambda: _ours(asked).fit(data), bare, asked.pairs)


def _lists(data: Interactions, asked: argparse.Namespace) -> dict[str, Any]:
    ours, bare = _ours(asked).fit(data), _bare(asked)
    bare.user_factors, bare.item_factors = ours.user_vectors_, ours.item_vectors_
    users, seen = np.arange(asked.users), data.user_items

    def ask_bare() -> None:
        with threadpool_limits(1, "blas"):
            for start in range(0, asked.users, BATCH):
                some = users[start : start + BATCH]
                bare.recommend(some, seen[some], N=10, filter_already_liked_items=True)

    return _pairs("lists", lambda: ours.recommend(users, 10), ask_bare, asked.pairs)


def _one(pairs: int) -> dict[str, Any]:
    """The size of the bar, whatever the sizes above; vectors of no meaning."""
    n_users, n_items, n_factors = 100, 50_000, 128
    model, rng = ALS(n_factors=n_factors), np.random.default_rng(3)
    data = _interactions(n_users, n_items, 50)
    model.users_, model.items_ = data.users, data.items
    model.user_items_ = data.user_items
    model.user_vectors_ = rng.random((n_users, n_factors), np.float32)
    model.item_vectors_ = rng.random((n_items, n_factors), np.float32)
    walls, cpus = [], []
    for user in range(20 * pairs):
        wall, cpu = time.perf_counter(), time.process_time()
        model.recommend([user % n_users], 10)
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    one = {"clock": round(statistics.median(walls), 2)}
    return {"one_ms": one | {"processor": round(statistics.median(cpus), 2)}}


def _ours(asked: argparse.Namespace) -> ALS:
    return ALS(n_factors=asked.factors, iterations=asked.iterations)


def _bare(asked: argparse.Namespace) -> AlternatingLeastSquares:
    return AlternatingLeastSquares(
        factors=asked.factors,
        regularization=10.0,
        iterations=asked.iterations,
        random_state=7,
    )


def _pairs(
    name: str, ours: Callable[[], object], bare: Callable[[], object], n: int
) -> dict[str, Any]:
    """Seconds of both by turns, by clock and processor, and medians of their ratios."""
    walls, cpus = [], []
    for _pair in range(n):
        (wall, cpu), (bare_wall, bare_cpu) = _spent(ours), _spent(bare)
        walls.append((wall, bare_wall))
        cpus.append((cpu, bare_cpu))
        sys.stderr.write(f"{name}: {wall:.2f} s, bare {bare_wall:.2f} s\n")
    seconds = np.median(walls, axis=0).round(3).tolist()
    return {
        f"{name}_seconds": dict(zip(("ours", "bare"), seconds, strict=True)),
        f"{name}_by_implicit": _ratio(walls),
        f"{name}_by_implicit_processor": _ratio(cpus),
    }


def _spent(deed: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    deed()
    return time.perf_counter() - wall, time.process_time() - cpu


def _ratio(pairs: list[tuple[float, float]]) -> float:
    return round(statistics.median(ours / bare for ours, bare in pairs), 3)


if __name__ == "__main__":
    main()

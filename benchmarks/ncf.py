"""NCF: examples a second of the fused loop against a plain `model.fit`, batch 256.

    python benchmarks/ncf.py

The same NeuMF (GMF 8, MLP 32-16-8, 4 negatives, Adam), the same synthetic log. The
first epoch, which compiles, counts on neither side. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from segmentation.engine import recommenders
from segmentation.engine.interactions import Interactions

N_NEGATIVES = 4
N_FACTORS = 8
LAYERS = (32, 16, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=2_400)
    parser.add_argument("--items", type=int, default=18_000)
    parser.add_argument("--interactions", type=int, default=700_000)
    parser.add_argument("--plain-examples", type=int, default=600_000)
    asked = parser.parse_args()
    data = _log(asked.users, asked.items, asked.interactions)
    fused = _fused(data)
    plain = _plain(data, asked.plain_examples)
    report = {
        "n_users": len(data.users),
        "n_items": len(data.items),
        "n_cells": int(data.user_items.nnz),
        "fused_examples_per_second": round(fused),
        "plain_examples_per_second": round(plain),
        "ratio": round(fused / plain, 1),
    }
    sys.stdout.write(json.dumps(report) + "\n")


def _log(n_users: int, n_items: int, n: int) -> Interactions:
    rng = np.random.default_rng(11)
    popularity = 1 / (np.arange(n_items) + 20.0) ** 0.9
    items = rng.choice(n_items, n, p=popularity / popularity.sum())
    users = rng.integers(0, n_users, n)
    return Interactions.from_frame(
        pd.DataFrame({"user_id": users, "item_id": items, "weight": 1.0})
    )


def _fused(data: Interactions) -> float:
    instants: list[float] = []
    model = recommenders.create(
        "ncf", network="neumf", n_factors=N_FACTORS, layers=LAYERS, epochs=5
    )
    model.fit(data, on_epoch=lambda *_: instants.append(time.perf_counter()))
    seconds = (instants[-1] - instants[0]) / (len(instants) - 1)
    return data.user_items.nnz * (1 + N_NEGATIVES) / seconds


def _plain(data: Interactions, n_examples: int) -> float:
    matrix = data.user_items
    rng = np.random.default_rng(7)
    n_positives = n_examples // (1 + N_NEGATIVES)
    owners = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    draws = rng.integers(0, matrix.nnz, (n_positives, 1 + N_NEGATIVES))
    users = np.repeat(owners[draws[:, 0]], 1 + N_NEGATIVES)
    items = matrix.indices[draws].ravel()
    labels = np.tile(np.eye(1, 1 + N_NEGATIVES, dtype=np.float32)[0], n_positives)
    order = rng.permutation(len(labels))
    users, items, labels = users[order], items[order], labels[order]
    network = _keras(*matrix.shape)
    seconds = 0.0
    for part in (slice(0, 25_600), slice(None)):  # the first call traces
        started = time.perf_counter()
        network.fit([users[part], items[part]], labels[part], batch_size=256, verbose=0)
        seconds = time.perf_counter() - started
    return len(labels) / seconds


def _keras(n_users: int, n_items: int) -> Any:
    import keras
    from keras import layers

    user, item = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")
    width = LAYERS[0] // 2
    product = layers.Multiply()(
        [
            layers.Embedding(n_users, N_FACTORS)(user),
            layers.Embedding(n_items, N_FACTORS)(item),
        ]
    )
    hidden = layers.Concatenate()(
        [layers.Embedding(n_users, width)(user), layers.Embedding(n_items, width)(item)]
    )
    for size in LAYERS[1:]:
        hidden = layers.Dense(size, activation="relu")(hidden)
    both = layers.Concatenate()([product, hidden])
    network = keras.Model([user, item], layers.Dense(1, activation="sigmoid")(both))
    network.compile(keras.optimizers.Adam(), "binary_crossentropy")
    return network


if __name__ == "__main__":
    main()

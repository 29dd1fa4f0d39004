"""Estimate beside truth, method by method, on a made-up shop: one JSON object.

``python benchmarks/guarding.py [CELLS] [METHOD …]``: each method learns once, in a
process of its own, from CELLS pairs (default a million), with its usual parameters.
Memory is what the process grew by at its peak, without that of the data; seconds are of
the processor, on all cores together, so that other work beside it says little.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
CELLS = 1_000_000
SAID = {"rules": {"rules": ({"if": "category=0", "then": "category=1"},)}}


def main() -> None:
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else CELLS
    if sys.argv[2:3] == ["--one"]:
        sys.stdout.write(json.dumps(measured(sys.argv[3], cells)) + "\n")
        return
    from segmentation.engine import recommenders

    found = {}
    for name in sys.argv[2:] or recommenders.names():
        command = [sys.executable, __file__, str(cells), "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        last = done.stdout.strip().rpartition("\n")[2] or done.stderr.strip()[-200:]
        found[name] = json.loads(last) if done.returncode == 0 else last
        sys.stderr.write(f"{name}: {found[name]}\n")
    told = {"benchmark": "guarding", "cells": cells, "methods": found}
    sys.stdout.write(json.dumps(told) + "\n")


def measured(name: str, cells: int) -> dict[str, Any]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsys_project.settings")
    import django

    django.setup()
    from segmentation.engine import recommenders
    from segmentation.services.training import guarding

    data = made_up(cells)
    shape = guarding.Shape.of(data)
    told = SAID.get(name, {})
    expected = guarding.cost(name, told, shape)
    before, start = peak_mb(), time.process_time()
    model = recommenders.create(name, **told).fit(data)
    fitted = time.process_time() - start
    peak = peak_mb() - before
    rows = range(min(2000, shape.users))
    start = time.process_time()
    model.recommend(list(rows), 50)
    scored = (time.process_time() - start) / (len(rows) * shape.items)
    return {
        "seconds": [round(expected.seconds, 2), round(fitted, 2)],
        "mb": [round(expected.bytes / 1e6), round(peak)],
        "score_ns": [round(expected.score_seconds * 1e9, 1), round(scored * 1e9, 1)],
    }


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def made_up(cells: int) -> Any:
    """Twenty interactions a customer with popular items, as shops have them."""
    import dataclasses

    import numpy as np
    import pandas as pd

    from segmentation.engine.catalogue import Catalogue
    from segmentation.engine.interactions import Interactions

    rng = np.random.default_rng(7)
    users, items = cells // 20, max(cells // 100, 10)
    frame = pd.DataFrame(
        {
            "user_id": rng.integers(0, users, cells),
            "item_id": (rng.pareto(1.0, cells) * items / 50).astype(np.int64) % items,
            "weight": np.ones(cells, np.float32),
            "rating": rng.integers(1, 6, cells).astype(np.float32),
            "timestamp": rng.uniform(0, 365, cells),
        }
    )
    data = Interactions.from_frame(frame)
    ids = data.items.ids
    words = rng.integers(0, 5000, (len(ids), 8))
    known = pd.DataFrame(
        {
            "item_id": ids,
            "title": [" ".join(f"word{w}" for w in row) for row in words],
            "category": (ids % 50).astype(str),
            "price": ids % 97 + 1.0,
        }
    )
    catalogue = Catalogue.from_frame(known, data.items)
    return dataclasses.replace(data, catalogue=catalogue)


if __name__ == "__main__":
    main()

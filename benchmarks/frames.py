"""Events to the log of interest, beside a bare read of the same rows: one JSON object.

Fills a fresh database with a million made-up purchases through the importer, then reads
them a few times each way and tells the medians and their ratio (the bar is 3).
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
ROWS, REPEATS = 1_000_000, 3


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as home:
        os.environ["STRATA_HOME"] = home
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsys_project.settings")
        if "TEST_POSTGRES_URL" in os.environ:
            os.environ |= production(home)
        import django

        django.setup()
        sys.stdout.write(json.dumps(measured(Path(home))) + "\n")


def production(home: str) -> dict[str, str]:
    """The server that `python -m tests.servers` started, with a database of its own."""
    import psycopg

    name = f"bench_{Path(home).name[-8:]}".lower()
    url = os.environ["TEST_POSTGRES_URL"]
    with psycopg.connect(f"{url}/postgres", autocommit=True) as session:
        session.execute(f'CREATE DATABASE "{name}"')
    return {
        "DATABASE_URL": f"{url}/{name}",
        "REDIS_URL": os.environ["TEST_REDIS_URL"],
        "SECRET_KEY": "for-this-benchmark-only-" * 3,
        "PUBLIC_URL": "http://127.0.0.1:8000",
    }


def measured(folder: Path) -> dict[str, object]:
    from django.core.management import call_command
    from django.db import connection

    from segmentation import bulk, frames, tasks
    from segmentation.services import importing

    call_command("migrate", verbosity=0)
    job = importing.create_job("events", made_up(folder), columns={})
    tasks.perform(job, importing.run_import)
    bare = (
        f"SELECT i.customer_id, {bulk.epoch('e.occurred_at')}, e.item_id, e.kind, "
        "e.order_key FROM segmentation_event e "
        "JOIN segmentation_identity i ON i.id = e.identity_id"
    )
    read, made = median(lambda: bulk.read(bare)), median(frames.interactions)
    return {
        "benchmark": "frames",
        "database": connection.vendor,
        "rows": ROWS,
        "bare_read_seconds": round(read, 3),
        "frames_seconds": round(made, 3),
        "ratio": round(made / read, 2),
        "bar": 3.0,
    }


def made_up(folder: Path) -> Path:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(7)
    seconds = np.sort(rng.integers(1_600_000_000, 1_630_000_000, ROWS))
    table = pa.table(
        {
            "customer": pa.array(rng.integers(0, 50_000, ROWS)),
            "item": pa.array(rng.zipf(1.3, ROWS) % 20_000),
            "occurred_at": pa.array(seconds * 10**6, pa.timestamp("us", "UTC")),
            "order": pa.array(np.arange(ROWS) // 8),
            "kind": pa.array(["purchase"] * ROWS),
        }
    )
    path = folder / "events.parquet"
    pq.write_table(table, path)
    return path


def median(deed: Callable[[], object]) -> float:
    seconds = []
    for _repeat in range(REPEATS):
        start = time.perf_counter()
        deed()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()

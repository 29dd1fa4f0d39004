"""How fast events are written, beside the bare way of each database.

    python -m tests.servers -- python benchmarks/bulk.py

PostgreSQL: ``events.insert`` of staged rows against one COPY of the same rows into the
same table, and into a table of the same columns without key or index. SQLite: against
``executemany`` into the same table. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
CHUNK_ROWS = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        sys.stdout.write(json.dumps(_measured(options.rows, options.rounds)) + "\n")
        return
    answers = {name: _in_process(name, options) for name in ("postgres", "sqlite")}
    sys.stdout.write(json.dumps({"benchmark": "bulk", **answers}) + "\n")


def _in_process(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one database in a process of its own, for settings are read once."""
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"STRATA_HOME": folder, "STRATA_HTTPS": "0"}
        if name == "postgres":
            url = os.environ["TEST_POSTGRES_URL"]
            env |= {"DATABASE_URL": f"{url}/postgres", "SECRET_KEY": "x" * 50}
            env |= {"REDIS_URL": os.environ["TEST_REDIS_URL"] + "/0"}
            env |= {"PUBLIC_URL": "http://127.0.0.1:8000"}
        words = [sys.executable, __file__, "--here", "--rows", str(options.rows)]
        words += ["--rounds", str(options.rounds)]
        done = subprocess.run(words, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _measured(n: int, rounds: int) -> dict[str, Any]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "recsys_project.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    rows = _events(n)
    is_postgres = connection.vendor == "postgresql"
    ways: dict[str, Callable[[Any], None]] = {"insert": _insert}
    if is_postgres:
        ways |= {"copy": _copy("segmentation_event"), "copy_bare": _copy("bare")}
    else:
        ways |= {"executemany": _executemany}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _round in range(rounds):
        for name, way in ways.items():
            _empty(is_postgres)
            start = time.perf_counter()
            way(rows)
            seconds[name].append(time.perf_counter() - start)
    best = {name: min(values) for name, values in seconds.items()}
    answer: dict[str, Any] = {"rows": n}
    answer["seconds"] = {name: round(value, 3) for name, value in best.items()}
    for name in ways:
        if name != "insert":
            answer[f"insert_by_{name}"] = round(best["insert"] / best[name], 3)
    _empty(is_postgres)
    _insert(rows)
    return answer | _bytes_a_row(n, is_postgres)


def _events(n: int) -> Any:
    """Purchases as an import makes them: keys are hashes, so in no order."""
    import numpy as np
    import pyarrow as pa

    from segmentation.services import events

    rng = np.random.default_rng(1)
    keys = rng.bytes(16 * n)
    start = np.datetime64("2025-01-01T00:00:00", "us")
    seconds = np.sort(rng.integers(0, 31_000_000, n)) * 1_000_000
    columns = {
        "event_key": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), n, [None, pa.py_buffer(keys)]
        ),
        "occurred_at": (start + seconds.astype("m8[us]")),
        "identity_id": rng.integers(1, 50_000, n),
        "item_id": rng.integers(1, 20_000, n),
        "amount": rng.random(n).round(2),
        "price": rng.random(n).round(2),
        "order_key": rng.integers(-(2**63), 2**63 - 1, n),
        "import_id": np.ones(n, np.int64),
        "quantity": rng.integers(1, 4, n).astype(float),
        "kind": np.full(n, 5),
        "currency": [""] * n,
    }
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(n, field.type)
        for field in events.SCHEMA
    ]
    return pa.table(arrays, schema=events.SCHEMA)


def _insert(rows: Any) -> None:
    from django.db import transaction

    from segmentation import bulk
    from segmentation.services import events

    for start in range(0, rows.num_rows, CHUNK_ROWS):
        with (
            bulk.staged(rows.slice(start, CHUNK_ROWS)) as staging,
            transaction.atomic(),
        ):
            events.insert(staging)


def _copy(table: str) -> Callable[[Any], None]:
    def copy(rows: Any) -> None:
        from django.db import connection

        columns = ", ".join(rows.column_names)
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)") as into,
        ):
            for batch in rows.to_batches(max_chunksize=CHUNK_ROWS):
                into.write(_csv(batch))

    return copy


def _csv(rows: Any) -> memoryview:
    """CSV as anybody would write it; an empty cell is NULL, a quoted empty one ''."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    keys = rows.column("event_key")
    raw = np.frombuffer(keys.buffers()[1], np.uint8)
    raw = raw[keys.offset * 16 : (keys.offset + len(keys)) * 16]
    digits = np.empty((len(raw), 2), np.uint8)
    hexadecimal = np.frombuffer(b"0123456789abcdef", np.uint8)
    digits[:, 0], digits[:, 1] = hexadecimal[raw >> 4], hexadecimal[raw & 15]
    texts = pa.array(digits.reshape(-1).view("S32")).cast(pa.string())
    index = rows.schema.get_field_index("event_key")
    rows = rows.set_column(index, "event_key", texts)
    sink = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(rows, sink, options)
    return sink.getbuffer()


def _executemany(rows: Any) -> None:
    from django.db import connection, transaction

    from segmentation.bulk import sqlite

    plain = sqlite._as_django_writes(rows)
    names = ", ".join(rows.column_names)
    marks = ", ".join("?" * rows.num_columns)
    for start in range(0, rows.num_rows, CHUNK_ROWS):
        columns = plain.slice(start, CHUNK_ROWS).columns
        values = zip(*(column.to_pylist() for column in columns), strict=True)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.connection.executemany(
                f"INSERT OR IGNORE INTO segmentation_event ({names}) VALUES ({marks})",
                values,
            )


def _empty(is_postgres: bool) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        if is_postgres:
            cursor.execute("TRUNCATE segmentation_event")
            cursor.execute("DROP TABLE IF EXISTS bare")
            cursor.execute("CREATE TABLE bare AS TABLE segmentation_event")
            cursor.execute("CHECKPOINT")
        else:
            cursor.execute("DELETE FROM segmentation_event")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _bytes_a_row(n: int, is_postgres: bool) -> dict[str, float]:
    from django.db import connection

    with connection.cursor() as cursor:
        if is_postgres:
            cursor.execute("VACUUM segmentation_event")
            cursor.execute(
                "SELECT pg_table_size(c), pg_indexes_size(c) "
                "FROM (SELECT 'segmentation_event'::regclass) AS t (c)"
            )
            table, indexes = cursor.fetchone()
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.execute(
                "SELECT sum(pgsize) FILTER (WHERE name = 'segmentation_event'), "
                "sum(pgsize) FILTER (WHERE name <> 'segmentation_event') FROM dbstat "
                "WHERE name LIKE '%event%' AND name NOT LIKE '%detail%'"
            )
            table, indexes = cursor.fetchone()
    return {
        "bytes_a_row": round(table / n, 1),
        "index_bytes_a_row": round(indexes / n, 1),
    }


if __name__ == "__main__":
    main()

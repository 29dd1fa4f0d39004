"""SQLite: a scratch file that Django's connection attaches; reads in a child."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection

STAGING = "strata_staging"
FEW = 2000  # rows for which a scratch file costs more than it saves

# The child imports neither Django nor this package: it only knows Arrow and ADBC.
CHILD = """
import json, sys
import adbc_driver_sqlite.dbapi as adbc
import pyarrow.ipc as ipc
path, target = sys.argv[1:3]
sql, params = json.load(sys.stdin)
with adbc.connect(f"file:{path}?mode=ro") as database, database.cursor() as cursor:
    cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": "65536"})
    cursor.execute(sql, params or None)
    reader = cursor.fetch_record_batch()
    with ipc.new_file(target, reader.schema) as sink:
        for batch in reader:
            sink.write_batch(batch)
"""


@contextmanager
def staged(rows: pa.Table) -> Iterator[str]:
    if connection.in_atomic_block or rows.num_rows <= FEW:
        with _filled_temporary_table(rows) as name:
            yield name
        return
    with tempfile.TemporaryDirectory(prefix="strata-") as folder:
        path = Path(folder) / "scratch.sqlite3"
        _write_scratch(path, rows)
        alias = f"scratch_{uuid.uuid4().hex[:8]}"
        with connection.cursor() as cursor:
            cursor.execute(f"ATTACH DATABASE %s AS {alias}", [str(path)])
            try:
                yield f'{alias}."{STAGING}"'
            finally:
                if not connection.in_atomic_block:
                    cursor.execute(f"DETACH DATABASE {alias}")


def read(sql: str, params: Sequence[Any]) -> pa.Table:
    path = str(connection.settings_dict["NAME"])
    sql = "%".join(part.replace("%s", "?") for part in sql.split("%%"))
    question = json.dumps([sql, list(params)])
    with tempfile.TemporaryDirectory(prefix="strata-") as folder:
        target = str(Path(folder) / "rows.arrow")
        child = subprocess.run(
            [sys.executable, "-c", CHILD, path, target],
            input=question.encode(),
            capture_output=True,
        )
        if child.returncode:
            raise RuntimeError(child.stderr.decode(errors="replace")[-2000:])
        with pa.memory_map(target) as source:
            # A copy: the folder goes away when this returns.
            return pa.ipc.open_file(source).read_all().combine_chunks()


def _write_scratch(path: Path, rows: pa.Table) -> None:
    import adbc_driver_sqlite.dbapi as adbc

    with (
        adbc.connect(str(path), autocommit=True) as database,
        database.cursor() as cursor,
    ):
        cursor.execute("PRAGMA synchronous=OFF")  # a scratch file outlives no crash
        cursor.adbc_ingest(STAGING, _as_django_writes(rows), mode="create")


@contextmanager
def _filled_temporary_table(rows: pa.Table) -> Iterator[str]:
    """Inside a transaction nothing can be attached; tests and small sets go here."""
    rows = _as_django_writes(rows)
    columns = ", ".join(f'"{name}"' for name in rows.column_names)
    marks = ", ".join("?" for _name in rows.column_names)
    values = list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
    name = f'"{STAGING}_{uuid.uuid4().hex[:8]}"'
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns})")
        raw = cursor.connection  # sqlite3 itself: many rows, no SQL logging
        raw.executemany(f"INSERT INTO {name} VALUES ({marks})", values)
        yield name
        with contextlib.suppress(Exception):
            cursor.execute(f"DROP TABLE {name}")


def _as_django_writes(rows: pa.Table) -> pa.Table:
    """Timestamps as ``2025-10-01 16:34:33[.600000]``, or comparisons would be wrong.

    ADBC writes them with a ``T`` and Django without: both read back, but as text one
    sorts after the other.
    """
    for index, field in enumerate(rows.schema):
        column = rows.column(index)
        if pa.types.is_timestamp(field.type):
            utc = column.cast(pa.timestamp("us", field.type.tz))
            text = pc.strftime(utc, "%Y-%m-%d %H:%M:%S")
            text = pc.replace_substring_regex(text, r"\.000000$", "")
            rows = rows.set_column(index, field.name, text)
        elif field.type == pa.binary(16):
            rows = rows.set_column(index, field.name, column.cast(pa.binary()))
        elif pa.types.is_boolean(field.type):
            rows = rows.set_column(index, field.name, column.cast(pa.int8()))
    return rows

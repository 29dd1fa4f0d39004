"""SQLite: a scratch file that Django's connection attaches; reads in a child."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
from django.db import Error, connection

STAGING = "strata_staging"
FEW = 2000  # rows for which a scratch file costs more than it saves

# The child imports neither Django nor this package: it only knows Arrow and ADBC.
# ADBC takes each column's type from the first batch and fails when a later one does
# not fit (an integer 0 first, then reals): so all rows are one batch.
CHILD = """
import json, sys
import adbc_driver_sqlite.dbapi as adbc
import pyarrow.ipc as ipc
address, target = sys.argv[1:3]
sql, params = json.load(sys.stdin)
with adbc.connect(address) as database, database.cursor() as cursor:
    cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": "1000000000"})
    cursor.execute("PRAGMA busy_timeout = 20000")
    cursor.fetchall()
    cursor.execute(sql, params or None)
    reader = cursor.fetch_record_batch()
    with ipc.new_file(target, reader.schema) as sink:
        for batch in reader:
            sink.write_batch(batch)
"""


@contextmanager
def staged(rows: pa.Table) -> Iterator[str]:
    rows = _as_django_writes(rows)
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
            _let_go(f"DETACH DATABASE {alias}")


def read(sql: str, params: Sequence[Any]) -> pa.Table:
    connection.ensure_connection()  # a read-only opener needs the log to be there
    path = quote(str(connection.settings_dict["NAME"]))
    sql = "%".join(part.replace("%s", "?") for part in sql.split("%%"))
    question = json.dumps([sql, list(params)])
    with tempfile.TemporaryDirectory(prefix="strata-") as folder:
        target = str(Path(folder) / "rows.arrow")
        child = subprocess.run(
            [sys.executable, "-c", CHILD, f"file:{path}?mode=ro", target],
            input=question.encode(),
            capture_output=True,
            check=False,
        )
        if child.returncode:
            raise RuntimeError(child.stderr.decode(errors="replace")[-2000:])
        with pa.memory_map(target) as source:
            # The mapping outlives the folder: its pages are freed with the table.
            return pa.ipc.open_file(source).read_all()


def _write_scratch(path: Path, rows: pa.Table) -> None:
    import adbc_driver_sqlite.dbapi as adbc

    with (
        adbc.connect(str(path), autocommit=True) as database,
        database.cursor() as cursor,
    ):
        cursor.execute("PRAGMA synchronous=OFF")  # a scratch file outlives no crash
        cursor.adbc_ingest(STAGING, rows, mode="create")


@contextmanager
def _filled_temporary_table(rows: pa.Table) -> Iterator[str]:
    """Inside a transaction nothing can be attached; tests and small sets go here."""
    columns = ", ".join(connection.ops.quote_name(name) for name in rows.column_names)
    marks = ", ".join("?" for _name in rows.column_names)
    values = zip(*(column.to_pylist() for column in rows.columns), strict=True)
    name = f'"{STAGING}_{uuid.uuid4().hex[:8]}"'
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns})")
        try:
            raw = cursor.connection  # sqlite3 itself: many rows, no SQL logging
            raw.executemany(f"INSERT INTO {name} VALUES ({marks})", values)
            yield name
        finally:
            _let_go(f"DROP TABLE IF EXISTS temp.{name}")


def _let_go(statement: str) -> None:
    """Drop or detach what was lent, also after an error that must be heard itself."""
    if connection.needs_rollback:
        return  # the roll-back drops it
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except Error:
        if connection.in_atomic_block:
            raise
        connection.close()  # whoever still reads from it loses it with the connection


def _as_django_writes(rows: pa.Table) -> pa.Table:
    """Timestamps as ``2025-10-01 16:34:33[.600000]``, or comparisons would be wrong.

    ADBC writes them with a ``T`` and Django without: both read back, but as text one
    sorts after the other.
    """
    for index, field in enumerate(rows.schema):
        column = rows.column(index)
        if pa.types.is_timestamp(field.type):
            text = pc.strftime(column, "%Y-%m-%d %H:%M:%S")
            text = pc.replace_substring_regex(text, r"\.000000$", "")
            rows = rows.set_column(index, field.name, text)
        elif field.type == pa.binary(16):
            rows = rows.set_column(index, field.name, column.cast(pa.binary()))
        elif pa.types.is_boolean(field.type) or pa.types.is_null(field.type):
            rows = rows.set_column(index, field.name, column.cast(pa.int64()))
    return rows

"""PostgreSQL: COPY in on Django's own connection, ADBC out."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from django.db import DatabaseError, connection
from psycopg.conninfo import make_conninfo

STAGING = "strata_staging"
COPY_ROWS = 65_536  # rows of CSV text that are in memory at once

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


@contextmanager
def staged(rows: pa.Table) -> Iterator[str]:
    name = connection.ops.quote_name(f"{STAGING}_{uuid.uuid4().hex[:8]}")
    columns = ", ".join(
        f"{connection.ops.quote_name(field.name)} {_sql_type(field.type)}"
        for field in rows.schema
    )
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns})")
        try:
            with cursor.copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy:
                for batch in rows.to_batches(max_chunksize=COPY_ROWS):
                    copy.write(_csv(batch))
            yield name
        except BaseException:
            # In a transaction that failed nothing runs any more: its roll-back drops
            # the table. What went wrong first is what the caller must hear.
            with contextlib.suppress(DatabaseError):
                if not _is_aborted():
                    cursor.execute(f"DROP TABLE IF EXISTS {name}")
            raise
        cursor.execute(f"DROP TABLE IF EXISTS {name}")


def read(sql: str, params: Sequence[Any]) -> pa.Table:
    import adbc_driver_postgresql.dbapi as adbc

    numbers = itertools.count(1)
    sql = "%".join(
        re.sub("%s", lambda _mark: f"${next(numbers)}", part)
        for part in sql.split("%%")
    )
    with adbc.connect(_address()) as database, database.cursor() as cursor:
        cursor.execute(sql, tuple(params) or None)
        rows = cursor.fetch_arrow_table()
    for index, field in enumerate(rows.schema):
        if isinstance(field.type, pa.BaseExtensionType):  # uuid, jsonb
            plain = rows.column(index).cast(field.type.storage_type)
            rows = rows.set_column(index, field.name, plain)
    return rows


def _address() -> str:
    """libpq's words for the very connection that Django has."""
    connection.ensure_connection()
    info = connection.connection.info
    return make_conninfo(**info.get_parameters(), password=info.password)


def _is_aborted() -> bool:
    from psycopg.pq import TransactionStatus

    healthy = (TransactionStatus.IDLE, TransactionStatus.INTRANS)
    return (
        connection.connection is None
        or connection.needs_rollback
        or connection.connection.info.transaction_status not in healthy
    )


def _csv(rows: pa.RecordBatch) -> memoryview:
    """CSV in which an empty cell is NULL and a quoted empty one is ''."""
    for index, field in enumerate(rows.schema):
        if field.type == pa.binary(16):
            rows = rows.set_column(index, field.name, _hex(rows.column(index)))
    sink = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(rows, sink, options)
    return sink.getbuffer()


def _hex(column: pa.FixedSizeBinaryArray) -> pa.StringArray:
    """16 bytes → 32 hex digits, without touching a row in Python."""
    n = len(column)
    if not n:
        return pa.array([], pa.string())
    raw = np.frombuffer(column.buffers()[1], np.uint8)
    raw = raw[column.offset * 16 : (column.offset + n) * 16]
    digits = np.empty((len(raw), 2), np.uint8)
    digits[:, 0], digits[:, 1] = _HEX[raw >> 4], _HEX[raw & 15]
    text = pa.array(digits.reshape(-1).view("S32")).cast(pa.string())
    return text if not column.null_count else _keep_nulls(text, column)


def _keep_nulls(text: pa.StringArray, column: pa.Array) -> pa.StringArray:
    return pc.if_else(column.is_valid(), text, None)


def _sql_type(kind: pa.DataType) -> str:
    if kind == pa.binary(16):
        return "uuid"
    if pa.types.is_timestamp(kind):
        return "timestamptz"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_null(kind):
        return "bigint"
    if pa.types.is_floating(kind):
        return "float8"
    return "text"

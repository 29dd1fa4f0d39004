"""PostgreSQL: COPY in on Django's own connection, ADBC out."""

from __future__ import annotations

import binascii
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.csv
from django.db import connection

STAGING = "strata_staging"


@contextmanager
def staged(rows: pa.Table) -> Iterator[str]:
    name = connection.ops.quote_name(STAGING)
    columns = ", ".join(
        f"{connection.ops.quote_name(field.name)} {_sql_type(field.type)}"
        for field in rows.schema
    )
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns})")
        try:
            with cursor.copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy:
                copy.write(_csv(rows))
            yield name
        finally:
            # After an error inside atomic() the roll-back has to drop it.
            if not connection.needs_rollback:
                cursor.execute(f"DROP TABLE IF EXISTS {name}")


def read(sql: str, params: Sequence[Any]) -> pa.Table:
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(_address()) as database, database.cursor() as cursor:
        numbers = itertools.count(1)
        sql = "%".join(
            re.sub("%s", lambda _mark: f"${next(numbers)}", part)
            for part in sql.split("%%")
        )
        cursor.execute(sql, tuple(params) or None)
        return cursor.fetch_arrow_table()


def _address() -> str:
    """libpq's URL of the database that Django is connected to."""
    settings = connection.get_connection_params()
    user = quote(settings.get("user") or "", safe="")
    password = quote(settings.get("password") or "", safe="")
    database = quote(settings.get("dbname") or "", safe="")
    query = {
        "host": settings.get("host"),
        "port": settings.get("port"),
        "sslmode": settings.get("sslmode"),
        "sslrootcert": settings.get("sslrootcert"),
    }
    named = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in query.items() if v)
    secret = f":{password}" if password else ""
    return f"postgresql://{user}{secret}@/{database}?{named}"


def _csv(rows: pa.Table) -> memoryview:
    """CSV in which an empty cell is NULL and a quoted empty one is ''."""
    for index, field in enumerate(rows.schema):
        if field.type == pa.binary(16):
            rows = rows.set_column(index, field.name, _hex(rows.column(index)))
    sink = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(rows, sink, options)
    return sink.getbuffer()


def _hex(column: pa.ChunkedArray) -> pa.Array:
    """16 bytes → 32 hex digits, without touching a row in Python."""
    keys = column.combine_chunks()
    start = keys.offset * 16
    raw = keys.buffers()[1][start : start + len(keys) * 16]
    digits = np.frombuffer(binascii.hexlify(raw), dtype="S32")
    return pa.array(digits).cast(pa.string())


def _sql_type(kind: pa.DataType) -> str:
    if kind == pa.binary(16):
        return "uuid"
    if pa.types.is_timestamp(kind):
        return "timestamptz"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "bigint"
    if pa.types.is_floating(kind):
        return "float8"
    return "text"

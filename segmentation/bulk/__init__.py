"""Sets of rows in and out: the only place that knows COPY, ADBC and ATTACH.

``staged(table)`` lends an Arrow table to SQL under a temporary name; the caller then
writes with ``INSERT … SELECT`` inside its own transaction. ``read(sql)`` answers a
query as an Arrow table. On PostgreSQL rows go in by COPY on Django's own connection
and come out over ADBC. On SQLite ADBC writes a scratch file that Django's connection
attaches, and reads in a child process: **ADBC must never open the live SQLite file in
a process that also holds a Django connection.** Its wheel carries a second SQLite, and
when that one closes the file the process's POSIX locks are dropped, so that two
writers can both commit and one's rows vanish without an error.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from django.db import connection

from segmentation.bulk import postgres, sqlite


@contextmanager
def staged(rows: pa.Table) -> Iterator[str]:
    """Make ``rows`` readable by SQL on Django's connection; yields the quoted name.

    Open it outside of ``atomic()`` (SQLite cannot attach inside a transaction; inside
    one, as in tests, a temporary table is filled instead). Columns of 16-byte binary
    arrive as the type of ``KeyField``, timestamps in UTC as Django writes them (one
    without a zone is taken for UTC), a NaN as NaN or, on SQLite, as NULL.
    """
    backend = postgres if connection.vendor == "postgresql" else sqlite
    with backend.staged(_plain(rows)) as name:
        yield name


def read(sql: str, params: Sequence[Any] = ()) -> pa.Table:
    """Answer a query as an Arrow table. ``%s`` marks a parameter (int, float or str).

    A percent sign is written ``%%``, with or without parameters. Keys come as their 16
    bytes; read an instant through ``epoch``, for SQLite has no type for it. On SQLite a
    column without any value comes as int64. Committed rows only, unless Django's
    connection is inside a transaction: then the query runs there and sees what the
    transaction wrote.
    """
    if connection.in_atomic_block:
        return _read_here(sql, params)
    backend = postgres if connection.vendor == "postgresql" else sqlite
    return backend.read(sql, params)


def epoch(column: str) -> str:
    """SQL for an instant as seconds since 1970, float, on either database."""
    if connection.vendor == "postgresql":
        return f"extract(epoch from {column})::float8"
    # strftime keeps milliseconds; unixepoch(…, 'subsec') needs SQLite 3.42.
    return (
        f"(strftime('%%s', {column}) + strftime('%%f', {column}) "
        f"- strftime('%%S', {column}))"
    )


def _plain(rows: pa.Table) -> pa.Table:
    """Types that both databases take: values for dictionaries, instants in UTC."""
    for index, field in enumerate(rows.schema):
        kind = field.type
        if pa.types.is_dictionary(kind):
            plain = kind.value_type
        elif pa.types.is_timestamp(kind):
            plain = pa.timestamp("us", "UTC")
        else:
            continue
        # Not safe: what is finer than a microsecond is cut off.
        column = rows.column(index).cast(plain, safe=False)
        rows = rows.set_column(index, field.name, column)
    return rows


def _read_here(sql: str, params: Sequence[Any]) -> pa.Table:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [column[0] for column in cursor.description]
        columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
    return pa.table([_array(column) for column in columns], names=names)


def _array(values: Sequence[Any]) -> pa.Array:
    if any(isinstance(value, uuid.UUID) for value in values):
        values = [value and value.bytes for value in values]
        return pa.array(values, pa.binary(16))
    array = pa.array(values)
    return array.cast(pa.int64()) if pa.types.is_null(array.type) else array

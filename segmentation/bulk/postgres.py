"""PostgreSQL: COPY in on Django's own connection, ADBC out."""

from __future__ import annotations

import contextlib
import itertools
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from django.db import DatabaseError, connection
from psycopg.conninfo import make_conninfo

from segmentation.bulk import binary

STAGING = "strata_staging"
COPY_ROWS = 65_536  # rows that are in memory once more, as bytes


@contextmanager
def staged(rows: pa.Table) -> Iterator[str]:
    name = connection.ops.quote_name(f"{STAGING}_{uuid.uuid4().hex[:8]}")
    columns = ", ".join(
        f"{connection.ops.quote_name(field.name)} {binary.sql_type(field.type)}"
        for field in rows.schema
    )
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns})")
        try:
            with cursor.copy(f"COPY {name} FROM STDIN (FORMAT binary)") as copy:
                copy.write(binary.HEAD)
                for batch in rows.to_batches(max_chunksize=COPY_ROWS):
                    copy.write(binary.rows(batch))
                copy.write(binary.TAIL)
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

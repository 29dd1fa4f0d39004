"""Parquet: columns keep their types; structs become a.b, lists one text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from segmentation.services.importing.reading import limits, packing
from segmentation.services.importing.reading.layout import (
    CHUNK_ROWS,
    Layout,
    Reader,
    Unreadable,
    refuse_doubled,
)


def open_parquet(path: Path, layout: Layout) -> Reader:
    source = packing.seekable(path, layout.packing)
    try:
        file = pq.ParquetFile(source)
        empty = _plain(file.schema_arrow.empty_table())
    except (pa.ArrowException, OSError) as error:
        raise _damaged(error) from error
    meta = file.metadata
    limits.refuse_rows(meta.num_rows)
    limits.refuse_columns(len(empty.column_names))
    groups = [meta.row_group(n).total_byte_size for n in range(meta.num_row_groups)]
    limits.refuse_expanded(sum(groups))
    refuse_doubled(empty.column_names)
    reader = Reader(empty.column_names, meta.num_rows, iter(()))
    reader.n_bytes = path.stat().st_size
    n_read = 0

    def chunks() -> Iterator[pa.Table]:
        nonlocal n_read
        try:
            for batch in file.iter_batches(batch_size=CHUNK_ROWS):
                chunk = _plain(pa.Table.from_batches([batch]))
                limits.refuse_cells(chunk, n_read + reader.first_row)
                n_read += batch.num_rows
                yield chunk
        except (pa.ArrowException, OSError) as error:
            raise _damaged(error) from error

    reader.chunks = chunks()
    reader.bytes_read = lambda: reader.n_bytes * n_read // max(meta.num_rows, 1)
    return reader


def _plain(table: pa.Table) -> pa.Table:
    """Without structs, lists and dictionaries."""
    while any(pa.types.is_struct(column.type) for column in table.columns):
        table = table.flatten()
    for n, column in enumerate(table.columns):
        plain = _plain_column(column)
        if plain is not column:
            table = table.set_column(n, table.column_names[n], plain)
    return table


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        try:
            texts = column.cast(pa.list_(pa.string()))
        except pa.ArrowException:  # lists of structs: nothing a column can hold
            return pa.chunked_array([pa.nulls(len(column), pa.string())])
        return pc.binary_join(texts, ";")
    return column


def _damaged(error: Exception) -> Unreadable:
    return Unreadable(_("The Parquet file is damaged: %(error)s") % {"error": error})

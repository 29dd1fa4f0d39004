"""Arrow rows as PostgreSQL's COPY takes them in binary: a third of the work of text.

The format is that of the page "COPY" of PostgreSQL's manual: a head, then of each row
the number of its fields, and of each field its length (-1 is NULL) and its bytes.
"""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TAIL = b"\xff\xff"

_EPOCH_MICROSECONDS = 946_684_800_000_000  # PostgreSQL counts from 2000
_BYTES = pa.large_binary()
_NULL = pa.scalar(b"\xff" * 4, _BYTES)


def sql_type(kind: pa.DataType) -> str:
    """The type of a column that takes what ``rows`` writes of this kind."""
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


def rows(batch: pa.RecordBatch) -> memoryview:
    """The rows of a batch, between ``HEAD`` and ``TAIL``; instants must be in µs."""
    fields = [pa.repeat(_field(struct.pack(">h", batch.num_columns)), batch.num_rows)]
    for column in batch.columns:
        fields += _fields(column)
    joined = pc.binary_join_element_wise(*fields, _field(b""))
    return memoryview(joined.buffers()[2])


def _field(value: bytes) -> pa.Scalar:
    return pa.scalar(value, _BYTES)


def _fields(column: pa.Array) -> list[pa.Array | pa.Scalar]:
    """Length and bytes of each cell, as columns to be joined."""
    if column.null_count == len(column):
        return [_NULL]
    if sql_type(column.type) == "text":
        texts = column.cast(pa.large_string()).cast(_BYTES)
        lengths = pc.fill_null(pc.binary_length(texts), -1)
        heads = lengths.to_numpy(zero_copy_only=False).astype(">i4")
        return [_as_bytes(heads), pc.fill_null(texts, b"")]
    values = _numbers(column)
    cells = np.empty(len(values), [("length", ">i4"), ("value", values.dtype)])
    cells["length"], cells["value"] = values.dtype.itemsize, values
    fields = _as_bytes(cells)
    if column.null_count:
        fields = pc.if_else(column.is_valid(), fields, _NULL)
    return [fields]


def _numbers(column: pa.Array) -> np.ndarray:
    """Cells of a width, as the bytes that PostgreSQL wants; anything for null."""
    kind = sql_type(column.type)
    if kind == "uuid":
        cells = np.frombuffer(column.buffers()[1], "V16")
        return cells[column.offset : column.offset + len(column)]
    if kind == "boolean":
        return pc.fill_null(column, False).cast(pa.uint8()).to_numpy()
    if kind == "float8":
        return pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy().astype(">f8")
    numbers = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    if kind == "timestamptz":
        numbers = numbers - _EPOCH_MICROSECONDS
    return numbers.astype(">i8")


def _as_bytes(cells: np.ndarray) -> pa.Array:
    width = cells.dtype.itemsize
    buffers = [None, pa.py_buffer(cells)]
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(cells), buffers)
    return fixed.cast(_BYTES)

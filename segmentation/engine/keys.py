"""Sixteen-byte keys of events: the same facts always give the same key.

The mixing is SplitMix64's finaliser (Steele, Lea, Flood 2014) in two lanes, written in
NumPy on purpose: a key is stored for years, so it must not change with a library.
Texts enter through BLAKE2b of their distinct values.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Lanes = npt.NDArray[np.uint64]  # n × 2

_GOLDEN = np.array([0x9E3779B97F4A7C15, 0xD1B54A32D192ED03], dtype=np.uint64)
_NULL = np.array([0x6E756C6C6E756C6C, 0x766F6964766F6964], dtype=np.uint64)
# One of the two is even, so that the last step of `_mix` loses nothing: [1 a; b 1]
# is invertible modulo 2**64 only where a times b is even.
_CROSS = np.array([0x9E3779B97F4A7C15, 0xD1B54A32D192ED02], dtype=np.uint64)


def line_keys(columns: list[pa.Array], salt: str) -> Lanes:
    """Hash rows of columns (text, float, integer or instant) to two lanes of 64 bits.

    ``salt`` names the source, so that equal lines of two shops stay two events.
    """
    lanes: Lanes = np.tile(_text_lanes([salt])[0], (len(columns[0]), 1))
    for position, column in enumerate(columns):
        lanes = _mix(
            lanes ^ (_column_lanes(column) + _GOLDEN * np.uint64(position + 1))
        )
    return lanes


def of_events(table: pa.Table, source_name: str) -> Lanes:
    """Key lanes of canonical events: of the event id, else of all that is known.

    Two lines without an id and with equal facts get equal lanes; an importer tells
    them apart by their order in the file (``counted``).
    """
    facts = (
        "customer",
        "visitor",
        "item",
        "kind",
        "occurred_at",
        "quantity",
        "price",
        "amount",
        "value",
        "order",
        "session",
        "currency",
    )
    names = table["source"].combine_chunks()
    if names.null_count < len(names):
        return _by_source(table, pc.fill_null(names, source_name))
    ids = table["event_id"].combine_chunks()
    by_id = line_keys([ids], source_name)
    if not ids.null_count:
        return by_id
    by_facts = line_keys([table[name].combine_chunks() for name in facts], source_name)
    named = ids.is_valid().to_numpy(zero_copy_only=False)
    by_facts[named] = by_id[named]
    return by_facts


def _by_source(table: pa.Table, names: pa.Array) -> Lanes:
    """Lines that name a source of their own have its keys."""
    lanes: Lanes = np.empty((table.num_rows, 2), np.uint64)
    index = table.schema.get_field_index("source")
    table = table.set_column(index, "source", pa.nulls(table.num_rows, pa.string()))
    for name in pc.unique(names).to_pylist():
        rows = pc.equal(names, name)
        lanes[np.asarray(rows)] = of_events(table.filter(rows), name)
    return lanes


def ordinals(first: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """How often each line was said before, by the first lane of its key."""
    order = np.argsort(first, kind="stable")
    ranked = first[order]
    begins = np.ones(len(ranked), dtype=bool)
    begins[1:] = ranked[1:] != ranked[:-1]
    starts = np.flatnonzero(begins)[np.cumsum(begins) - 1] if len(ranked) else order
    found = np.empty(len(ranked), dtype=np.uint64)
    found[order] = (np.arange(len(ranked)) - starts).astype(np.uint64)
    return found


def counted(lanes: Lanes, ordinal: npt.NDArray[np.uint64]) -> Lanes:
    """Keys of lines that are told apart by how often they were said before."""
    return _mix(lanes + ordinal[:, None] * _GOLDEN)


def to_binary(lanes: Lanes) -> pa.Array:
    """The lanes as 16-byte binary, the bytes in reading order."""
    raw = np.ascontiguousarray(lanes.astype(">u8")).tobytes()
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(lanes), [None, pa.py_buffer(raw)]
    )


def short_keys(texts: pa.Array) -> pa.Array:
    """Positive 63-bit keys of texts such as order numbers; null stays null."""
    encoded = pc.dictionary_encode(texts)
    lanes = _text_lanes(encoded.dictionary.to_pylist())[:, 0] >> np.uint64(1)
    return pa.array(lanes.astype(np.int64)).take(encoded.indices)


def _column_lanes(column: pa.Array) -> Lanes:
    lanes = np.tile(_NULL, (len(column), 1))
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        encoded = pc.dictionary_encode(column)
        known = _text_lanes(encoded.dictionary.to_pylist())
        rows = encoded.indices
        valid = np.asarray(rows.is_valid())
        lanes[valid] = known[rows.drop_null().to_numpy(zero_copy_only=False)]
        return lanes
    valid = np.asarray(column.is_valid())
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    numbers = column.drop_null().to_numpy(zero_copy_only=False)
    if numbers.dtype.kind == "f":
        numbers = numbers.astype(np.float64) + 0.0  # -0.0 and 0.0 are one number
    else:
        numbers = numbers.astype(np.int64)
    lanes[valid] = numbers.view(np.uint64)[:, None]
    return lanes


def _text_lanes(texts: list[str]) -> Lanes:
    digests = b"".join(
        hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts
    )
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def _mix(lanes: Lanes) -> Lanes:
    """Two finalisers, then each lane takes from the other."""
    lanes = lanes + _GOLDEN
    lanes = (lanes ^ (lanes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    lanes = (lanes ^ (lanes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    lanes = lanes ^ (lanes >> np.uint64(31))
    return lanes + lanes[:, ::-1] * _CROSS

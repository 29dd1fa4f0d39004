"""The cells of a target field: joined, filled down, split, mapped; by whole columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segmentation.engine.cleaning import is_null, texts
from segmentation.engine.mapping.specs import Column, Split

Rows = NDArray[np.int64]


def gathered(chunk: pa.Table, column: Column) -> pa.Array:
    """The cells of the column or columns, or the constant in every row."""
    if not column.headers:
        return pa.repeat(pa.scalar(column.constant), chunk.num_rows)
    parts = [chunk.column(header).combine_chunks() for header in column.headers]
    if len(parts) == 1:
        return parts[0]
    cells = [texts.trimmed(part) for part in parts]
    if column.join is None:
        return pc.coalesce(*cells)
    joined, *others = cells
    for other in others:
        both = pc.binary_join_element_wise(joined, other, column.join)
        joined = pc.coalesce(both, joined, other)
    return joined


def filled(cells: pa.Array, starts: Rows | None, above: pa.Scalar | None) -> pa.Array:
    """Blank cells take the value above them, down to the next start of a group.

    ``starts`` holds, for each row, the first row of its group, -1 where it began in
    an earlier chunk; None: the whole file is one group. ``above``: the last value of
    the earlier chunk.
    """
    cells = unblanked(cells)
    n = len(cells)
    starts = np.full(n, -1) if starts is None else starts
    said = np.maximum.accumulate(np.where(is_null(cells), -1, np.arange(n)))
    reach = np.where(said >= starts, said, -1)
    found = cells.take(pa.array(reach, mask=reach < 0))
    if above is None or not above.is_valid:
        return found
    earlier = (starts < 0) & (reach < 0)
    return pc.if_else(pa.array(earlier), above.cast(found.type), found)


def changed(cells: pa.Array, column: Column) -> pa.Array:
    """Split, mapped and with the default, as the column says."""
    if column.split:
        cells = _part(texts.trimmed(cells), column.split)
    if column.map:
        cells = _mapped(texts.trimmed(cells), column)
    if column.default:
        cells = texts.trimmed(cells)
        nothing = pc.is_in(pc.utf8_lower(cells), pa.array([*texts.NULLS, None]))
        cells = pc.if_else(nothing, column.default, cells)
    return cells


def unblanked(cells: pa.Array) -> pa.Array:
    """The cells with null for blank ones, texts trimmed; other types as they are."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    plain = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
    return texts.trimmed(cells) if any(test(cells.type) for test in plain) else cells


def _part(cells: pa.Array, split: Split) -> pa.Array:
    """One part of each text; null where a text has not so many."""
    known = cells.is_valid()
    parts = pc.split_pattern(pc.fill_null(cells, ""), split.by)
    ends = parts.offsets.to_numpy()
    lengths = np.diff(ends)
    at = ends[:-1] + split.part - 1 if split.part > 0 else ends[1:] + split.part
    there = (lengths >= abs(split.part)) & np.asarray(known)
    return parts.values.take(pa.array(at, mask=~there))


def _mapped(cells: pa.Array, column: Column) -> pa.Array:
    """Each text's meaning; what the map does not name stays as it is."""
    words = pa.array(column.map)
    meanings = pa.array([column.map[word] for word in column.map])
    at = pc.index_in(pc.fill_null(pc.utf8_lower(cells), ""), words)
    return pc.if_else(at.is_valid(), meanings.take(at), cells)

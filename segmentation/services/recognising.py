"""By what an event is known again: keys of what a file or a call says of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine import keys


def canonical_lanes(table: pa.Table, source_name: str) -> keys.Lanes:
    """Key lanes of canonical events: of the event id, else of all that is known.

    Two lines without an id and with equal facts get equal lanes; an importer tells
    them apart by their order in the file (``keys.counted``).
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
        return _lanes_by_source(table, pc.fill_null(names, source_name))
    ids = table["event_id"].combine_chunks()
    by_facts = keys.line_keys(
        [table[name].combine_chunks() for name in facts], source_name
    )
    if ids.null_count == len(ids):
        return by_facts
    by_id = keys.line_keys([ids], source_name)
    named = ids.is_valid().to_numpy(zero_copy_only=False)
    by_facts[named] = by_id[named]
    return by_facts


def _lanes_by_source(table: pa.Table, names: pa.Array) -> keys.Lanes:
    """Lines that name a source of their own have its keys."""
    lanes: keys.Lanes = np.empty((table.num_rows, 2), np.uint64)
    index = table.schema.get_field_index("source")
    table = table.set_column(index, "source", pa.nulls(table.num_rows, pa.string()))
    for name in pc.unique(names).to_pylist():
        rows = pc.equal(names, name)
        lanes[np.asarray(rows)] = canonical_lanes(table.filter(rows), name)
    return lanes

"""Columns of attributes → the one JSON text that a row keeps."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine import mapping


def folded(part: pa.Table) -> pa.Table:
    """Fold the ``attributes.*`` columns into one JSON text, with that of the file.

    Blank cells are not in it; NULL where a line says nothing of any.
    """
    names = [n for n in part.column_names if n.startswith(mapping.ATTRIBUTES)]
    if not names or not part.num_rows:
        return part.drop_columns(names)
    inside = pc.binary_join_element_wise(*(_members(n, part[n]) for n in names), "")
    texts = pc.binary_join_element_wise(
        "{", pc.utf8_slice_codeunits(inside, 0, -2), "}", ""
    )
    texts = pc.if_else(pc.equal(inside, ""), pa.scalar(None, pa.string()), texts)
    if (whole := mapping.ALL_ATTRIBUTES) in part.column_names:
        both = map(_both, part[whole].to_pylist(), texts.to_pylist())
        texts = pa.array(both, pa.string())
        names.append(whole)
    return part.drop_columns(names).append_column(mapping.ALL_ATTRIBUTES, texts)


def _both(whole: str | None, named: str | None) -> str | None:
    """All attributes of a line, and those that have columns of their own."""
    if whole is None or named is None:
        return named if whole is None else whole
    return json.dumps(json.loads(whole) | json.loads(named))


def _members(name: str, column: pa.ChunkedArray) -> pa.Array:
    """The cells of an attribute as members of a JSON object, each value once."""
    cells = column.combine_chunks().dictionary_encode()
    key = json.dumps(name.removeprefix(mapping.ATTRIBUTES))
    values = cells.dictionary.to_pylist()
    texts = [f"{key}: {json.dumps(value)}, " for value in values]
    return pc.fill_null(pa.array(texts, pa.string()).take(cells.indices), "")

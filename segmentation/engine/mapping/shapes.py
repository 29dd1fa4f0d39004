"""Lines that belong together: orders of several lines, products of several variants.

``order_lines``: the first line of an order says who bought, when and in which currency,
the others leave that blank. ``variant_lines``: the first line of a product says what it
is, the others are variants, or only more pictures of it; those are ignored. Lines of a
group stand together in the file; where a group goes on in the next chunk, it goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine.cleaning import Mask, is_null, is_true, texts
from segmentation.engine.mapping.fields import IGNORE, MappingError
from segmentation.engine.mapping.plans import SHAPES, Plan
from segmentation.engine.mapping.specs import Column
from segmentation.engine.mapping.transforms import (
    Rows,
    changed,
    filled,
    gathered,
    unblanked,
)
from segmentation.engine.sentences import gettext_noop

# What an order says once, on its first line.
_OF_THE_ORDER = (
    *("customer", "visitor", "kind", "occurred_at", "currency", "session", "source"),
)
# What each variant says for itself; the rest is the product's.
_OF_THE_VARIANT = ("item", "price")


@dataclass(frozen=True)
class Told:
    """The cells of every mapped field before they are read, and rows to leave aside.

    ``chunk`` is the file's own with what was filled in: each of its rows can be read
    alone, so a refused one can come back without the lines above it.
    """

    cells: dict[str, pa.Array]
    ignored: Mask
    chunk: pa.Table


def told(chunk: pa.Table, plan: Plan) -> Told:
    """Gather, fill, split and map the cells of a chunk; chunks come in file order."""
    columns = {**plan.columns, **plan.more}
    whole, given = chunk, {}
    starts = None
    ignored = np.zeros(chunk.num_rows, dtype=bool)
    if plan.shape:
        group = SHAPES[plan.shape]
        column = columns.pop(group)
        with _as_text(group, column):
            given[group], whole = _cells(chunk, whole, plan, group, column, None)
            starts = _starts(texts.trimmed(given[group]), plan)
        if plan.shape == "variant_lines":
            ignored |= _without_variant(chunk, plan, starts)
    for target, column in columns.items():
        with _as_text(target, column):
            given[target], whole = _cells(chunk, whole, plan, target, column, starts)
    ignored |= _set_aside(plan, given)
    return Told(given, ignored, whole)


@contextmanager
def _as_text(target: str, column: Column) -> Iterator[None]:
    """Lists, structures and bytes cannot be joined, split or filled down."""
    try:
        yield
    except pa.ArrowException as error:
        raise MappingError(
            gettext_noop(
                "The column “%(name)s” (for %(target)s) cannot be read as text: "
                "%(error)s"
            ),
            name=column.name,
            target=target,
            error=str(error),
        ) from error


def _cells(
    chunk: pa.Table,
    whole: pa.Table,
    plan: Plan,
    target: str,
    column: Column,
    starts: Rows | None,
) -> tuple[pa.Array, pa.Table]:
    """The cells of a target, and the chunk with what was filled into them."""
    cells = gathered(chunk, column)
    if not column.headers or not chunk.num_rows:
        return cells, whole
    is_below = starts is not None and _is_of_the_group(plan.shape, target)
    if column.fill_down or is_below:
        own = unblanked(cells)
        if starts is not None and target == "image":
            first = starts == np.arange(len(starts))  # others show something else
            own = pc.if_else(pa.array(first), own, None)
        above = plan.carried.cells.get(target)
        cells = filled(own, None if column.fill_down else starts, above)
        plan.carried.cells[target] = cells[-1]
        if not cells.equals(own):
            whole = _written(whole, column.headers[0], own, cells)
    return cells if column.is_plain else changed(cells, column), whole


def _written(
    chunk: pa.Table, header: str, blank: pa.Array, cells: pa.Array
) -> pa.Table:
    """The chunk with the cells in that column where there were none."""
    at = chunk.schema.get_field_index(header)
    said = unblanked(chunk.column(at).combine_chunks()).cast(cells.type)
    said = pc.if_else(blank.is_null(), cells, said)
    return chunk.set_column(at, header, said)


def _is_of_the_group(shape: str, target: str) -> bool:
    if shape == "order_lines":
        return target in _OF_THE_ORDER
    return target not in _OF_THE_VARIANT


def _starts(groups: pa.Array, plan: Plan) -> Rows:
    """The first row of each row's group, -1 where it began in the chunk before."""
    n = len(groups)
    if not n:
        return np.empty(0, dtype=np.int64)
    same = np.zeros(n, dtype=bool)  # a line without a group stands for itself
    same[1:] = is_true(pc.equal(groups[1:], groups[:-1]))
    before = plan.carried.group
    same[0] = before is not None and groups[0].as_py() == before
    plan.carried.group = groups[-1].as_py()
    starts: Rows = np.maximum.accumulate(np.where(same, -1, np.arange(n)))
    return starts


def _without_variant(chunk: pa.Table, plan: Plan, starts: Rows) -> Mask:
    """Lines after a product's first that name no item of their own and no price."""
    says = starts == np.arange(len(starts))
    shared = plan.columns["group"].headers
    for target in _OF_THE_VARIANT:
        column = plan.columns.get(target, Column())
        for header in column.headers:
            if header not in shared:
                cells = gathered(chunk, Column(headers=(header,)))
                says |= ~is_null(unblanked(cells))
    return ~says


def _set_aside(plan: Plan, cells: dict[str, pa.Array]) -> Mask:
    """Rows whose kind the mapping itself calls “ignore”."""
    column = plan.columns.get("kind")
    if column is None or IGNORE not in {*column.map.values(), column.default}:
        return np.asarray(False)
    with _as_text("kind", column):
        words = pc.utf8_lower(texts.trimmed(cells["kind"]))
    return is_true(pc.equal(words, IGNORE))

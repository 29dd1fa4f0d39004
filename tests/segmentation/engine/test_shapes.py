"""Lines that belong together, wherever the file is cut into chunks."""

from __future__ import annotations

from itertools import pairwise
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.engine import mapping

KINDS = {"view": 1, "purchase": 5}
ORDERS = {
    "order": "order",
    "customer": "who",
    "item": "item",
    "kind": {"column": "state", "map": {"paid": "purchase", "open": "ignore"}},
    "occurred_at": "when",
}
PRODUCTS = {
    "item": {"columns": ["sku", "handle"]},
    "group": "handle",
    "title": "title",
    "price": "price",
    "image": "image",
    "attributes.size": "size",
}


def plan(kind, columns, headers, shape):
    zone = ZoneInfo("UTC")
    return mapping.plan(
        kind, columns, list(headers), time_zone=zone, kinds=KINDS, shape=shape
    )


def read(kind, columns, shape, lines: list[dict], cuts=()):
    """The rows of a file, how many were ignored, and its chunks as they are told."""
    headers = sorted({name for line in lines for name in line})
    told = plan(kind, columns, headers, shape)
    edges = [0, *sorted(cuts), len(lines)]
    parts = []
    for start, stop in pairwise(edges):
        part = lines[start:stop]
        chunk = {n: pa.array([x.get(n) for x in part], pa.string()) for n in headers}
        parts.append(mapping.canonical(pa.table(chunk), told))
    assert not [why for part in parts for why in part.rejects.reasons]
    rows = [row for part in parts for row in part.table.to_pylist()]
    return rows, sum(part.ignored for part in parts)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
def test_an_order_of_many_lines_is_whole_wherever_it_is_cut(sizes, data):
    lines = []
    for order, size in enumerate(sizes):
        head = {"who": f"c{order}", "when": f"2024-01-0{order + 1}"}
        head["state"] = "open" if order == 2 else "paid"
        for n in range(size):
            line = {"order": f"o{order}", "item": f"i{n}", **(head if n == 0 else {})}
            lines.append(line)
    cuts = data.draw(st.sets(st.integers(1, len(lines)), max_size=4))
    rows, ignored = read("events", ORDERS, "order_lines", lines, cuts)
    assert [(row["order"], row["customer"]) for row in rows] == [
        (f"o{order}", f"c{order}")
        for order, size in enumerate(sizes)
        for _line in range(size)
        if order != 2
    ]
    assert ignored == (sizes[2] if len(sizes) > 2 else 0)
    assert {row["occurred_at"].day for row in rows} <= {1, 2, 4, 5}


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_product_of_many_lines_is_whole_wherever_it_is_cut(data):
    lines = [
        {"handle": "a", "title": "A", "sku": "a1", "price": "1", "image": "1.jpg"}
        | {"size": "S"},
        {"handle": "a", "sku": "a2", "price": "2", "image": "2.jpg"},
        {"handle": "a", "image": "3.jpg"},
        {"handle": "a", "price": "3", "size": "L"},
        {"handle": "b", "title": "B", "image": "4.jpg"},
        {"handle": "b", "image": "5.jpg"},
    ]
    cuts = data.draw(st.sets(st.integers(1, len(lines)), max_size=6))
    rows, ignored = read("items", PRODUCTS, "variant_lines", lines, cuts)
    names = ("item", "group", "title", "price", "image", "attributes.size")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("a1", "a", "A", 1.0, "1.jpg", "S"),
        ("a2", "a", "A", 2.0, "1.jpg", "S"),
        ("a", "a", "A", 3.0, "1.jpg", "L"),
        ("b", "b", "B", None, "4.jpg", None),
    ]
    assert ignored == 2


def test_an_order_does_not_lend_its_head_to_the_next_one():
    chunk = pa.table(
        {
            "order": ["1", "2", "", ""],
            "who": ["c1", "", "", ""],
            "item": ["x"] * 4,
            "state": ["paid"] * 4,
            "when": ["2024-01-01"] * 4,
        }
    )
    told = plan("events", ORDERS, chunk.column_names, "order_lines")
    found = mapping.canonical(chunk, told)
    assert found.kept.tolist() == [0]
    assert found.rejects.reasons == ["customer is missing: nobody did this"] * 3


def test_a_refused_line_can_come_back_without_the_lines_above_it():
    chunk = pa.table(
        {
            "order": ["1", "1"],
            "who": ["c1", ""],
            "item": ["x", None],
            "state": ["paid", ""],
            "when": ["2024-01-01", ""],
        }
    )
    told = plan("events", ORDERS, chunk.column_names, "order_lines")
    found = mapping.canonical(chunk, told)
    assert found.rejects.reasons == ["item is missing"]
    assert found.chunk.take(found.rejects.rows).to_pylist() == [
        {"order": "1", "who": "c1", "item": None, "state": "paid", "when": "2024-01-01"}
    ]


def test_ignored_rows_are_neither_kept_nor_refused():
    lines = [{"order": "1", "state": "open"}, {"order": "2", "who": "c", "item": "x"}]
    lines[1] |= {"state": "paid", "when": "2024-01-01"}
    rows, ignored = read("events", ORDERS, "order_lines", lines)
    assert (len(rows), ignored) == (1, 1)


def test_only_a_mapping_itself_can_ignore_a_row():
    columns = ORDERS | {"kind": "state"}
    chunk = pa.table({name: ["ignore"] for name in ("order", "who", "item", "state")})
    chunk = chunk.append_column("when", pa.array(["2024-01-01"]))
    found = mapping.canonical(chunk, plan("events", columns, chunk.column_names, ""))
    assert found.ignored == 0
    assert found.rejects.columns == ["kind"]


@pytest.mark.parametrize(
    "kind, columns, shape, words",
    [
        ("events", ORDERS, "spiral", "is no shape of a file; there are order_lines"),
        ("events", ORDERS, "variant_lines", "is for items, not events"),
        ("items", PRODUCTS, "order_lines", "is for events, not items"),
        ("items", {"item": "sku"}, "variant_lines", "needs a column for “group”"),
        ("events", ORDERS | {"order": "=1"}, "order_lines", "needs a column for"),
    ],
)
def test_a_shape_that_does_not_fit_is_a_sentence(kind, columns, shape, words):
    headers = ["order", "who", "item", "state", "when", "sku", "handle", "title"]
    headers += ["price", "image", "size"]
    with pytest.raises(mapping.MappingError, match=words):
        plan(kind, columns, headers, shape)

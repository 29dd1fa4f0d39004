"""Whatever a file holds and is called, each of its rows is accounted for."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.engine import mapping
from tests.segmentation.engine.test_mapping_guesses import KINDS

INSTANT = pa.timestamp("us", "UTC")


HEADERS = st.sampled_from(
    ["user_id", "sku", "event", "date", "time", "price", "qty", "order_id", "email"]
    + ["currency", "用户ID", "商品编号", "Handle", "title", "image", "id", "(x)", ""]
)


ODD = st.sampled_from(
    ["", " ", "nan", "1", "-2", "1.234,56", "31/12/2024", "2024-01-01", "pv", "paid"]
    + ["a@b.cd", "https://x/1.jpg", "EUR", "\x00", "'=1", "漢字", "1e999", "17850.0"]
)


@st.composite
def tables(draw) -> pa.Table:
    """A small file of text columns, and sometimes one of another type."""
    names = draw(st.lists(HEADERS, min_size=1, max_size=8, unique=True))
    n = draw(st.integers(0, 6))
    cells = st.lists(st.none() | ODD, min_size=n, max_size=n)
    table = pa.table({name: pa.array(draw(cells), pa.string()) for name in names})
    typed = draw(
        st.sampled_from(
            [
                pa.array([None] * n),
                pa.array([1.5] * n),
                pa.array([True] * n),
                pa.array(["x"] * n).dictionary_encode(),
                pa.array([b"\xff"] * n, pa.binary()),
                pa.array([[1]] * n, pa.list_(pa.int64())),
                pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * n, INSTANT),
            ]
        )
    )
    return table.set_column(0, names[0], typed) if draw(st.booleans()) else table


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(["events", "items", "customers"]), tables())
def test_each_row_of_any_file_is_accounted_for(kind, file):
    guessed = mapping.guess_columns(kind, file.column_names, file)
    columns = {target: one.spec for target, one in guessed.items()}
    needed = {"events": {"customer": "=c", "item": "=i", "kind": "=view"}}.get(kind, {})
    if kind == "events":
        needed["occurred_at"] = "=2024-01-01"
    needed = needed or {kind.removesuffix("s"): "=x"}
    try:
        plan = mapping.plan(
            kind,
            needed | columns,
            file.column_names,
            time_zone=ZoneInfo("Asia/Shanghai"),
            kinds=KINDS,
        )
        found = mapping.canonical(file, plan)
    except mapping.MappingError as error:
        assert "cannot be read as" in str(error)  # bytes, lists and the like
        return
    n_rows = found.table.num_rows + len(found.rejects.rows) + found.ignored
    assert n_rows == file.num_rows
    assert len(found.rejects.reasons) == len(found.rejects.rows)
    assert found.chunk.num_rows == file.num_rows

"""Specs of columns: checked with a sentence, applied to whole columns."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.engine import mapping
from segmentation.engine.mapping import transforms

KINDS = {"view": 1, "purchase": 5, "return": 6}
UTC = ZoneInfo("UTC")
# What no trimming, no word for nothing and no apostrophe rule changes.
WORDS = st.text("abcäß漢字;/ ", min_size=1).map(str.strip).filter(bool)
CELLS = st.lists(st.none() | st.just(" ") | WORDS, max_size=12)


def texts(cells: list) -> pa.Array:
    return pa.array(cells, pa.string())


def applied(spec, **columns: list) -> list:
    """The titles that a spec makes of a file of these columns."""
    chunk = pa.table({name: texts(cells) for name, cells in columns.items()})
    chunk = chunk.append_column("id", texts([str(n) for n in range(chunk.num_rows)]))
    plan = mapping.plan(
        "items",
        {"item": "id", "title": spec},
        chunk.column_names,
        time_zone=UTC,
        kinds=KINDS,
    )
    return mapping.canonical(chunk, plan).table["title"].to_pylist()


@pytest.mark.parametrize(
    "spec, words",
    [
        (5, "needs the name of a column, a constant"),
        ("", "names no column"),
        ({"column": ""}, "“column” must be a text"),
        ({}, "either “column” with one name or “columns”"),
        ({"column": "a", "columns": ["b"]}, "either “column” with one name"),
        ({"columns": []}, "must be a list of names"),
        ({"columns": "a"}, "must be a list of names"),
        ({"column": "a", "join": " "}, "“join” needs “columns”"),
        ({"column": "a", "colour": 1}, "cannot have “colour”; it can have column"),
        ({"column": "a", "fill_down": 1}, "must be true or false, not 1"),
        ({"column": "a", "split": {"by": ";", "part": 0}}, "1 is the first part"),
        ({"column": "a", "split": {"by": "", "part": 1}}, "1 is the first part"),
        ({"column": "a", "split": {"by": ";", "part": True}}, "1 is the first part"),
        ({"column": "a", "map": {}}, "from texts to texts"),
        ({"column": "a", "map": {"x": 1}}, "from texts to texts"),
        ({"column": "a", "map": {"X": "1", "x ": "2"}}, "two entries for one word"),
        ({"column": "a", "default": ""}, "“default” must be a text"),
        ({"column": "a", "number": ","}, "one of 1234.56, 1,234.56, 1.234,56"),
        ({"column": "a", "date": "soon"}, "is no way of writing dates"),
        ({"column": "a", "time_zone": "Mars"}, "is no time zone"),
        ({"column": "a", "nulls": "?"}, "must be a list of texts"),
    ],
)
def test_a_wrong_spec_is_a_sentence_with_its_field(spec, words):
    with pytest.raises(mapping.MappingError) as raised:
        mapping.read_columns({"title": spec})
    assert "“title”" in str(raised.value)
    assert words in str(raised.value)


def test_a_mapping_is_an_object():
    with pytest.raises(mapping.MappingError, match="A mapping is an object"):
        mapping.read_columns(["customer"])


@pytest.mark.parametrize(
    "spec",
    [
        "Header",
        "=purchase",
        "=",
        {"column": "=odd"},
        {"columns": ["a", "b"]},
        {"columns": ["a", "b"], "join": ""},
        {"column": "a", "fill_down": True, "split": {"by": ">", "part": -1}},
        {"column": "a", "map": {"pv": "view", "": "x"}, "default": "y"},
        {"column": "a", "number": "1.234,56", "nulls": ["?"]},
        {"column": "a", "date": "dmy", "time_zone": "Asia/Shanghai"},
        {"column": "a", "date": "%d.%m.%Y %H:%M"},
    ],
)
def test_a_spec_comes_back_as_it_was_written(spec):
    column = mapping.read_column("title", json.loads(json.dumps(spec)))
    assert column.as_json() == spec
    assert mapping.read_column("title", column) is column


def test_number_and_date_are_for_fields_that_hold_such():
    for spec in ({"column": "a", "number": "1,234.56"}, {"column": "a", "date": "dmy"}):
        with pytest.raises(mapping.MappingError, match="“title” is no (number|time)"):
            applied(spec, a=["x"])


def test_columns_are_joined_or_the_first_that_is_not_blank_is_taken():
    columns = {"a": ["x", " ", None, "x"], "b": ["y", "y", None, ""]}
    assert applied({"columns": ["a", "b"]}, **columns) == ["x", "y", None, "x"]
    joined = applied({"columns": ["a", "b"], "join": " / "}, **columns)
    assert joined == ["x / y", "y", None, "x"]


def test_words_are_mapped_whatever_their_capitals_and_the_rest_stays():
    spec = {"column": "a", "map": {"PV": "view", "gone": "", "": "none"}}
    told = applied(spec, a=[" pv ", "Pv", "buy", "gone", ""])
    assert told == ["view", "view", "buy", None, "none"]


def test_a_default_stands_where_nothing_is():
    spec = {"column": "a", "default": "tea"}
    assert applied(spec, a=["", " ", None, "NULL", "milk"]) == ["tea"] * 4 + ["milk"]


def test_the_steps_are_taken_in_their_order():
    spec = {
        "column": "a",
        "fill_down": True,
        "split": {"by": ">", "part": 2},
        "map": {"tea": "Tea"},
        "default": "other",
    }
    cells = ["food > tea", "", "food", "", "food>milk"]
    assert applied(spec, a=cells) == ["Tea", "Tea", "other", "other", "milk"]


def test_numbers_dates_and_zones_are_read_as_the_spec_says():
    chunk = pa.table(
        {
            "who": ["a", "a"],
            "when": ["1.2.2024 10:00", "31.12.2024 23:59"],
            "sum": ["1.234,50", "(2,00)"],
        }
    )
    columns = {
        "customer": "who",
        "item": "=tea",
        "kind": "=view",
        "occurred_at": {"column": "when", "date": "dmy", "time_zone": "Asia/Shanghai"},
        "amount": {"column": "sum", "number": "1.234,56"},
    }
    plan = mapping.plan(
        "events", columns, chunk.column_names, time_zone=UTC, kinds=KINDS
    )
    table = mapping.canonical(chunk, plan).table
    assert [str(at) for at in table["occurred_at"].to_pylist()] == [
        "2024-02-01 02:00:00+00:00",
        "2024-12-31 15:59:00+00:00",
    ]
    assert table["amount"].to_pylist() == [1234.5, -2.0]


@settings(deadline=None, max_examples=60)
@given(CELLS, st.sampled_from([";", "/", "ab"]), st.integers(-4, 4).filter(bool))
def test_a_part_of_a_split_is_what_python_says(cells, by, part):
    column = mapping.Column(("a",), split=mapping.Split(by, part))
    found = transforms.changed(texts(cells), column).to_pylist()
    expected = []
    for cell in cells:
        parts = (cell or "").strip().split(by) if (cell or "").strip() else []
        at = part - 1 if part > 0 else part
        there = len(parts) >= abs(part)
        expected.append(parts[at] if there else None)
    assert found == expected


@settings(deadline=None, max_examples=60)
@given(CELLS, CELLS, st.sampled_from(["", " ", "-"]))
def test_a_join_leaves_out_what_is_blank(first, second, join):
    n = min(len(first), len(second))
    chunk = pa.table({"a": texts(first[:n]), "b": texts(second[:n])})
    column = mapping.Column(("a", "b"), join=join)
    found = transforms.gathered(chunk, column).to_pylist()
    rows = zip(first[:n], second[:n], strict=True)
    expected = [[c.strip() for c in row if c and c.strip()] for row in rows]
    assert found == [join.join(row) if row else None for row in expected]


@settings(deadline=None, max_examples=60)
@given(CELLS, st.data())
def test_filling_down_does_not_see_the_borders_of_chunks(cells, data):
    columns = {"item": "=x", "title": {"column": "a", "fill_down": True}}
    plan = mapping.plan("items", columns, ["a"], time_zone=UTC, kinds=KINDS)
    found, start = [], 0
    while start < len(cells):
        size = data.draw(st.integers(1, len(cells) - start))
        chunk = pa.table({"a": texts(cells[start : start + size])})
        found += mapping.canonical(chunk, plan).table["title"].to_pylist()
        start += size
    expected, last = [], None
    for cell in cells:
        last = (cell or "").strip() or last
        expected.append(last)
    assert found == expected


def test_what_is_no_text_is_filled_down_too():
    times = pa.array([1, None, 2], pa.timestamp("us", "UTC"))
    filled = transforms.filled(times, None, None)
    assert filled.cast(pa.int64()).to_pylist() == [1, 1, 2]
    above = pa.scalar("x")
    assert transforms.filled(pa.nulls(2), None, above).to_pylist() == ["x", "x"]


@pytest.mark.parametrize(
    "spec",
    [
        {"columns": ["a", "b"]},
        {"column": "a", "fill_down": True},
        {"column": "a", "split": {"by": ";", "part": 1}},
        {"column": "a", "map": {"x": "y"}},
    ],
)
def test_lists_cannot_be_texts_and_that_is_a_sentence(spec):
    chunk = pa.table({"a": pa.array([["x"]]), "b": ["x"]})
    columns = {"item": "b", "title": spec}
    plan = mapping.plan("items", columns, ["a", "b"], time_zone=UTC, kinds=KINDS)
    with pytest.raises(mapping.MappingError, match="for title. .*cannot be read as"):
        mapping.canonical(chunk, plan)

"""Cells of any file to typed columns, and a reason for each that cannot follow."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from segmentation.engine import cells, mapping

KINDS = {"view": 1, "purchase": 5, "search": 8}
BERLIN = ZoneInfo("Europe/Berlin")
EVENTS = {"customer": "c", "item": "i", "kind": "=purchase", "occurred_at": "t"}


def plan(kind="events", columns=None, headers=(), **changes):
    told = {"time_zone": BERLIN, "kinds": KINDS, "itemless": (8,)} | changes
    return mapping.plan(kind, columns or EVENTS, list(headers), **told)


def clean(columns=None, kind="events", changes=None, **data):
    chunk = pa.table(data)
    told = plan(kind, columns, chunk.column_names, **(changes or {}))
    return mapping.canonical(chunk, told)


def one(target, role_column, values, **changes):
    """The cleaned values of one target of an event file, and who was refused."""
    return one_of(target, "x", values, role_column, **changes)


def one_of(target, spec, values, role_column=None, **changes):
    n = len(values)
    columns = EVENTS | {target: spec}
    found = clean(
        columns,
        changes=changes,
        c=["c-1"] * n,
        i=["tea"] * n,
        t=["2017-01-31 18:05"] * n,
        x=pa.array(values, role_column) if role_column else values,
    )
    return found.table[target].to_pylist(), found.rejects


def test_a_mapping_names_the_column_that_is_not_there():
    with pytest.raises(mapping.MappingError, match="no column “when” .for occurred_at"):
        plan(columns=EVENTS | {"occurred_at": "when"}, headers=["c", "i", "t"])


def test_a_mapping_names_the_field_that_we_do_not_have():
    with pytest.raises(mapping.MappingError, match="“colour” is no field of events"):
        plan(columns=EVENTS | {"colour": "c"}, headers=["c", "i", "t"])


def test_a_mapping_says_what_is_missing():
    with pytest.raises(
        mapping.MappingError, match="nothing about kind, occurred_at, c"
    ):
        plan(columns={"item": "i"}, headers=["i"])
    with pytest.raises(mapping.MappingError, match="nothing about item"):
        plan("items", {"title": "i"}, headers=["i"])


def test_headers_that_are_called_like_our_fields_are_taken():
    guessed = mapping.guess("items", ["Item_ID", "Title", "weight", " price "])
    assert guessed == {"item": "Item_ID", "title": "Title", "price": " price "}


def test_a_constant_stands_in_every_row():
    found = clean(c=["a", "b"], i=["x", "y"], t=["2017-01-31"] * 2)
    assert found.table["kind"].to_pylist() == [5, 5]


def test_ids_are_text_whatever_a_spreadsheet_made_of_them():
    assert one("customer", pa.float64(), [17850.0])[0] == ["17850"]
    assert one("customer", None, [" 17850.0 ", "007"])[0] == ["17850", "007"]
    assert one("customer", pa.int64(), [17850])[0] == ["17850"]
    words = pa.array(["a", "b"]).dictionary_encode()
    assert one("customer", None, words)[0] == ["a", "b"]


@pytest.mark.parametrize("nothing", ["", "nan", "NULL", "n/a", "\\N", " None "])
def test_a_word_for_nothing_is_no_id(nothing):
    found = clean(c=[nothing], i=["tea"], t=["2017-01-31"])
    assert found.rejects.columns == ["customer"]
    assert "nobody did this" in found.rejects.reasons[0]


def test_an_id_that_no_column_can_hold_is_refused():
    values, rejects = one("item", None, ["x" * 121, "a\x00b", "x" * 120])
    assert values == ["x" * 120]
    assert rejects.rows.tolist() == [0, 1]


def test_numbers_of_every_type_and_what_is_none():
    assert one("amount", pa.float32(), [1.5])[0] == [1.5]
    assert one("amount", pa.decimal128(9, 2), [Decimal("2.50")])[0] == [2.5]
    assert one("amount", None, ["1e3", "-2", "nan", ""])[0] == [
        1000.0,
        -2.0,
        None,
        None,
    ]
    assert one("amount", pa.null(), [None])[0] == [None]
    values, rejects = one("amount", None, ["1,5", "x", "inf"])
    assert values == []
    assert rejects.values == ["1,5", "x", "inf"]
    assert rejects.reasons == ["amount is not a number"] * 3
    assert one("amount", pa.float64(), [float("inf"), 1.0])[0] == [1.0]


def test_a_time_without_zone_is_the_shops_and_one_with_zone_is_absolute():
    values, _rejects = one(
        "occurred_at", None, ["2017-07-01 12:00", "2017-07-01T12:00:00.5Z"]
    )
    assert values == [
        datetime(2017, 7, 1, 10, tzinfo=UTC),
        datetime(2017, 7, 1, 12, 0, 0, 500_000, tzinfo=UTC),
    ]


def test_times_of_every_type():
    noon = datetime(2017, 7, 1, 10, tzinfo=UTC)
    local = pa.array([datetime.fromisoformat("2017-07-01 12:00")], pa.timestamp("ns"))
    assert one("occurred_at", None, local)[0] == [noon]
    # More digits than we keep are cut, not refused.
    ns = pa.array([1_498_903_200_000_000_123], pa.timestamp("ns", "UTC"))
    assert one("occurred_at", None, ns)[0] == [noon]
    assert one("occurred_at", pa.date32(), [date(2017, 1, 1)])[0] == [
        datetime(2016, 12, 31, 23, tzinfo=UTC)
    ]


def test_the_hour_that_a_clock_skips_or_repeats_is_still_an_instant():
    texts = ["2017-03-26 02:30", "2017-10-29 02:30"]
    typed = [datetime.fromisoformat(text) for text in texts]
    values, rejects = one("occurred_at", None, texts)
    assert len(values) == 2 and not rejects.reasons
    assert values == one("occurred_at", pa.timestamp("us"), typed)[0]


def test_what_is_no_time_is_refused():
    bad = ["yesterday", "1485900000", "42736", "0001-01-01", "9999-12-31 23:59"]
    values, rejects = one("occurred_at", None, bad)
    assert values == []
    assert rejects.values == bad
    far = [datetime.fromisoformat(day) for day in ("0001-01-01", "9999-12-31")]
    assert one("occurred_at", pa.timestamp("us"), far)[0] == []


def test_a_kind_that_we_do_not_know_is_refused_by_name():
    found = clean(
        EVENTS | {"kind": "k"},
        c=["a"] * 2,
        i=["x"] * 2,
        t=["2017-01-31"] * 2,
        k=["View", "?"],
    )
    assert found.table["kind"].to_pylist() == [1]
    assert found.rejects.reasons == ["kind is none of view, purchase, search"]


def test_only_some_kinds_can_be_without_an_item():
    found = clean(
        EVENTS | {"kind": "k"},
        c=["a", "a"],
        i=pa.array([None, None], pa.string()),
        t=["2017-01-01"] * 2,
        k=["search", "view"],
    )
    assert found.kept.tolist() == [0]
    assert found.rejects.reasons == ["item is missing"]


def test_amount_and_price_follow_from_each_other():
    columns = EVENTS | {"quantity": "q", "price": "p", "amount": "a"}
    found = clean(
        columns,
        c=["a"] * 4,
        i=["x"] * 4,
        t=["2017-01-01"] * 4,
        q=["2", "2", "", "0"],
        p=["1.5", "", "4", ""],
        a=["", "5", "", "3"],
    )
    rows = found.table.select(["quantity", "price", "amount"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (2.0, 1.5, 3.0),
        (2.0, 2.5, 5.0),
        (1.0, 4.0, 4.0),
        (0.0, None, 3.0),
    ]


def test_amounts_in_another_currency_are_refused_never_summed():
    values, rejects = one("currency", None, ["usd", "EUR", ""], currency="USD")
    assert values == ["USD", None]
    assert rejects.reasons == ["currency is not USD, which amounts are kept in"]


@pytest.mark.parametrize(
    ("cell", "fits"),
    [
        *[("$5.00", True), ("US$ 5.00", True), ("5 USD", True), ("5.00", True)],
        *[("€5.00", False), ("£ 5", False), ("JPY 500", False), ("5 eur", False)],
        *[("CA$5", False), ("5 kr", False), ("¤5", True), ("", True)],
    ],
)
def test_a_sign_of_another_currency_is_refused_never_summed(cell, fits):
    number = {"column": "x", "number": "1,234.56"}
    for target in ("price", "amount"):
        _values, rejects = one_of(target, number, [cell], currency="USD")
        assert bool(rejects.reasons) != fits
        if not fits:
            assert rejects.reasons == [f"{target} is in another currency than USD"]
            assert rejects.values == [cell]


def test_an_item_may_have_another_currency_if_its_line_says_so():
    found = clean(
        {
            "item": "i",
            "price": {"column": "p", "number": "1,234.56"},
            "currency": "c",
        },
        kind="items",
        changes={"currency": "USD"},
        i=list("abcd"),
        p=["€5", "€5", "$5", "5"],
        c=["eur", "", "", "JPY"],
    )
    assert found.table["item"].to_pylist() == ["a", "c", "d"]
    assert found.table["currency"].to_pylist() == ["EUR", None, "JPY"]
    assert found.rejects.reasons == [
        "price is in another currency than the item; map its currency too"
    ]


def test_flags():
    found = clean(
        {"item": "i", "available": "a"},
        kind="items",
        i=list("abcd"),
        a=["Yes", "0", "", "maybe"],
    )
    assert found.table["available"].to_pylist() == [True, False, None]
    assert found.rejects.reasons == ["available is neither yes nor no"]


def test_a_text_that_its_column_cannot_hold_is_refused():
    found = clean(
        {"item": "i", "title": "t"},
        kind="items",
        i=["a", "b"],
        t=["x" * 301, "x" * 300],
    )
    assert found.table["item"].to_pylist() == ["b"]
    assert found.rejects.reasons == ["title is longer than 300 characters"]


def test_attributes_are_kept_by_their_own_names():
    found = clean(
        {"item": "i", "attributes.size": "s"},
        kind="items",
        i=["a", "b"],
        s=["L", "\x00"],
    )
    assert found.table["attributes.size"].to_pylist() == ["L"]
    assert found.rejects.columns == ["attributes.size"]


def test_a_column_of_the_wrong_type_is_named():
    with pytest.raises(mapping.MappingError, match="column “i” .for item. holds list"):
        clean(c=["a"], i=pa.array([["x"]]), t=["2017-01-01"])


def test_only_the_first_thing_wrong_with_a_row_is_told():
    found = clean(EVENTS | {"amount": "a"}, c=[""], i=[""], t=["x"], a=["x"])
    assert len(found.rejects.reasons) == 1


@pytest.mark.parametrize("text", ["=1+1", "+49 170", "-x", "@a", "plain", "-5", "'s"])
def test_a_formula_is_made_harmless_and_comes_back_as_it_was(text):
    told = cells.harmless(text)
    assert told[0] not in "=+@" and (told == text or told == f"'{text}")
    assert cells.plain(pa.array([told])).to_pylist() == [text]

"""How a column is written is found from its cells, or asked; never wrongly sure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.engine import cleaning
from segmentation.engine.cleaning import Format

RULES = SimpleNamespace(time_zone=ZoneInfo("UTC"), kinds={"view": 1})
UNHURRIED = settings(deadline=None)  # a busy machine is no mistake of the code


def guess(cells, role):
    return cleaning.guess_format(pa.array(cells), role)


def values(cells, role, form):
    found, bad, _why = cleaning.clean(pa.array(cells), role, RULES, form)
    return ["bad" if b else v for v, b in zip(found.to_pylist(), bad, strict=True)]


@pytest.mark.parametrize(
    ("cells", "date"),
    [
        (["2024-01-31 18:05:00", "2024-02-01T00:00Z"], ""),
        (["31.01.2024 18:05", "01.02.2024 18:05"], "dmy"),
        (["1/31/24 6:05 PM", "2/1/24 6:05 AM"], "mdy"),
        (["31-Jan-2024"], "dmy"),
        (["Jan 31, 2024"], "mdy"),
        (["Wed, 31 Jan 2024 18:05:00 +0000"], "dmy"),
        (["2024年1月31日 18:05"], "ymd"),
        (["20240131180500"], "ymd"),
        (["20240131"], ""),
        (["1511544070", "1511561733"], "epoch_s"),
        (["1.7e9"], "epoch_s"),
        (["1511544070000"], "epoch_ms"),
        (["1511544070000000"], "epoch_us"),
        (["44957.75", "44958"], "serial"),
        (["31/01/24", "28/01/24", "27/02/24"], "dmy"),
    ],
)
def test_times_are_recognised(cells, date):
    found = guess(cells, "time")
    assert found.format == Format(date=date) and not found.doubts and found.reason


@pytest.mark.parametrize(
    ("cells", "decimal"),
    [
        (["5.00", "1234.56", "-7"], ""),
        (["5", "12"], ""),
        (["0.125"], ""),
        (["1,234.56"], "."),
        (["$5.00", "$1.250"], "."),
        (["1.234,56", "5"], ","),
        (["1.234", "1,5"], ","),
        (["12,34,567.00"], "."),
        (["1 234"], ","),
        (["1'234"], "."),
        (["(5.00)", "12 %"], "."),
    ],
)
def test_numbers_are_recognised(cells, decimal):
    found = guess(cells, "number")
    assert found.format == Format(decimal=decimal) and not found.doubts


@pytest.mark.parametrize(
    ("cells", "role", "doubts"),
    [
        (["01/02/2024", "05/06/2024"], "time", [{"date": "dmy"}, {"date": "mdy"}]),
        # As many one way as the other: neither is right for all.
        (["31/01/2024", "01/31/2024"], "time", [{"date": "dmy"}, {"date": "mdy"}]),
        (["24/01/31", "24/02/05"], "time", [{"date": "dmy"}, {"date": "ymd"}]),
        (["1.234", "2.500"], "number", [{}, {"decimal": ","}]),
        (["1,234"], "number", [{"decimal": "."}, {"decimal": ","}]),
    ],
)
def test_what_can_be_read_two_ways_is_asked(cells, role, doubts):
    found = guess(cells, role)
    assert [form.as_json() for form in found.doubts] == doubts
    assert f"“{cells[0]}” can be read" in found.reason


def test_a_day_above_twelve_decides_and_is_named():
    found = guess(["01/02/2024", "31/01/2024"], "time")
    assert found.format.date == "dmy" and not found.doubts
    assert "day first, because of “31/01/2024”" in found.reason


def test_a_column_of_both_orders_follows_most_and_says_what_is_lost():
    cells = ["31/01/2024", "30/01/2024", "01/31/2024"]
    found = guess(cells, "time")
    assert found.format.date == "dmy" and not found.doubts
    assert "“01/31/2024” cannot be read so; 1 such of 3" in found.reason
    assert values(cells, "time", found.format)[2] == "bad"


def test_a_question_mark_is_nothing_where_all_the_rest_makes_sense():
    assert guess(["5", "?", "-"], "number").format.nulls == ("-", "?")
    assert guess(["31.01.2024", "?"], "time").format == Format(date="dmy", nulls=("?",))
    found = guess(["5", "?", "a lot"], "number")
    assert found.format.nulls == () and "“a lot” cannot be read so" in found.reason


def test_a_word_for_nothing_stays_one_whichever_way_is_chosen():
    found = guess(["1.234", "-"], "number")
    assert [form.nulls for form in found.doubts] == [("-",), ("-",)]
    assert "does not tell. “-” as nothing." in found.reason


def test_words_for_nothing_among_ids_are_named_so_that_they_can_be_seen():
    found = guess(["c-1", "-", "无", "NA"], "id")
    assert found.format.nulls == ("-", "无") and "“-”, “无” as nothing" in found.reason
    assert guess(["c-1", "c-2"], "id").format == Format()
    assert guess(["tea", "N/A", "NA"], "text").format.nulls == ("n/a",)


def test_what_says_nothing_gives_the_plain_format():
    for cells in ([], [None, ""], ["nan"], ["gibberish"]):
        for role in ("number", "time", "id", "flag", "kind"):
            found = guess(pa.array(cells, pa.string()), role)
            assert found.format == Format() and not found.doubts and found.reason


def test_typed_columns_speak_for_themselves_but_a_clocks_count_does_not():
    assert guess(pa.array([1.5]), "number").format == Format()
    moments = pa.array([datetime(2024, 1, 31, tzinfo=UTC)])
    assert guess(moments, "time").format == Format()
    assert guess(pa.array([1511544070]), "time").format.date == "epoch_s"
    assert guess(pa.array([1511544070.5]), "time").format.date == "epoch_s"
    words = pa.array(["31.01.2024"]).dictionary_encode()
    assert guess(pa.chunked_array([words]), "time").format.date == "dmy"


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.float64()])
def test_years_alone_are_said_to_be_no_times(kind):
    found = guess(pa.array([2021, 2022, 2023]).cast(kind), "time")
    assert found.format == Format() and not found.doubts
    assert "years alone" in found.reason


# -- whatever is written in a form comes back from it, and the form is found or asked --

MOMENTS = st.datetimes(datetime(1990, 1, 2), datetime(2068, 12, 30)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
WRITTEN_TIMES = {
    "%Y-%m-%d %H:%M:%S": "",
    "%Y-%m-%dT%H:%M:%SZ": "",
    "%d.%m.%Y %H:%M:%S": "dmy",
    "%d/%m/%y %H:%M:%S": "dmy",
    "%d-%b-%Y %I:%M:%S %p": "dmy",
    "%a, %d %b %Y %H:%M:%S +0000": "dmy",
    "%m/%d/%Y %I:%M:%S %p": "mdy",
    "%m-%d-%y, %H:%M:%S": "mdy",
    "%B %d, %Y %H:%M:%S": "mdy",
    "%a %b %d %H:%M:%S %Y": "mdy",
    "%Y年%m月%d日 %H:%M:%S": "ymd",
    "%Y/%m/%d, %I:%M:%S %p": "ymd",
    "%Y%m%d%H%M%S": "ymd",
}


@UNHURRIED
@given(st.lists(MOMENTS, min_size=1, max_size=8), st.sampled_from([*WRITTEN_TIMES]))
def test_a_time_comes_back_from_every_form_and_the_form_is_found_or_asked(
    moments, pattern
):
    cells = [moment.strftime(pattern) for moment in moments]
    form = Format(date=WRITTEN_TIMES[pattern])
    assert values(cells, "time", form) == moments
    never_wrongly_sure(cells, "time", moments)


@UNHURRIED
@given(
    st.lists(MOMENTS, min_size=1, max_size=8),
    st.sampled_from([("epoch_s", 1), ("epoch_ms", 1000), ("epoch_us", 1_000_000)]),
)
def test_a_count_since_1970_comes_back(moments, unit):
    name, factor = unit
    cells = [str(int(moment.timestamp()) * factor) for moment in moments]
    assert values(cells, "time", Format(date=name)) == moments
    never_wrongly_sure(cells, "time", moments)


@UNHURRIED
@given(st.lists(MOMENTS, min_size=1, max_size=8))
def test_a_spreadsheets_day_comes_back(moments):
    start = datetime(1899, 12, 30, tzinfo=UTC)
    cells = [repr((moment - start).total_seconds() / 86400) for moment in moments]
    assert values(cells, "time", Format(date="serial")) == moments
    never_wrongly_sure(cells, "time", moments)


def western(amount):
    return f"{amount:,}"


def continental(amount, group="."):
    return f"{amount:,}".replace(",", "_").replace(".", ",").replace("_", group)


def indian(amount):
    whole, _point, part = f"{abs(amount)}".partition(".")
    head, tail = whole[:-3], whole[-3:]
    twos = [head[max(0, i - 2) : i] for i in range(len(head), 0, -2)][::-1]
    minus = "-" if amount < 0 else ""
    return minus + ",".join([*twos, tail]) + (f".{part}" if part else "")


def bracketed(amount):
    return f"(${abs(amount):,})" if amount < 0 else f"${amount:,}"


WRITTEN_NUMBERS = {
    "machine": (str, ""),
    "western": (western, "."),
    "continental": (continental, ","),
    "French": (lambda amount: continental(amount, "\u202f") + " €", ","),
    "Swiss": (lambda amount: f"CHF {amount:,}".replace(",", "’"), "."),
    "Indian": (indian, "."),
    "accounts": (bracketed, "."),
}
AMOUNTS = st.integers(0, 3).flatmap(
    lambda places: st.integers(-(10**11), 10**11).map(
        lambda units: Decimal(units).scaleb(-places)
    )
)


@UNHURRIED
@given(st.lists(AMOUNTS, min_size=1, max_size=8), st.sampled_from([*WRITTEN_NUMBERS]))
def test_a_number_comes_back_from_every_form_and_the_form_is_found_or_asked(
    amounts, name
):
    write, decimal = WRITTEN_NUMBERS[name]
    cells = [write(amount) for amount in amounts]
    numbers = [float(amount) for amount in amounts]
    assert values(cells, "number", Format(decimal=decimal)) == numbers
    never_wrongly_sure(cells, "number", numbers)


@UNHURRIED
@given(st.text(max_size=30), st.sampled_from(["number", "time", "id", "text", "flag"]))
def test_no_cell_whatever_breaks_the_reading(cell, role):
    found = guess([cell, "31.01.2024", "1.234,56"], role)
    for form in (found.format, *found.doubts, Format(decimal="."), Format(date="mdy")):
        assert len(values([cell], role, form)) == 1


def never_wrongly_sure(cells, role, right):
    found = guess(cells, role)
    readings = [values(cells, role, form) for form in (found.format, *found.doubts)]
    assert right in readings
    if not found.doubts:
        assert readings[0] == right

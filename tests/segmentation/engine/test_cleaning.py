"""Cells as people write them, to values; facts are from the pages named beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from segmentation.engine import cleaning
from segmentation.engine.cleaning import Format, FormatError

RULES = SimpleNamespace(time_zone=ZoneInfo("Europe/Berlin"), kinds={"view": 1})
DMY, MDY, YMD = (Format(date=order) for order in ("dmy", "mdy", "ymd"))
SERIAL = Format(date="serial")
POINT, COMMA = Format(decimal="."), Format(decimal=",")
CURRENCIES = (
    *("€12.50", "12.50 €", "$12.50", "US$12.50", "$12.50 USD", "HK$12.50", "R$ 12.50"),
    *("£ 12.50", "¥12.50", "￥12.50", "₹12.50", "12.50 ₽", "12.50元", "RMB 12.50"),
    *("USD 12.50", "12.50 EUR", "eur 12.50", "CHF 12.50", "Rs. 12.50"),
    *("12.50 kr", "kr. 12.50", "12.50 zł", "12.50 Kč"),
)
NBSP, THIN, NARROW = "\u00a0", "\u2009", "\u202f"


def clean(cells, role, form=None):
    cells = cells if isinstance(cells, pa.Array) else pa.array(cells)
    values, bad, why = cleaning.clean(cells, role, RULES, form or Format())
    return values.to_pylist(), bad.tolist(), why


def number(cell, form):
    (value,), (bad,), _why = clean([cell], "number", form)
    return "bad" if bad else value


def instant(cell, form):
    """The instant in UTC as text, “bad”, or None."""
    (value,), (bad,), _why = clean([cell], "time", form)
    return "bad" if bad else value and value.strftime("%Y-%m-%d %H:%M:%S")


# Groups and marks: CLDR's number formats of en, de, fr (U+202F), de-CH (U+2019), hi.
@pytest.mark.parametrize(
    ("cell", "form", "value"),
    [
        ("1,234.56", POINT, 1234.56),
        ("12,34,567.89", POINT, 1234567.89),
        ("1’234.56", POINT, 1234.56),
        ("1'234'567", POINT, 1234567),
        ("1.234,56", COMMA, 1234.56),
        ("1.234.567", COMMA, 1234567),
        ("1 234,56", COMMA, 1234.56),
        (f"1{NBSP}234,56", COMMA, 1234.56),
        (f"1{NARROW}234{NARROW}567,8", COMMA, 1234567.8),
        (f"1{THIN}234.5", POINT, 1234.5),
        ("1234,5", COMMA, 1234.5),
        (",5", COMMA, 0.5),
        ("5,", COMMA, 5),
        ("1,5E+3", COMMA, 1500),
        ("1.5e3", POINT, 1500),
        ("０１２３．５", POINT, 123.5),
        ("－１２", POINT, -12),
        ("−12", POINT, -12),
        ("+12", COMMA, 12),
        ("-12", COMMA, -12),
        ("12-", COMMA, -12),
        ("- 12", POINT, -12),
        ("(12.00)", POINT, -12),
        ("(1.234,50)", COMMA, -1234.5),
        ("12 %", POINT, 0.12),
        ("12,5%", COMMA, 0.125),
        ("-3%", POINT, -0.03),
    ],
)
def test_a_number_is_read_as_its_column_is_written(cell, form, value):
    assert number(cell, form) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "cell",
    CURRENCIES,
)
def test_a_currency_may_stand_before_or_after(cell):
    assert number(cell, POINT) == 12.5
    assert number(cell.replace("12.50", "1,012.50"), POINT) == 1012.5
    assert number(cell.replace("12.50", "1.012,50"), COMMA) == 1012.5


@pytest.mark.parametrize(
    ("cell", "value"),
    [("-$12", -12), ("$-12", -12), ("($12)", -12), ("$ (12)", -12), ("12- €", -12)],
)
def test_a_sign_may_stand_outside_of_the_currency(cell, value):
    assert number(cell, POINT) == value


@pytest.mark.parametrize(
    ("cell", "form"),
    [
        ("1.5", COMMA),  # not a group of three: 15, 1.5 or 1,500 nobody knows
        ("1.23.456", COMMA),
        ("0.125", COMMA),  # no group begins with a nought
        ("1.234,56", POINT),
        ("1,23", POINT),
        ("1 234'567", POINT),
        ("12 PCS", POINT),
        ("12 13", POINT),
        ("(12", POINT),
        ("(-12)", POINT),
        ("-12-", POINT),
        ("1€50", COMMA),
        ("€", POINT),
        (".", POINT),
        ("inf", POINT),
        ("1e999", POINT),
        ("$1", Format()),
        ("1,5", Format()),
        ("-", Format()),
    ],
)
def test_what_is_no_such_number_is_bad_and_not_guessed(cell, form):
    assert number(cell, form) == "bad"


def test_a_reason_says_how_the_column_is_read():
    assert clean(["x"], "number")[2] == "is not a number"
    assert clean(["x"], "number", COMMA)[2] == "is not a number written like 1.234,56"
    why = clean(["x"], "time", DMY)[2]
    assert why == "is not a date written day first, such as 31.01.2024 18:05"
    why = clean(["x"], "time", Format(date="%d|%m|%Y"))[2]
    assert why == "is not a date written like 31|01|2024"
    why = clean(["x"], "time", Format(date="epoch_ms"))[2]
    assert why.endswith("in milliseconds since 1970, such as 1706724300000")


# Berlin is an hour before UTC in January, two in July.
@pytest.mark.parametrize(
    ("cell", "form", "utc"),
    [
        ("31.01.2024 18:05", DMY, "2024-01-31 17:05:00"),
        ("31.1.24", DMY, "2024-01-30 23:00:00"),
        ("1/7/2024 6:05", DMY, "2024-07-01 04:05:00"),
        ("31-01-2024, 18:05:09", DMY, "2024-01-31 17:05:09"),
        ("31. 01. 2024 18.05", DMY, "2024-01-31 17:05:00"),
        ("31.12.68", DMY, "2068-12-30 23:00:00"),  # POSIX, %y: 69 to 99 are 19..
        ("31.12.69", DMY, "1969-12-30 23:00:00"),
        ("1/31/24 6:05 PM", MDY, "2024-01-31 17:05:00"),
        ("01/31/2024 12:00 a.m.", MDY, "2024-01-30 23:00:00"),
        ("01/31/2024 12:30pm", MDY, "2024-01-31 11:30:00"),
        ("1/31/2024 18:05:00.250", MDY, "2024-01-31 17:05:00"),
        ("31-Jan-2024", DMY, "2024-01-30 23:00:00"),
        ("31 January 2024 18:05", DMY, "2024-01-31 17:05:00"),
        ("Jan 31, 2024", MDY, "2024-01-30 23:00:00"),
        ("January 31st, 2024 at 6:05 PM", MDY, "2024-01-31 17:05:00"),
        ("31. März 2023 18:05 Uhr", DMY, "2023-03-31 16:05:00"),
        ("31 janv. 2024 à 18h05", DMY, "2024-01-31 17:05:00"),
        ("31 de enero de 2024", DMY, "2024-01-30 23:00:00"),
        ("2024年1月31日 18:05", YMD, "2024-01-31 17:05:00"),
        ("2024年1月31日18时05分06秒", YMD, "2024-01-31 17:05:06"),
        ("2024年1月31日 下午6:05", YMD, "2024-01-31 17:05:00"),
        ("２０２４／１／３１ １８：０５", YMD, "2024-01-31 17:05:00"),
        ("2024. 1. 31. 오후 6:05", YMD, "2024-01-31 17:05:00"),
        ("2024/1/31 18:05", YMD, "2024-01-31 17:05:00"),
        ("24/1/31", YMD, "2024-01-30 23:00:00"),
        ("20240131", YMD, "2024-01-30 23:00:00"),
        ("20240131180500", YMD, "2024-01-31 17:05:00"),
        ("20240131 18:05:00", YMD, "2024-01-31 17:05:00"),
        # RFC 2822, appendix A.1.1 and A.1.3
        ("Fri, 21 Nov 1997 09:55:06 -0600", DMY, "1997-11-21 15:55:06"),
        ("Thu, 13 Feb 1969 23:32:54 -0330", DMY, "1969-02-14 03:02:54"),
        ("21 Nov 97 09:55:06 GMT", DMY, "1997-11-21 09:55:06"),
        # Apache httpd, mod_log_config; ctime(3); MDN, Date.prototype.toString
        ("10/Oct/2000:13:55:36 -0700", DMY, "2000-10-10 20:55:36"),
        ("Wed Jun 30 21:49:08 1993", MDY, "1993-06-30 19:49:08"),
        ("Tue Aug 19 1975 23:15:30 GMT+0200 (CEST)", MDY, "1975-08-19 21:15:30"),
        # RFC 3339, 5.8
        ("1985-04-12T23:20:50.52Z", Format(), "1985-04-12 23:20:50"),
        ("1996-12-19T16:39:57-08:00", Format(), "1996-12-20 00:39:57"),
        ("1996-12-19T16:39:57-08:00", YMD, "1996-12-20 00:39:57"),
        # Shopify's order export
        ("2024-01-31 18:05:00 -0500", Format(), "2024-01-31 23:05:00"),
        ("31|01|2024", Format(date="%d|%m|%Y"), "2024-01-30 23:00:00"),
        (
            "31|01|2024 01 +0000",
            Format(date="%d|%m|%Y %H %z"),
            "2024-01-31 01:00:00",
        ),
    ],
)
def test_a_time_is_read_as_its_column_is_written(cell, form, utc):
    assert instant(cell, form) == utc


@pytest.mark.parametrize(
    ("cell", "form", "utc"),
    [
        # Alibaba's UserBehavior, its first line: 25 November 2017 in China
        ("1511544070", Format(date="epoch_s"), "2017-11-24 17:21:10"),
        ("1.7e9", Format(date="epoch_s"), "2023-11-14 22:13:20"),
        ("100000000", Format(date="epoch_s"), "1973-03-03 09:46:40"),
        ("1511544070999", Format(date="epoch_ms"), "2017-11-24 17:21:10"),
        ("1511544070999999", Format(date="epoch_us"), "2017-11-24 17:21:10"),
        # Microsoft, DATE function: 1 January 2008 is day 39448
        ("39448", SERIAL, "2007-12-31 23:00:00"),
        ("44957.75", SERIAL, "2023-01-31 17:00:00"),
        ("45322.7534722222", SERIAL, "2024-01-31 17:05:00"),
        # Microsoft, “Excel incorrectly assumes that the year 1900 is a leap year”
        ("59", SERIAL, "1900-02-27 23:00:00"),
        ("60", SERIAL, "bad"),
        ("61", SERIAL, "1900-02-28 23:00:00"),
        ("2", SERIAL, "1900-01-01 23:00:00"),
        ("0.5", SERIAL, "bad"),
        ("1e300", Format(date="epoch_s"), "bad"),
        ("2023", Format(date="epoch_s"), "bad"),  # a year is no clock's count
        ("0", Format(date="epoch_ms"), "bad"),
        ("1511544070999", Format(date="epoch_s"), "bad"),
        ("inf", SERIAL, "bad"),
    ],
)
def test_a_clocks_count_and_a_spreadsheets_day_become_times(cell, form, utc):
    assert instant(cell, form) == utc


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.float64()])
def test_a_year_alone_is_no_time_and_the_sentence_says_what_is_missing(kind):
    years = pa.array([2023, 2024, None]).cast(kind)
    _values, bad, why = clean(years, "time")
    assert bad == [True, True, False] and "only a year" in why
    mixed = pa.array(["2023", "soon", "2023-05-01"])
    _values, bad, why = clean(mixed, "time")
    assert bad == [True, True, False] and "is not a date and time" in why


def test_counts_may_come_as_numbers_too():
    form = Format(date="epoch_s")
    for kind in (pa.int64(), pa.float64()):
        values, bad, _why = clean(pa.array([1511544070, None], kind), "time", form)
        assert values == [datetime(2017, 11, 24, 17, 21, 10, tzinfo=UTC), None]
        assert bad == [False, False]


@pytest.mark.parametrize(
    ("cell", "form"),
    [
        ("01/31/2024", DMY),
        ("31/01/2024", MDY),
        ("31.01.2024", YMD),
        ("30.02.2024", DMY),
        ("29.02.2023", DMY),
        ("00.01.2024", DMY),
        ("31 Foo 2024", DMY),
        ("31.01.2024 24:00", DMY),
        ("31.01.2024 18:60", DMY),
        ("31.01.2024 18:05 AM", DMY),
        ("31.01.2024 18", DMY),
        ("31.01.2024 18:05 CST", DMY),  # America's or China's: nobody knows
        ("31.01.1024", DMY),
        ("31.01.2024", Format()),
        ("now", Format()),
        ("today", Format()),
        ("31.01.2024", Format(date="%d|%m|%Y")),
    ],
)
def test_what_is_no_such_time_is_bad_and_not_guessed(cell, form):
    assert instant(cell, form) == "bad"


def test_a_year_in_front_and_a_months_name_are_read_in_any_order():
    for form in (DMY, MDY, YMD):
        for cell in ("2024-02-03", "3 Feb 2024", "Feb 3, 2024", "20240203"):
            assert instant(cell, form) == "2024-02-02 23:00:00"


@pytest.mark.parametrize("form", [DMY, Format(date="serial"), Format()])
def test_a_column_may_have_its_own_zone(form):
    cell = {"dmy": "31.07.2024 18:00", "serial": "45504.75"}
    cell = cell.get(form.date, "2024-07-31 18:00")
    told = Format(date=form.date, time_zone="Asia/Shanghai")
    assert instant(cell, told) == "2024-07-31 10:00:00"
    assert instant(cell, form) == "2024-07-31 16:00:00"


@pytest.mark.parametrize("form", [Format(), DMY])
def test_an_hour_that_is_skipped_or_comes_twice_is_read_alike_in_every_form(form):
    skipped, twice = datetime(2024, 3, 31, 2, 30), datetime(2024, 10, 27, 2, 30)  # noqa: DTZ001
    pattern = "%d.%m.%Y %H:%M" if form.date else "%Y-%m-%d %H:%M"
    assert instant(skipped.strftime(pattern), form) == "2024-03-31 01:00:00"
    assert instant(twice.strftime(pattern), form) == "2024-10-27 00:30:00"


def test_a_column_may_mix_local_times_and_times_with_a_zone():
    cells = ["31.01.2024 18:05", "31.01.2024 18:05 +0300", None, "31.01.2024 18:05Z"]
    values, bad, _why = clean(cells, "time", DMY)
    noon = datetime(2024, 1, 31, 17, 5, tzinfo=UTC)
    hour = timedelta(hours=1)
    assert values == [noon, noon - 2 * hour, None, noon + hour] and not any(bad)


def test_no_cell_stops_the_others_of_its_column():
    """Each of these once was an error of the parser for the whole column."""
    odd = ["2024-01-31T18+1", "20240131T1805Z", "9999-12-31 23:59", "0001-01-01", "x"]
    form = Format(time_zone="America/New_York")
    values, bad, _why = clean([*odd, "2024-01-31 18:05"], "time", form)
    assert bad == [False, False, True, True, True, False]
    hours = [value.hour for value in values if value]
    assert hours == [17, 18, 23]
    odd = ["1.1.9999", "2e6", "99999999999999999999", "1e-300", "-inf", "31.01.2024"]
    assert clean(odd, "time", DMY)[1] == [True] * 5 + [False]
    assert clean(odd, "time", SERIAL)[1] == [True] * 6


def test_microseconds_are_kept_and_what_is_finer_is_cut():
    for cell, form in [
        ("31.01.2024 18:05:07.1234569", DMY),
        ("2024-01-31 18:05:07.1234569", Format()),
    ]:
        (value,), _bad, _why = clean([cell], "time", form)
        assert value.microsecond == 123456


NOTHING = ["", " ", "NULL", "None", "nan", "N/A", "na", "\\N", "#N/A", "(null)", "无"]


@pytest.mark.parametrize("role", ["number", "time", "flag", "kind"])
def test_words_for_nothing_are_nothing_where_a_value_is_due(role):
    values, bad, _why = clean(NOTHING, role)
    assert values == [None] * len(NOTHING) and not any(bad)


def test_a_dash_is_nothing_where_people_write_but_a_mistake_from_a_machine():
    assert clean(["-", "—", "5"], "number", COMMA)[:2] == ([None, None, 5], [False] * 3)
    assert clean(["-", "—"], "time", DMY)[1] == [False, False]
    assert clean(["-"], "number")[1] == [True]
    assert clean(["-", "?"], "number", Format(nulls=("-", "?")))[1] == [False, False]


def test_ids_are_text_and_a_blank_one_is_nobody():
    cells = ["00123", "85123A", " 17850 ", "17850.0", "1.50", "1E5", "", " ", "nan"]
    values, bad, _why = clean(cells, "id")
    told = ["00123", "85123A", "17850", "17850", "1.50", "1E5", None, None, None]
    assert values == told and not any(bad)


def test_an_id_may_be_a_dash_unless_its_column_says_that_it_is_nothing():
    cells = ["-", "?", "#N/A", "无", "a-b"]
    assert clean(cells, "id")[0] == cells
    told = Format(nulls=("-", "?", "#n/a", "无"))
    assert clean(cells, "id", told)[0] == [None] * 4 + ["a-b"]
    assert clean(cells, "text", told)[0] == [None] * 4 + ["a-b"]


def test_ids_that_a_spreadsheet_wrote_are_noticed():
    cells = pa.array(
        ["17850.0", "17851", "1.2346E+12", "SKU1E+12", "1E5", "v2.0", None]
    )
    assert cleaning.notices(cells, "id") == {"decimal_ids": 1, "short_ids": 1}
    assert cleaning.notices(cells, "text") == {}
    assert cleaning.notices(pa.array([17850.0]), "id") == {}
    assert cleaning.notices(pa.array(["a", None]), "id") == {}


def test_what_stored_keys_were_made_of_stays_as_it_is():
    """Events are known by their values: another value would bring them in again."""
    ids = ["-", "?", "#N/A", "1E+5", "1.2346E+12", "v1.0", "007.0", "NA", "'=1", "'x"]
    kept = ["-", "?", "#N/A", "1E+5", "1.2346E+12", "v1.0", "007", None, "=1", "'x"]
    assert clean(ids, "id")[0] == kept
    cells = ["1e3", " 5 ", "5.", "+.5", "-0.0", "1_000", "0x1f", "True", "１２"]
    values, bad, _why = clean(cells, "number")
    assert values[:5] == [1000, 5, 5, 0.5, 0] and bad == [False] * 5 + [True] * 4
    times = ["20170131", "2017/01/31 18:05", "2017.01.31", "2017-1-31 9:05"]
    assert not any(clean(times, "time")[1])
    assert (
        clean(["20170131180500", "1485885900", "31.01.2017"], "time")[1] == [True] * 3
    )


@pytest.mark.parametrize("role", ["text", "id", "number", "time", "flag", "kind"])
@pytest.mark.parametrize("form", [Format(), COMMA, DMY, SERIAL, Format(nulls=("x",))])
@pytest.mark.parametrize("cells", [[], [None, None], ["", "\x00", "👩‍🦰" * 50]])
def test_columns_of_nothing_and_of_anything_are_cleaned(role, form, cells):
    for kind in (
        pa.string(),
        pa.large_string(),
        pa.dictionary(pa.int32(), pa.string()),
    ):
        values, bad, _why = clean(pa.array(cells, pa.string()).cast(kind), role, form)
        assert len(values) == len(bad) == len(cells)


def test_yes_and_no_are_read_as_shops_write_them():
    cells = ["TRUE", "instock", "是", "0", "out of stock", "缺货", "maybe", None]
    values, bad, _why = clean(cells, "flag")
    assert values[:6] == [True] * 3 + [False] * 3 and values[7] is None
    assert bad == [False] * 6 + [True, False]


def test_a_format_is_kept_as_json():
    form = Format(decimal=",", time_zone="Asia/Tokyo", nulls=("?",))
    told = {"decimal": ",", "time_zone": "Asia/Tokyo", "nulls": ["?"]}
    assert form.as_json() == told and Format.from_json(told) == form
    assert Format().as_json() == {} and Format.from_json({}) == Format()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"decimal": ";"}, "“;” is no decimal mark; take “.” or “,”"),
        ({"date": "ydm"}, "no way of writing dates; take one of dmy, mdy"),
        ({"date": "%Q"}, "no way of writing dates"),
        ({"date": "%H:%M"}, "no way of writing dates"),
        ({"date": "a\nb%"}, "no way of writing dates"),
        ({"time_zone": "Mars/Base"}, "“Mars/Base” is no time zone"),
        ({"time_zone": "../etc"}, "is no time zone"),
        ({"colour": "red"}, "A format knows no “colour”; it knows decimal, date"),
        ({"date": 5}, "A format holds texts"),
        ({"nulls": "-"}, "a list of texts as nulls"),
        ({"nulls": [None]}, "a list of texts as nulls"),
    ],
)
def test_a_format_that_cannot_be_is_refused_with_a_sentence(data, sentence):
    with pytest.raises(FormatError, match=sentence):
        Format.from_json(data)

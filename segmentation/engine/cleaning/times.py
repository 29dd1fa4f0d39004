"""Instants in UTC from whatever a column holds: texts, numbers of a clock, days."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segmentation.engine.cleaning import dates, numbers, texts
from segmentation.engine.cleaning.formats import EPOCHS, ORDERS, SERIAL, Format
from segmentation.engine.cleaning.texts import Cleaned, Mask, is_null, is_true
from segmentation.engine.sentences import Sentence, gettext_noop

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
INSTANT = pa.timestamp("us", "UTC")
# A spreadsheet's day 60 is 29 February 1900, which never was (kept from Lotus 1-2-3);
# from the day after, days count from 30 December 1899, before it from the 31st.
_LEAP_BUG = 60
_SERIAL_START = np.datetime64("1899-12-30", "us").astype(np.int64)
_FIRST_WALL, _LAST_WALL = pd.Timestamp(1899, 12, 30), pd.Timestamp(2200, 1, 3)
_DAY = 86_400_000_000  # microseconds
# Whatever the parser takes for a zone: mixed with times that have none, one such cell
# would stop the whole column. “2017-01” ends like one, so a time must stand before it.
_ZONED = r"[T :]\d.*(?:Z|[+-]\d\d?(?::?\d\d?)?)$"
# The commonest dates and times, and how to turn them to ISO's order.
_SIMPLE = r"^(\d\d?)[./-](\d\d?)[./-](\d{4})"
_SIMPLE_CLOCK = r"(?: \d\d?:\d\d(?::\d\d)?)?$"
_TO_ISO = {"dmy": r"\3-\2-\1", "mdy": r"\3-\1-\2"}
# A year alone names no moment; and the first of January would be a made-up one.
YEAR = r"^\d{4}(?:\.0)?$"
ONLY_YEAR = gettext_noop("is only a year; a time needs its day, such as 2017-01-31")
# Below it stand years, months and counters, and no time of a shop (March 1973).
_LEAST_SECONDS = 100_000_000
_FAR = 4e17  # microseconds: no plausible time, and still an int64


def read(raw: pa.Array, form: Format, zone: ZoneInfo) -> Cleaned:
    """Instants; local times are in ``zone`` unless the format names another.

    Of an hour that happens twice the first is meant; one that a clock change skips is
    moved to its end. Bad: unreadable, a year alone, before 1900 or from 2200 on; of
    seconds since 1970 too small a number.
    """
    zone = ZoneInfo(form.time_zone) if form.time_zone else zone
    why = form.is_not(form.time())
    if pa.types.is_timestamp(raw.type) or pa.types.is_date(raw.type):
        times = _typed(raw, zone)
        return times, _implausible(times), why
    text = texts.values(raw, form)
    if form.date in EPOCHS or form.date == SERIAL:
        times = _counted(numbers.plain(text), form.date, zone)
    elif form.date in ORDERS:
        times = _ordered(text, form.date, zone)
    elif form.date:
        utc = "%z" in form.date or "%Z" in form.date
        read = _parsed(text, form.date, utc=utc)
        times = _instants(read) if utc else _localised(read, zone)
    else:
        times = _iso(text, zone)
    bad = np.asarray(text.is_valid()) & is_null(times) | _implausible(times)
    if bad.any() and all_years(text.filter(pa.array(bad))):
        why = Sentence(ONLY_YEAR)
    return times, bad, why


def all_years(text: pa.Array) -> bool:
    """Whether none of the texts says more than a year."""
    return bool(is_true(pc.match_substring_regex(text, YEAR)).all())


def _typed(raw: pa.Array, zone: ZoneInfo) -> pa.Array:
    """Of columns that are times already. Nanoseconds are cut: nothing needs them."""
    known = getattr(raw.type, "tz", None)
    times = raw.cast(pa.timestamp("us", known), safe=False)
    if known is None:
        times = pc.assume_timezone(
            times, zone.key, ambiguous="earliest", nonexistent="latest"
        )
    return times.cast(INSTANT)


def _iso(text: pa.Array, zone: ZoneInfo) -> pa.Array:
    """ISO 8601, with or without its own zone."""
    # The parser takes “now” and “today” for the moment of the import.
    lengths = pc.binary_length(text)
    if np.isin(lengths, (3, 5)).any():
        text = pc.if_else(pc.match_substring_regex(text, r"^\D"), None, text)
    if np.isin(lengths, (4, 6)).any():
        text = pc.if_else(pc.match_substring_regex(text, YEAR), None, text)
    zoned = pc.match_substring_regex(text, _ZONED)
    if not is_true(zoned).any():
        return _localised(_parsed(text, "ISO8601"), zone)
    absolute = _parsed(pc.if_else(zoned, text, None), "ISO8601", utc=True)
    if pc.all(zoned).as_py():  # nulls are left out
        return _instants(absolute)
    local = _parsed(pc.if_else(zoned, None, text), "ISO8601")
    return pc.coalesce(_localised(local, zone), _instants(absolute))


def _ordered(text: pa.Array, order: str, zone: ZoneInfo) -> pa.Array:
    """Dates in the order of the column. The commonest by way of ISO, twice as fast."""
    times = pa.nulls(len(text), INSTANT)
    left = text
    if order in _TO_ISO:
        simple = pc.match_substring_regex(text, _SIMPLE + _SIMPLE_CLOCK)
        iso = pc.if_else(simple, text, None)
        iso = pc.replace_substring_regex(iso, _SIMPLE, _TO_ISO[order])
        times = _localised(_parsed(iso, "ISO8601"), zone)
        left = pc.if_else(times.is_valid(), None, text)
    if left.null_count < len(left):
        written = dates.read(texts.folded(left), order)
        times = pc.coalesce(times, _joined(*written, zone))
    return times


def _parsed(text: pa.Array, form: str, *, utc: bool = False) -> pd.Series:
    return pd.to_datetime(text.to_pandas(), errors="coerce", format=form, utc=utc)


def _localised(walls: pd.Series, zone: ZoneInfo) -> pa.Array:
    """Null where implausible: a zone has no rules for 31 December 9999."""
    walls = walls.where((walls > _FIRST_WALL) & (walls < _LAST_WALL))
    return _instants(
        walls.dt.tz_localize(zone.key, ambiguous=True, nonexistent="shift_forward")
    )


def _instants(times: pd.Series) -> pa.Array:
    utc = times.dt.tz_convert("UTC").dt.as_unit("us")
    return pa.array(utc, INSTANT, from_pandas=True)


def _joined(local: NDArray[np.int64], offsets: Mask, zone: ZoneInfo) -> pa.Array:
    """Of microseconds since 1970 (`dates.NEVER`: none), UTC where a zone was given."""
    absolute = pa.array(local, INSTANT, mask=local == dates.NEVER)
    if offsets.all():
        return absolute
    times = _localised(pd.Series(local.view("datetime64[us]")), zone)
    return pc.if_else(pa.array(offsets), absolute, times) if offsets.any() else times


def _counted(number: NDArray[np.float64], unit: str, zone: ZoneInfo) -> pa.Array:
    """Of seconds (or parts of them) since 1970, or of a spreadsheet's days."""
    if unit == SERIAL:
        days = np.where(number < _LEAP_BUG, number + 1, number)
        days[(number < 1) | (np.floor(number) == _LEAP_BUG)] = np.nan
        # To the millisecond, as spreadsheets do: a day's fraction is never exact.
        micros = np.round(days * _DAY / 1000) * 1000 + _SERIAL_START
    else:
        micros = np.round(number * (1_000_000 // EPOCHS[unit]))
        micros[np.abs(micros) < _LEAST_SECONDS * 1e6] = np.nan
    good = np.isfinite(micros) & (np.abs(micros) < _FAR)
    whole = np.where(good, micros, 0.0).astype(np.int64)
    whole[~good] = dates.NEVER
    return _joined(whole, np.full(len(whole), unit != SERIAL), zone)


def _implausible(times: pa.Array) -> Mask:
    """Before 1900 or after 2200: a slip of the pen, and beyond what databases take."""
    early = pc.less(times, pa.scalar(EARLIEST, INSTANT))
    late = pc.greater_equal(times, pa.scalar(LATEST, INSTANT))
    return is_true(early) | is_true(late)

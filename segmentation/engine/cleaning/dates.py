"""Dates written for people: 31.01.2024 18:05, Jan 31, 2024, 2024年1月31日, RFC 2822.

A year in front or a month's name cannot be mistaken, so these are read in any column.
Only the order of three plain numbers is the column's. Month names: CLDR.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segmentation.engine.cleaning.texts import Mask, is_true

NEVER = np.iinfo(np.int64).min  # NumPy's NaT
Numbers = NDArray[np.int64]

_HALF = r"[AaPp]\.?[Mm]\.?"
# Names of zones of RFC 2822 that mean one thing only. CST is China's as well.
_ZONES = {"EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_ZONE = (
    r"(?P<zone>Z|z|(?:UTC|GMT|UT)?[+-]\d{1,2}(?::?\d\d)?|UTC|GMT|UT|"
    rf"{'|'.join(_ZONES)})"
)
_TIME = (
    rf"(?:(?P<before>{_HALF}) ?)?(?P<hour>\d{{1,2}})[:.hH](?P<minute>\d\d)"
    r"(?:[:.](?P<second>\d\d)(?:[.,:](?P<fraction>\d{1,9}))?)?"
    rf"(?: ?(?P<after>{_HALF}))?(?: ?{_ZONE})?(?: ?\([^)]*\))?"
)
_CLOCK = rf"(?:(?:[,:T] ?| )(?:(?:at|à|um) )?{_TIME}(?: Uhr)?)?"
_DAY = r"(?P<day>\d{1,2})"
_MONTH = r"(?P<month>\d{1,2})"
_LETTER = "[A-Za-zÀ-ɏ]"  # of Latin scripts; “any letter” is ten times as slow
_NAME = rf"(?P<month>{_LETTER}{{3,10}})"
_YEAR = r"(?P<year>\d{4})"
_ANY_YEAR = r"(?P<year>\d{4}|\d\d)"
_SEP = r"(?:[./-] ?| )"
_DE = r"(?:de |of )?"

_DMY = rf"^{_DAY}{_SEP}{_MONTH}{_SEP}{_ANY_YEAR}\.?{_CLOCK}$"
_MDY = rf"^{_MONTH}{_SEP}{_DAY}{_SEP}{_ANY_YEAR}{_CLOCK}$"
_YMD = rf"^{_YEAR}{_SEP}{_MONTH}{_SEP}{_DAY}\.?{_CLOCK}$"
SHORT_YMD = rf"^(?P<year>\d\d){_SEP}{_MONTH}{_SEP}{_DAY}\.?{_CLOCK}$"
_NAMED_DMY = (
    rf"^{_DAY}(?:st|nd|rd|th|er|º|\.)?[ ./-]?{_DE}{_NAME}\.?[ ,./-]{{1,2}}"
    rf"{_DE}{_ANY_YEAR}{_CLOCK}$"
)
_NAMED_MDY = (
    rf"^{_NAME}\.?[ ./-]{_DAY}(?:st|nd|rd|th)?[ ,./-]{{1,2}}"
    rf"{_ANY_YEAR}{_CLOCK}$"
)
_NAMED_YMD = rf"^{_YEAR}[ ./-]{_NAME}\.?[ ./-]{_DAY}{_CLOCK}$"
_CTIME = rf"^{_NAME} {_DAY} {_TIME} {_YEAR}$"
_COMPACT = (
    rf"^{_YEAR}(?P<month>\d\d)(?P<day>\d\d)"
    rf"(?:[ T]?(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?(?: ?{_ZONE})?)?$"
)
_COMPACT_DAY = rf"^{_YEAR}(?P<month>\d\d)(?P<day>\d\d){_CLOCK}$"

# What each order reads first; and what cannot be mistaken, so that any order reads it.
# A year of two digits in front is read only where the column is said to be so.
OWN = {
    "dmy": (_DMY, _NAMED_DMY),
    "mdy": (_MDY, _NAMED_MDY, _CTIME),
    "ymd": (_YMD, _COMPACT, _COMPACT_DAY, _NAMED_YMD),
}
SURE = (_YMD, _COMPACT, _COMPACT_DAY, _NAMED_DMY, _NAMED_MDY, _CTIME, _NAMED_YMD)
_MONTHS = (
    "jan januar january janvier janv ene enero gen gennaio januari janeiro jänner",
    "feb februar february février févr fév febrero febbraio februari fevereiro fev",
    "mar mär märz mrz march mars marzo maart mrt março",
    "apr april avril avr abril abr aprile",
    "may mai mayo mag maggio mei maio",
    "jun juni june juin junio giu giugno junho",
    "jul juli july juillet juil julio lug luglio julho",
    "aug august août aout agosto ago augustus",
    "sep sept september septembre septiembre set settembre setembro",
    "oct okt oktober october octobre octubre ott ottobre out outubro",
    "nov november novembre noviembre novembro",
    "dec dez dezember december décembre déc dic diciembre dicembre dezembro",
)
_BY_NAME = {name: i + 1 for i, row in enumerate(_MONTHS) for name in row.split()}
# The day of the week before a date says nothing: “Wed, 31 Jan”, “Wed 31.1.2024”.
_WEEKDAY = rf"^{_LETTER}{{2,12}}\.?(?:, ?| ({_LETTER}{{3}}|\d{{1,2}}[./-]))"
# East Asian dates, to plain ones: 2024年1月31日 下午6时05分 → 2024-1-31 PM 6:05.
_EAST = (
    (r"\s*[年년]\s*|\s*[月월]\s*", "-"),
    (r"\s*[日号號일]\s*", " "),
    (r"上午|午前|오전", " AM "),
    (r"下午|午後|오후", " PM "),
    (r"\s*[时時点點시]\s*|\s*[分분]\s*(\d)", r":\1"),
    (r"[分秒분초]", ""),
    (r"星期.|周[一二三四五六日]|\(.\)", " "),
)


def read(text: pa.Array, order: str) -> tuple[Numbers, Mask]:
    """Local microseconds since 1970 (`NEVER`: unread), and which are UTC already."""
    short = (SHORT_YMD,) if order == "ymd" else ()
    return by_patterns(text, (*OWN[order], *SURE, *short))


def by_patterns(text: pa.Array, patterns: tuple[str, ...]) -> tuple[Numbers, Mask]:
    """Read each text with the first pattern that fits it and gives a real day."""
    text = _plain(text)
    micros = np.full(len(text), NEVER, dtype=np.int64)
    absolute = np.zeros(len(text), dtype=bool)
    rest = np.flatnonzero(np.asarray(text.is_valid()))
    for pattern in dict.fromkeys(patterns):
        if not len(rest):
            break
        part = text if len(rest) == len(text) else text.take(pa.array(rest))
        # Whether a pattern fits is told ten times as fast as where its groups are.
        fits = np.flatnonzero(is_true(pc.match_substring_regex(part, pattern)))
        if len(fits):
            if len(fits) < len(part):
                part = part.take(pa.array(fits))
            rows = rest[fits]
            micros[rows], absolute[rows] = _moments(_groups(part, pattern))
            rest = rest[micros[rest] == NEVER]
    return micros, absolute


def _plain(text: pa.Array) -> pa.Array:
    if pc.all(pc.string_is_ascii(text)).as_py() is False:
        for pattern, plain in _EAST:
            text = pc.replace_substring_regex(text, pattern, plain)
    if is_true(pc.match_substring_regex(text, rf"^{_LETTER}")).any():
        text = pc.replace_substring_regex(text, _WEEKDAY, r"\1")
    if is_true(pc.match_substring(text, "  ")).any():
        text = pc.replace_substring_regex(text, " {2,}", " ")
    return pc.utf8_trim_whitespace(text)


def _groups(text: pa.Array, pattern: str) -> dict[str, pa.Array]:
    found = pc.extract_regex(text, pattern=pattern)
    groups = dict(zip([f.name for f in found.type], found.flatten(), strict=True))
    return {**groups, "fits": found.is_valid()}


def _moments(groups: dict[str, pa.Array]) -> tuple[Numbers, Mask]:
    """Microseconds of the fields that a pattern found; `NEVER` where no such day is."""
    number = {
        name: _number(groups.get(name), len(groups["fits"]))
        for name in ("year", "day", "hour", "minute", "second")
    }
    month = _month(groups["month"])
    year = number["year"]
    short = is_true(pc.equal(pc.binary_length(groups["year"]), 2))
    year = np.where(short, year + np.where(year < 69, 2000, 1900), year)  # POSIX %y
    good = np.asarray(groups["fits"]) & (month >= 1) & (month <= 12) & (year > 0)
    first = ((year - 1970) * 12 + np.where(good, month - 1, 0)).astype("datetime64[M]")
    start = first.astype("datetime64[D]").astype(np.int64)
    n_days = (first + 1).astype("datetime64[D]").astype(np.int64) - start
    day = number["day"]
    hour = _hour(number["hour"], groups)
    good &= (day >= 1) & (day <= n_days) & (hour >= 0) & (hour < 24)
    good &= (number["minute"] < 60) & (number["second"] < 60)
    offset, absolute = _offset(groups.get("zone"), len(day))
    minutes = (start + day - 1) * 1440 + hour * 60 + number["minute"] - offset
    micros = (minutes * 60 + number["second"]) * 1_000_000
    micros += _fraction(groups.get("fraction"), len(day))
    return np.where(good, micros, NEVER), absolute & good


def _number(digits: pa.Array | None, n_rows: int) -> Numbers:
    if digits is None:
        return np.zeros(n_rows, dtype=np.int64)
    empty = pc.equal(pc.binary_length(digits), 0)
    filled = pc.fill_null(pc.if_else(empty, "0", digits), "0")
    return np.asarray(filled.cast(pa.int64()))


def _month(month: pa.Array) -> Numbers:
    """1 to 12 by number or name; 0 for a word that is no month."""
    if not is_true(pc.match_substring_regex(month, r"\D")).any():
        return _number(month, len(month))
    names = pa.array(list(_BY_NAME))
    numbers = pa.array(list(_BY_NAME.values()), pa.int64())
    at = pc.index_in(pc.utf8_lower(month), names)
    return np.asarray(pc.fill_null(numbers.take(at), 0))


def _hour(hour: Numbers, groups: dict[str, pa.Array]) -> Numbers:
    """Hours of 24; -1 for an 18 AM. 12 AM is midnight."""
    if "before" not in groups:
        return hour
    half = pc.utf8_lower(
        pc.binary_join_element_wise(groups["before"], groups["after"], "")
    )
    is_pm = is_true(pc.starts_with(half, "p"))
    is_am = is_true(pc.starts_with(half, "a"))
    hour = np.where(is_pm & (hour < 12), hour + 12, hour)
    hour = np.where(is_am & (hour > 12), -1, hour)
    return np.where(is_am & (hour == 12), 0, hour)


def _fraction(digits: pa.Array | None, n_rows: int) -> Numbers:
    """Microseconds of a second's decimals; what is finer is cut."""
    if digits is None or not is_true(pc.greater(pc.binary_length(digits), 0)).any():
        return np.zeros(n_rows, dtype=np.int64)
    six = pc.utf8_slice_codeunits(pc.utf8_rpad(digits, 6, "0"), 0, 6)
    return _number(six, n_rows)


def _offset(zone: pa.Array | None, n_rows: int) -> tuple[Numbers, Mask]:
    """Minutes east of Greenwich, and which rows name a zone at all."""
    none = np.zeros(n_rows, dtype=np.int64), np.zeros(n_rows, dtype=bool)
    if zone is None:
        return none
    known = is_true(pc.greater(pc.binary_length(zone), 0))
    if not known.any():
        return none
    encoded = pc.dictionary_encode(pc.fill_null(zone, ""))
    # As many as there are zones, at most some hundred: the pattern allows no more.
    minutes = [_minutes(name) for name in encoded.dictionary.to_pylist()]
    return np.array(minutes, dtype=np.int64)[np.asarray(encoded.indices)], known


def _minutes(zone: str) -> int:
    if zone in _ZONES:
        return _ZONES[zone] * 60
    digits = zone.lstrip("UTCGMZz").replace(":", "")
    if not digits:
        return 0
    sign, digits = (-1 if digits[0] == "-" else 1), digits[1:]
    hours, minutes = (digits, "0") if len(digits) <= 2 else (digits[:-2], digits[-2:])
    return sign * (int(hours) * 60 + int(minutes))

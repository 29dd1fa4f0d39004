"""Cells to typed values by role: ids, texts, numbers, instants, flags, kinds.

Each cleaner answers the values (null where there is none), which rows are bad, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segmentation.engine import cells

TEXT, ID, NUMBER, TIME, FLAG, KIND = "text", "id", "number", "time", "flag", "kind"
NULLS = ("", "nan", "null", "none", "na", "n/a", "nat", "\\n")
ID_LENGTH = 120
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
NO_TIME = "is not a date and time such as 2017-01-31 18:05:00"

Mask = NDArray[np.bool_]
Cleaned = tuple[pa.Array, Mask, str]


class Rules(Protocol):
    """What a cleaner must know beside the cells."""

    time_zone: ZoneInfo
    kinds: dict[str, int]


def clean(raw: pa.Array, role: str, rules: Rules) -> Cleaned:
    """Clean a column; pa.ArrowException where its type cannot have the role."""
    return _CLEANERS[role](raw, rules)


def clean_ids(texts: pa.Array) -> pa.Array:
    """Ids as a file's are cleaned: trimmed, 17850 for 17850.0, null for “nan”."""
    return _ids(texts)[0]


def type_of(role: str) -> pa.DataType:
    """The Arrow type of a role."""
    return {
        NUMBER: pa.float64(),
        TIME: pa.timestamp("us", "UTC"),
        FLAG: pa.bool_(),
        KIND: pa.int64(),
    }.get(role, pa.string())


def as_text(column: pa.Array | pa.ChunkedArray) -> list[str | None]:
    """Cells as a person should see them again, whatever their type."""
    try:
        texts: list[str | None] = column.cast(pa.string()).to_pylist()
    except pa.ArrowException:  # bytes, lists and structures of a Parquet file
        return [None if v is None else str(v) for v in column.to_pylist()]
    return texts


def is_null(column: pa.Array) -> Mask:
    """Which values are missing."""
    return np.asarray(column.is_null())


def is_true(column: pa.Array) -> Mask:
    """Which values are true; a missing one is not."""
    return np.asarray(pc.fill_null(column, False))


def longer(text: pa.Array, most: int) -> Mask:
    """Which texts have more than so many characters."""
    return is_true(pc.greater(pc.utf8_length(text), most))


def _texts(raw: pa.Array, _rules: Rules | None = None) -> Cleaned:
    if pa.types.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    text = pc.utf8_trim_whitespace(cells.plain(raw.cast(pa.string())))
    text = pc.if_else(pc.equal(text, ""), None, text)
    nul = is_true(pc.match_substring(text, "\x00"))
    return text, nul, "holds a NUL character"


def _ids(raw: pa.Array, _rules: Rules | None = None) -> Cleaned:
    """Ids are text. A spreadsheet's 17850.0 is 17850; a blank or “nan” is no id."""
    if pa.types.is_floating(raw.type):
        raw = pc.if_else(pc.is_nan(raw), None, raw)
    text, nul, _why = _texts(raw)
    text = pc.replace_substring_regex(text, r"^(\d+)\.0$", r"\1")
    nothing = pc.is_in(pc.utf8_lower(text), pa.array(NULLS))
    text = pc.if_else(nothing, None, text)
    bad = longer(text, ID_LENGTH) | nul
    return text, bad, f"is longer than {ID_LENGTH} characters or holds a NUL"


def _numbers(raw: pa.Array, _rules: Rules) -> Cleaned:
    if pa.types.is_integer(raw.type) or pa.types.is_floating(raw.type):
        number = raw.cast(pa.float64(), safe=False)
        number = pc.if_else(pc.is_nan(number), None, number)
        return number, is_true(pc.is_inf(number)), "is not a number"
    text = _null_words(raw)
    number = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(np.float64)
    bad = np.asarray(text.is_valid()) & ~np.isfinite(number)
    return pa.array(number, from_pandas=True), bad, "is not a number"


def _times(raw: pa.Array, rules: Rules) -> Cleaned:
    if pa.types.is_timestamp(raw.type) or pa.types.is_date(raw.type):
        # Nanoseconds are cut: nothing that a customer does happens in them.
        zone = getattr(raw.type, "tz", None)
        times = raw.cast(pa.timestamp("us", zone), safe=False)
        if times.type.tz is None:
            times = pc.assume_timezone(
                times, rules.time_zone.key, ambiguous="earliest", nonexistent="latest"
            )
        times = times.cast(pa.timestamp("us", "UTC"))
        return times, _implausible(times), NO_TIME
    text = _null_words(raw)
    zoned = pc.match_substring_regex(text, r"\d\d:\d\d.*(Z|[+-]\d\d:?\d\d)$")
    local = _parsed(pc.if_else(zoned, None, text)).dt.tz_localize(
        rules.time_zone.key, ambiguous=True, nonexistent="shift_forward"
    )
    absolute = _parsed(pc.if_else(zoned, text, None), utc=True)
    times = pc.coalesce(_instants(local), _instants(absolute))
    unread = np.asarray(text.is_valid()) & is_null(times)
    return times, unread | _implausible(times), NO_TIME


def _implausible(times: pa.Array) -> Mask:
    """Before 1900 or after 2200: a slip of the pen, and beyond what databases take."""
    kind = pa.timestamp("us", "UTC")
    early = pc.less(times, pa.scalar(EARLIEST, kind))
    late = pc.greater_equal(times, pa.scalar(LATEST, kind))
    return is_true(early) | is_true(late)


def _parsed(text: pa.Array, *, utc: bool = False) -> pd.Series:
    return pd.to_datetime(text.to_pandas(), errors="coerce", format="ISO8601", utc=utc)


def _instants(times: pd.Series) -> pa.Array:
    utc = times.dt.tz_convert("UTC").dt.as_unit("us")
    return pa.array(utc, pa.timestamp("us", "UTC"), from_pandas=True)


def _flags(raw: pa.Array, _rules: Rules) -> Cleaned:
    if pa.types.is_boolean(raw.type):
        return raw, _none_bad(raw), ""
    text = pc.utf8_lower(_null_words(raw))
    yes = pc.is_in(text, pa.array(["1", "true", "t", "yes", "y", "in stock"]))
    no = pc.is_in(text, pa.array(["0", "false", "f", "no", "n", "out of stock"]))
    bad = np.asarray(text.is_valid()) & ~np.asarray(yes) & ~np.asarray(no)
    return pc.if_else(text.is_valid(), yes, None), bad, "is neither yes nor no"


def _kinds(raw: pa.Array, rules: Rules) -> Cleaned:
    text = pc.utf8_lower(_null_words(raw))
    names = pa.array(list(rules.kinds))
    codes = pa.array(list(rules.kinds.values()), pa.int64())
    found = pc.index_in(text, names)
    bad = np.asarray(text.is_valid()) & is_null(found)
    return codes.take(found), bad, f"is none of {', '.join(rules.kinds)}"


def _null_words(raw: pa.Array) -> pa.Array:
    text = _texts(raw)[0]
    nothing = pc.is_in(pc.utf8_lower(text), pa.array(NULLS))
    return pc.if_else(nothing, None, text)


def _none_bad(raw: pa.Array) -> Mask:
    return np.zeros(len(raw), dtype=bool)


_CLEANERS: dict[str, Callable[[pa.Array, Rules], Cleaned]] = {
    TEXT: _texts,
    ID: _ids,
    NUMBER: _numbers,
    TIME: _times,
    FLAG: _flags,
    KIND: _kinds,
}

"""How a column is written, from a sample of its cells; where two ways fit, both.

A way of writing is taken when it reads more cells than any other, or as many to the
same values. As many to other values is a doubt, and somebody who knows must decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine.cleaning import dates, numbers, texts, times
from segmentation.engine.cleaning.formats import EPOCHS, ORDERS, SERIAL, Format, Guess
from segmentation.engine.cleaning.texts import Mask, is_true
from segmentation.engine.sentences import Sentence, gettext_noop, one_after_another

SAMPLE = 10_000  # distinct cells; more would not tell more
# Words that are nothing when all the rest of the column is something else.
_MAYBE_NOTHING = (
    *texts.DASHES,
    "?",
    "??",
    "???",
    ".",
    "..",
    "*",
    "x",
    "xx",
    "_",
    "/",
    "''",
    '""',
)
# In ids and texts, whose cells may be anything, words that people write for nothing.
_NO_ID = (
    *(*texts.DASHES, "?", "??", "#n/a", "#na", "(null)", "<null>", "[null]"),
    *("无", "無", "空", "暂无", "なし", "없음"),
)
_NO_TEXT = (*_NO_ID, "\\n", "null", "nan", "n/a")
# A number of a clock, or a spreadsheet's day, is one only if it lies in our days.
_FIRST = np.datetime64("1990-01-01", "us").astype(np.int64)
_LAST = np.datetime64("2100-01-01", "us").astype(np.int64)
_UTC = ZoneInfo("UTC")
_WORDS = {
    "dmy": gettext_noop("day first"),
    "mdy": gettext_noop("month first"),
    "ymd": gettext_noop("year first"),
    "epoch_s": gettext_noop("as seconds since 1970"),
    "epoch_ms": gettext_noop("as milliseconds since 1970"),
    "epoch_us": gettext_noop("as microseconds since 1970"),
    SERIAL: gettext_noop("as days of a spreadsheet"),
    ".": gettext_noop("with a decimal point"),
    ",": gettext_noop("with a decimal comma"),
}
TYPED = gettext_noop("The file says itself what these values are.")
EMPTY = gettext_noop("The sample has no value in this column.")
NO_NUMBER = gettext_noop("No cell of the sample could be read as a number.")
NO_TIME = gettext_noop("No cell of the sample could be read as a time.")
ONLY_YEARS = gettext_noop(
    "The column holds years alone; a time needs its day, such as 2017-01-31."
)
AS_IT_STANDS = gettext_noop("Taken as it stands.")
BUT_NOTHING = gettext_noop("Taken as it stands; %(words)s as nothing.")
AS_NOTHING = gettext_noop("%(words)s as nothing.")
SOME_REJECTED = gettext_noop(
    "%(cell)s cannot be read so; %(n)s such of %(of)s will be rejected."
)
BECAUSE = gettext_noop("Read %(how)s, because of %(cell)s: %(other)s there is no such.")
DOUBT = gettext_noop("%(cell)s can be read %(ways)s: the sample does not tell.")


@dataclass(frozen=True)
class _Reading:
    """What one way of writing makes of the sample; ``own``: cells in its very form."""

    format: Format
    values: pa.Array
    own: int

    @property
    def read(self) -> Mask:
        return np.asarray(self.values.is_valid())

    @property
    def name(self) -> Sentence:
        if words := _WORDS.get(self.format.date or self.format.decimal):
            return Sentence(words)
        if pa.types.is_timestamp(self.values.type):
            return Sentence(gettext_noop("as ISO 8601 says"))
        return Sentence(gettext_noop("as machines write numbers"))


def guess_format(cells: pa.Array | pa.ChunkedArray, role: str) -> Guess:
    """Guess from a sample of texts; what a typed column says itself is not guessed."""
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    # Times as plain numbers count from some day: which is not said.
    counted = pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)
    is_text = pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)
    is_text |= pa.types.is_dictionary(cells.type)
    if not is_text and not (counted and role == "time"):
        return Guess(Format(), Sentence(TYPED))
    distinct = pc.unique(texts.trimmed(cells)).drop_null()[:SAMPLE]
    if role in ("id", "text"):
        return _words(distinct, _NO_ID if role == "id" else _NO_TEXT)
    if role not in ("number", "time"):
        return _words(distinct, texts.DASHES if role == "flag" else ())
    text = texts.values(distinct, Format()).drop_null()
    if not len(text):
        return Guess(Format(), Sentence(EMPTY))
    if role == "number":
        return _decided(_numbers(text), text, NO_NUMBER)
    none = ONLY_YEARS if times.all_years(text) else NO_TIME
    return _decided(_times(text), text, none)


def _words(distinct: pa.Array, known: tuple[str, ...]) -> Guess:
    nothing = distinct.filter(
        pc.is_in(pc.utf8_lower(distinct), pa.array(known, pa.string()))
    )
    found = tuple(sorted({word.lower() for word in nothing.to_pylist()}))
    if not found:
        return Guess(Format(), Sentence(AS_IT_STANDS))
    reason = Sentence(BUT_NOTHING, words=_quoted(found))
    return Guess(Format(nulls=found), reason)


def _numbers(text: pa.Array) -> list[_Reading]:
    spaced = is_true(pc.match_substring_regex(texts.folded(text), r"\d \d{3}\b"))
    found = []
    for mark in ("", ".", ","):
        form = Format(decimal=mark)
        values, bad, _why = numbers.read(text, form)
        # Thousands set apart by a space go with a decimal comma, everywhere but in SI.
        own = int(spaced.sum()) if mark == "," else 0
        found.append(_Reading(form, _only(values, ~bad), own))
    return found


def _times(text: pa.Array) -> list[_Reading]:
    found = []
    for date in ("", "dmy", "mdy", "ymd", *EPOCHS, SERIAL):
        form = Format(date=date)
        values, bad, _why = times.read(text, form, _UTC)
        good = ~bad & np.asarray(values.is_valid())
        own = int(good.sum())
        if date in EPOCHS or date == SERIAL:
            micros = np.asarray(pc.fill_null(values.cast(pa.int64()), _FIRST - 1))
            good &= (micros >= _FIRST) & (micros < _LAST)
        elif date:
            own = _own(text, date)
            if date == "ymd" and not _short_year_may_lead(text):
                sure, _zoned = dates.by_patterns(texts.folded(text), dates.SURE)
                good &= sure != dates.NEVER
        found.append(_Reading(form, _only(values, good), own))
    return found


def _own(text: pa.Array, order: str) -> int:
    micros, _zoned = dates.by_patterns(texts.folded(text), dates.OWN[order])
    return int((micros != dates.NEVER).sum())


def _short_year_may_lead(text: pa.Array) -> bool:
    """Whether 24/01/31 may be 2024: years change less than days."""
    parts = pc.extract_regex(text, pattern=r"^(?P<a>\d\d)\D\d\d?\D(?P<c>\d\d)(?:\D|$)")
    first, last = (pc.unique(part.drop_null()) for part in parts.flatten())
    return len(last) > 0 and len(first) <= len(last)


def _only(values: pa.Array, good: Mask) -> pa.Array:
    return pc.if_else(pa.array(good), values, None)


def _decided(readings: list[_Reading], text: pa.Array, none: str) -> Guess:
    most = max(int(r.read.sum()) for r in readings)
    if not most:
        return Guess(Format(), Sentence(none))
    best = [r for r in readings if int(r.read.sum()) == most]
    taken = max(best, key=lambda r: r.own)  # the first of equals
    unlike: list[_Reading] = []
    for reading in best:
        if not any(reading.values.equals(r.values) for r in (taken, *unlike)):
            unlike.append(reading)
    nulls, rest = _unread(taken, text)
    formats = tuple(replace(r.format, nulls=nulls) for r in (taken, *unlike))
    if unlike:
        doubt = _doubt(taken, unlike, text)
        return Guess(formats[0], one_after_another(doubt, rest), formats)
    reason = one_after_another(_because(taken, readings, text), rest)
    return Guess(formats[0], reason)


def _unread(taken: _Reading, text: pa.Array) -> tuple[tuple[str, ...], str]:
    """Words that are nothing, if all the rest can be read; and a sentence on both."""
    unread = text.filter(pa.array(~taken.read))
    nothing = pc.is_in(pc.utf8_lower(unread), pa.array(_MAYBE_NOTHING))
    strange = unread.filter(pc.invert(nothing))
    if len(strange):
        numbers = {"n": len(strange), "of": len(text)}
        return (), Sentence(SOME_REJECTED, cell=_example(strange), **numbers)
    words = tuple(sorted(set(pc.utf8_lower(unread).to_pylist())))
    return words, Sentence(AS_NOTHING, words=_quoted(words)) if words else ""


def _because(taken: _Reading, readings: list[_Reading], text: pa.Array) -> str:
    """How it is read, by the cell that decided against the next best way."""
    rivals = [
        r
        for r in readings
        if not r.values.equals(taken.values)
        and (r.read.any() or {r.format.date, taken.format.date} <= set(ORDERS))
    ]
    if not rivals:
        return Sentence(gettext_noop("Read %(how)s."), how=taken.name)
    rival = max(rivals, key=lambda r: int(r.read.sum()))
    told = text.filter(pa.array(taken.read & ~rival.read))
    words = {"how": taken.name, "cell": _example(told), "other": rival.name}
    return Sentence(BECAUSE, **words)


def _doubt(taken: _Reading, unlike: list[_Reading], text: pa.Array) -> str:
    """The cell that can be read in two ways, and which these are."""
    differs = is_true(pc.not_equal(taken.values, unlike[0].values))
    differs |= taken.read != unlike[0].read
    cell = _example(text.filter(pa.array(differs)))
    ways = taken.name
    for other in unlike:
        ways = Sentence(
            gettext_noop("%(one)s or %(other)s"), one=ways, other=other.name
        )
    return Sentence(DOUBT, cell=cell, ways=ways)


def _example(cells: pa.Array) -> str:
    return f"“{cells[0].as_py()}”"


def _quoted(words: tuple[str, ...]) -> str:
    return ", ".join(f"“{word}”" for word in words)

"""Texts and ids, and the words that mean “nothing here”."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segmentation.engine import cells
from segmentation.engine.cleaning.formats import Format
from segmentation.engine.sentences import Sentence, gettext_noop

# Nothing, in an id as anywhere else. What is added here changes keys of stored events.
NULLS = ("", "nan", "null", "none", "na", "n/a", "nat", "\\n")
# Nothing where a number, time, flag or kind is due. In an id these may be a code; there
# they count only where the format of the column names them.
NO_VALUES = (
    *NULLS,
    *("#n/a", "#na", "#value!", "#ref!", "#div/0!", "(null)", "<null>", "[null]"),
    *("n.a.", "k.a.", "无", "無", "空", "暂无", "なし", "없음"),
)
# What people put into an empty cell. Machines do not: from them it is a mistake.
DASHES = ("-", "--", "---", "–", "—")
ID_LENGTH = 120

Mask = NDArray[np.bool_]
Cleaned = tuple[pa.Array, Mask, str]


def is_null(column: pa.Array) -> Mask:
    """Which values are missing."""
    return np.asarray(column.is_null())


def is_true(column: pa.Array) -> Mask:
    """Which values are true; a missing one is not."""
    return np.asarray(pc.fill_null(column, False))


def longer(text: pa.Array, most: int) -> Mask:
    """Which texts have more than so many characters."""
    return is_true(pc.greater(pc.utf8_length(text), most))


def as_text(column: pa.Array | pa.ChunkedArray) -> list[str | None]:
    """Cells as a person should see them again, whatever their type."""
    try:
        texts: list[str | None] = column.cast(pa.string()).to_pylist()
    except pa.ArrowException:  # bytes, lists and structures of a Parquet file
        return [None if v is None else str(v) for v in column.to_pylist()]
    return texts


def clean_ids(texts: pa.Array) -> pa.Array:
    """Ids as a file's are cleaned: trimmed, 17850 for 17850.0, null for “nan”."""
    return read_ids(texts, Format())[0]


def read_texts(raw: pa.Array, form: Format) -> Cleaned:
    """Trimmed; null where blank or named a null by the format. Bad: a NUL in it."""
    text = _without(trimmed(raw), form.nulls)
    nul = is_true(pc.match_substring(text, "\x00"))
    return text, nul, Sentence(gettext_noop("holds a NUL character"))


def read_ids(raw: pa.Array, form: Format) -> Cleaned:
    """Ids are text. A spreadsheet's 17850.0 is 17850; a blank or “nan” is no id."""
    if pa.types.is_floating(raw.type):
        raw = pc.if_else(pc.is_nan(raw), None, raw)
    text = trimmed(raw)
    nul = is_true(pc.match_substring(text, "\x00"))
    if is_true(pc.ends_with(text, ".0")).any():
        text = pc.replace_substring_regex(text, r"^(\d+)\.0$", r"\1")
    text = _without(text, (*NULLS, *form.nulls))
    bad = longer(text, ID_LENGTH) | nul
    why = gettext_noop("is longer than %(most)s characters or holds a NUL")
    return text, bad, Sentence(why, most=ID_LENGTH)


def notices(raw: pa.Array, role: str) -> dict[str, int]:
    """What an operator should hear of a column of ids that is not wrong: name → rows.

    ``decimal_ids``: a spreadsheet's 17850.0, taken as 17850. ``short_ids``: 1.2346E+12,
    a long number that a spreadsheet cut; several ids may have become one.
    """
    if role != "id" or pa.types.is_floating(raw.type):
        return {}
    text = trimmed(raw)
    found = {}
    decimal = is_true(pc.ends_with(text, ".0"))
    if decimal.any():
        found["decimal_ids"] = is_true(pc.match_substring_regex(text, r"^\d+\.0$"))
    short = is_true(pc.match_substring(text, "E+"))
    if short.any():
        pattern = r"^\d[.,]\d+E\+\d\d$"
        found["short_ids"] = is_true(pc.match_substring_regex(text, pattern))
    return {name: int(rows.sum()) for name, rows in found.items() if rows.any()}


def trimmed(raw: pa.Array) -> pa.Array:
    """As text, without space around it; null where nothing is left."""
    if pa.types.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    text = pc.utf8_trim_whitespace(cells.plain(raw.cast(pa.string())))
    return pc.if_else(pc.equal(text, ""), None, text)


def values(raw: pa.Array, form: Format) -> pa.Array:
    """Trimmed texts, null where a word says that there is no value."""
    by_people = DASHES if form.decimal or form.date else ()
    return _without(trimmed(raw), (*NO_VALUES, *by_people, *form.nulls))


def folded(text: pa.Array) -> pa.Array:
    """Full-width and hard-space characters as plain ones (Unicode NFKC)."""
    if pc.all(pc.string_is_ascii(text)).as_py() is not False:
        return text
    text = pc.utf8_normalize(text, "NFKC")
    text = pc.replace_substring_regex(text, "[\u2212\u2013\u2010\u2011]", "-")
    return pc.replace_substring_regex(text, "[\u2019\u02bc\u00b4`]", "'")


def none_bad(raw: pa.Array) -> Mask:
    """No row is bad."""
    return np.zeros(len(raw), dtype=bool)


def _without(text: pa.Array, words: tuple[Any, ...]) -> pa.Array:
    if not words:
        return text
    known = pa.array(sorted({word.lower() for word in words}))
    return pc.if_else(pc.is_in(pc.utf8_lower(text), known), None, text)

"""Cells to typed values by role: ids, texts, numbers, instants, flags, kinds, objects.

Each cleaner answers the values (null where there is none), which rows are bad, and why.
`Format` says how the cells of a column are written; `guess_format` finds it.
"""

from __future__ import annotations

from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine.cleaning import numbers, objects, texts, times
from segmentation.engine.cleaning.formats import Format, FormatError, Guess
from segmentation.engine.cleaning.guessing import guess_format
from segmentation.engine.cleaning.texts import (
    ID_LENGTH,
    NULLS,
    Cleaned,
    Mask,
    as_text,
    clean_ids,
    is_null,
    is_true,
    longer,
    none_bad,
    notices,
)
from segmentation.engine.cleaning.times import EARLIEST, LATEST
from segmentation.engine.sentences import Sentence, gettext_noop

__all__ = [
    "EARLIEST",
    "FLAG",
    "ID",
    "ID_LENGTH",
    "KIND",
    "LATEST",
    "NULLS",
    "NUMBER",
    "OBJECT",
    "TEXT",
    "TIME",
    "Cleaned",
    "Format",
    "FormatError",
    "Guess",
    "Mask",
    "Rules",
    "as_text",
    "clean",
    "clean_ids",
    "guess_format",
    "is_null",
    "is_true",
    "longer",
    "notices",
    "type_of",
]

TEXT, ID, NUMBER, TIME, FLAG, KIND = "text", "id", "number", "time", "flag", "kind"
OBJECT = "object"
_PLAIN = Format()
_YES = (
    *("1", "true", "t", "yes", "y", "on", "in stock", "instock", "in_stock", "active"),
    *("published", "enabled", "available", "preorder", "backorder"),
    *("ja", "wahr", "oui", "vrai", "sí", "si", "verdadero", "はい", "有", "是", "有货"),
)
_NO = (
    *(
        "0",
        "false",
        "f",
        "no",
        "n",
        "off",
        "out of stock",
        "outofstock",
        "out_of_stock",
    ),
    *("inactive", "draft", "archived", "unpublished", "disabled", "unavailable"),
    *("nein", "falsch", "non", "faux", "falso", "いいえ", "否", "无货", "缺货", "缺貨"),
)


class Rules(Protocol):
    """What a cleaner must know beside the cells."""

    time_zone: ZoneInfo
    kinds: dict[str, int]


def clean(raw: pa.Array, role: str, rules: Rules, format: Format = _PLAIN) -> Cleaned:
    """Clean a column; pa.ArrowException where its type cannot have the role."""
    if role == NUMBER:
        return numbers.read(raw, format)
    if role == TIME:
        return times.read(raw, format, rules.time_zone)
    if role == FLAG:
        return _flags(raw, format)
    if role == KIND:
        return _kinds(raw, format, rules.kinds)
    if role == OBJECT:
        return objects.read(raw, format)
    return texts.read_ids(raw, format) if role == ID else texts.read_texts(raw, format)


def type_of(role: str) -> pa.DataType:
    """The Arrow type of a role."""
    return {
        NUMBER: pa.float64(),
        TIME: times.INSTANT,
        FLAG: pa.bool_(),
        KIND: pa.int64(),
    }.get(role, pa.string())


def _flags(raw: pa.Array, form: Format) -> Cleaned:
    if pa.types.is_boolean(raw.type):
        return raw, none_bad(raw), ""
    text = pc.utf8_lower(texts.values(raw, form))
    yes = pc.is_in(text, pa.array(_YES))
    no = pc.is_in(text, pa.array(_NO))
    bad = np.asarray(text.is_valid()) & ~np.asarray(yes) & ~np.asarray(no)
    why = Sentence(gettext_noop("is neither yes nor no"))
    return pc.if_else(text.is_valid(), yes, None), bad, why


def _kinds(raw: pa.Array, form: Format, kinds: dict[str, int]) -> Cleaned:
    text = pc.utf8_lower(texts.trimmed(raw))
    codes = pa.array(list(kinds.values()), pa.int64())
    found = pc.index_in(text, pa.array(list(kinds)))
    unknown = texts.values(raw, form).is_valid()
    bad = np.asarray(unknown) & is_null(found)
    why = Sentence(gettext_noop("is none of %(known)s"), known=", ".join(kinds))
    return codes.take(found), bad, why

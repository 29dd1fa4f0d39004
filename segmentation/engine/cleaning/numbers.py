"""Numbers as people write them: 1.234,56 · $1,234.56 · (12.00) · 12 % · 1 234,5 kr.

What a sign of currency says of the amount is for `currencies`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segmentation.engine.cleaning import texts
from segmentation.engine.cleaning.currencies import CURRENCY
from segmentation.engine.cleaning.formats import Format
from segmentation.engine.cleaning.texts import Cleaned, is_true

# What stands before or after the amount; a bracket or a sign may be outside of it.
_BEFORE = rf"^(?i)([(+-]? ?){CURRENCY} ?"
_AFTER = rf"(?i) ?{CURRENCY}( ?[)-]?)$"
# Thousands stand in threes with one mark throughout; India's in twos before the last.
_GROUPS = {
    ".": r"[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d\d)+,\d{3}",
    ",": r"[1-9]\d{0,2}(?:\.\d{3})+",
}
_EITHER = r"[1-9]\d{0,2}(?: \d{3})+|[1-9]\d{0,2}(?:'\d{3})+"
_SIGNED = (
    r"^(?P<open>\()? ?(?P<sign>[+-])? ?(?P<amount>[\d.,' ]*\d[.,]?(?:[eE][+-]?\d+)?)"
    r" ?(?P<percent>%)? ?(?P<last>-)? ?(?P<close>\))?$"
)


def read(raw: pa.Array, form: Format) -> Cleaned:
    """Numbers as float64; ‘12 %’ is 0.12 where the format has a decimal mark."""
    if pa.types.is_integer(raw.type) or pa.types.is_floating(raw.type):
        number = raw.cast(pa.float64(), safe=False)
        number = pc.if_else(pc.is_nan(number), None, number)
        return number, is_true(pc.is_inf(number)), form.is_not(Format().number())
    text = texts.values(raw, form)
    if form.decimal == ",":
        number = _written(text, ",")
    else:
        number = plain(text)
        unread = np.asarray(text.is_valid()) & np.isnan(number)
        if form.decimal and unread.any():
            rows = np.flatnonzero(unread)
            number[rows] = _written(text.take(pa.array(rows)), ".")
    bad = np.asarray(text.is_valid()) & ~np.isfinite(number)
    why = form.is_not(form.number())
    return pa.array(number, from_pandas=True), bad, why


def plain(text: pa.Array) -> NDArray[np.float64]:
    """Numbers as machines write them, NaN for what is none."""
    number = pd.to_numeric(text.to_pandas(), errors="coerce")
    return number.to_numpy(np.float64, copy=True)


def _written(text: pa.Array, decimal: str) -> NDArray[np.float64]:
    """Numbers with thousands, currency, brackets, percent; NaN for what is none."""
    text = texts.folded(text)
    number = _grouped(text, decimal)
    rest = np.flatnonzero(np.isnan(number) & np.asarray(text.is_valid()))
    if len(rest):
        amount = text.take(pa.array(rest))
        amount = pc.replace_substring_regex(amount, _BEFORE, r"\1")
        amount = pc.replace_substring_regex(amount, _AFTER, r"\1")
        number[rest] = _signed(amount, decimal)
    return number


def _grouped(text: pa.Array, decimal: str) -> NDArray[np.float64]:
    """Digits with marks, and at most a sign in front."""
    digits = rf"(?:{_GROUPS[decimal]}|{_EITHER}|\d+)(?:[{decimal}]\d*)?|[{decimal}]\d+"
    pattern = rf"^[+-]?(?:{digits})(?:[eE][+-]?\d{{1,3}})?$"
    text = pc.if_else(pc.match_substring_regex(text, pattern), text, None)
    for mark in (" ", "'", "," if decimal == "." else "."):
        text = pc.replace_substring(text, mark, "")
    return plain(text if decimal == "." else pc.replace_substring(text, ",", "."))


def _signed(text: pa.Array, decimal: str) -> NDArray[np.float64]:
    """Of ‘(12.00)’, ‘12-’, ‘- 12’ and ‘12 %’; one sign of minus at most."""
    found = pc.extract_regex(text, pattern=_SIGNED)
    open_, sign, amount, percent, last, close = found.flatten()
    opened, closed, signed, minus = (
        is_true(pc.greater(pc.binary_length(part), 0))
        for part in (open_, close, sign, last)
    )
    number = _grouped(amount, decimal)
    wrong = (opened != closed) | (opened.astype(int) + signed + minus > 1)
    number = np.where(opened | minus | is_true(pc.equal(sign, "-")), -number, number)
    is_percent = is_true(pc.equal(percent, "%"))
    return np.where(wrong, np.nan, np.where(is_percent, number / 100, number))

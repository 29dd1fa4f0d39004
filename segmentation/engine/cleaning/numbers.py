"""Numbers as people write them: 1.234,56 · $1,234.56 · (12.00) · 12 % · 1 234,5 kr.

Signs of currencies: Unicode's category Sc and the symbols of CLDR; codes: ISO 4217.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segmentation.engine.cleaning import texts
from segmentation.engine.cleaning.formats import Format
from segmentation.engine.cleaning.texts import Cleaned, is_true

_CODES = (
    "AED ARS AUD BDT BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HRK HUF IDR "
    "ILS INR JPY KES KRW KZT LKR MAD MXN MYR NGN NOK NZD PEN PHP PKR PLN RMB RON RSD "
    "RUB SAR SEK SGD THB TRY TWD UAH USD UYU VND ZAR"
)
_NAMES = r"kr\.?|zł|Kč|Ft|lei|лв\.?|руб\.?|грн\.?|Fr\.?|Rs\.?|RM|Rp\.?|TL|元|円|원|圆"
_CURRENCY = rf"(?:[A-Za-z]{{0,3}}\p{{Sc}}|{_CODES.replace(' ', '|')}|{_NAMES})"
# Thousands stand in threes with one mark throughout; India's in twos before the last.
_GROUPS = {
    ".": r"[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3}",
    ",": r"[1-9]\d{0,2}(?:\.\d{3})+",
}
_EITHER = r"[1-9]\d{0,2}(?: \d{3})+|[1-9]\d{0,2}(?:'\d{3})+"


def read(raw: pa.Array, form: Format) -> Cleaned:
    """Numbers as float64; ‘12 %’ is 0.12 where the format has a decimal mark."""
    if pa.types.is_integer(raw.type) or pa.types.is_floating(raw.type):
        number = raw.cast(pa.float64(), safe=False)
        number = pc.if_else(pc.is_nan(number), None, number)
        return number, is_true(pc.is_inf(number)), "is not a number"
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
    why = f"is not {form.number()}"
    return pa.array(number, from_pandas=True), bad, why


def plain(text: pa.Array) -> NDArray[np.float64]:
    """Numbers as machines write them, NaN for what is none."""
    number = pd.to_numeric(text.to_pandas(), errors="coerce")
    return number.to_numpy(np.float64, copy=True)


def _written(text: pa.Array, decimal: str) -> NDArray[np.float64]:
    """Numbers with thousands, currency, brackets, percent; NaN for what is none."""
    found = pc.extract_regex(texts.folded(text), pattern=_pattern(decimal))
    group = {field.name: found.field(i) for i, field in enumerate(found.type)}
    whole = pc.replace_substring_regex(group["whole"], r"\D", "")
    empty = is_true(pc.equal(pc.binary_length(whole), 0))
    digits = pc.binary_join_element_wise(
        pc.if_else(pa.array(empty), "0", whole), ".", group["part"], group["power"], ""
    )
    number = plain(digits)
    has = {
        name: is_true(pc.greater(pc.binary_length(group[name]), 0)) for name in group
    }
    minus = [
        is_true(pc.equal(group[name], "-")) for name in ("first", "second", "last")
    ]
    signs = sum(has[n].astype(int) for n in ("open", "first", "second", "last"))
    wrong = (has["open"] != has["close"]) | (np.asarray(signs) > 1)
    wrong |= empty & ~has["part"]
    number = np.where(np.logical_or.reduce(minus) | has["open"], -number, number)
    number = np.where(has["percent"], number / 100, number)
    valid = np.asarray(found.is_valid())
    return np.where(valid & ~wrong, number, np.nan)


def _pattern(decimal: str) -> str:
    mark = r"\." if decimal == "." else ","
    return (
        rf"^(?i)(?:{_CURRENCY} ?)?(?P<open>\()? ?(?P<first>[+-])? ?(?:{_CURRENCY} ?)?"
        rf"(?P<second>[+-])?(?P<whole>{_GROUPS[decimal]}|{_EITHER}|\d*)"
        rf"(?:{mark}(?P<part>\d*))?(?P<power>e[+-]?\d{{1,3}})? ?(?P<percent>%)?"
        rf"(?: ?{_CURRENCY})? ?(?P<last>-)? ?(?P<close>\))?(?: ?{_CURRENCY})?$"
    )

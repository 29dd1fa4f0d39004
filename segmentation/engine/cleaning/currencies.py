"""Which currency the sign in a cell speaks of: “€ 5” is not an amount of dollars.

Signs: the symbols of CLDR; codes: ISO 4217. A sign that several currencies have, such
as $ or kr, contradicts none of them; one that is not known contradicts nothing.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine.cleaning.texts import Mask, is_true

CODES = (
    "AED ARS AUD BDT BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HRK HUF IDR "
    "ILS INR JPY KES KRW KZT LKR MAD MXN MYR NGN NOK NZD PEN PHP PKR PLN RMB RON RSD "
    "RUB SAR SEK SGD THB TRY TWD UAH USD UYU VND ZAR"
)
_NAMES = r"kr\.?|zł|Kč|Ft|lei|лв\.?|руб\.?|грн\.?|Fr\.?|Rs\.?|RM|Rp\.?|TL|元|円|원|圆"
CURRENCY = rf"(?:[A-Za-z]{{0,3}}\p{{Sc}}|{CODES.replace(' ', '|')}|{_NAMES})"

_DOLLARS = "USD CAD AUD NZD HKD SGD TWD MXN ARS CLP COP UYU"
_OF_SIGN = {
    **{"$": _DOLLARS, "us$": "USD", "r$": "BRL", "c$": "CAD", "ca$": "CAD"},
    **{"a$": "AUD", "au$": "AUD", "hk$": "HKD", "nt$": "TWD", "nz$": "NZD"},
    **{"s$": "SGD", "mx$": "MXN", "€": "EUR", "£": "GBP EGP", "e£": "EGP"},
    **{"¥": "JPY CNY", "￥": "JPY CNY", "cn¥": "CNY", "jp¥": "JPY", "₹": "INR"},
    **{"₽": "RUB", "₩": "KRW", "₺": "TRY", "₫": "VND", "₪": "ILS", "₴": "UAH"},
    **{"₱": "PHP", "฿": "THB", "₸": "KZT", "₦": "NGN", "kr": "SEK NOK DKK ISK"},
    **{"zł": "PLN", "kč": "CZK", "ft": "HUF", "lei": "RON MDL", "лв": "BGN"},
    **{"руб": "RUB BYN", "грн": "UAH", "fr": "CHF", "rs": "INR PKR LKR NPR"},
    **{"rm": "MYR", "rp": "IDR", "tl": "TRY", "元": "CNY TWD HKD", "圆": "CNY"},
    **{"円": "JPY", "원": "KRW", "rmb": "CNY"},
}
_MARK = rf"(?i)(?P<mark>{CURRENCY})"


def foreign(raw: pa.Array, currency: pa.Array) -> Mask:
    """Where a cell's own sign says another currency than the row's (ISO codes)."""
    if not (pa.types.is_string(raw.type) or pa.types.is_large_string(raw.type)):
        return np.zeros(len(raw), bool)
    rows = np.flatnonzero(is_true(pc.match_substring_regex(raw, _MARK)))
    wrong = np.zeros(len(raw), bool)
    if len(rows):
        at = pa.array(rows)
        marks = pc.extract_regex(raw.take(at), pattern=_MARK).field("mark")
        pairs = pa.table({"mark": marks, "currency": currency.take(at)})
        distinct = pairs.group_by(["mark", "currency"]).aggregate([]).to_pylist()
        for pair in distinct:
            if _contradicts(pair["mark"], pair["currency"]):
                same = pc.and_(
                    pc.equal(pairs["mark"], pair["mark"]),
                    pc.equal(pairs["currency"], pair["currency"]),
                )
                wrong[rows[is_true(same)]] = True
    return wrong


def _contradicts(mark: str, currency: str | None) -> bool:
    name = re.sub(r"\.$", "", mark.lower())
    meant = _OF_SIGN.get(name)
    if meant is None and name.upper() in CODES.split():
        meant = name.upper()
    return bool(currency) and meant is not None and currency not in meant.split()

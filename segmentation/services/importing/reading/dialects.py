"""Delimiter, quotes and header of a delimited text, from its first lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from segmentation.engine.mapping.aliases import ALIASES
from segmentation.engine.mapping.names import normal
from segmentation.services.importing.reading.layout import (
    NO_ROWS,
    TWO_COLONS,
    Unreadable,
    placed,
    shown,
    unblank,
)

DELIMITERS = (",", ";", "\t", "|", "^", "~", TWO_COLONS)
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
NOTHING = "\x1f"  # parts a text that has one column: nobody writes it
SAMPLE_LINES = 200
VALUE = re.compile(
    r"""[-+(]?[^\w\s]?\s?[\d.,' ]*\d[\d.,' ]*\s?[%)\w]{0,3}  # numbers, with a sign
    | \d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}.*                   # dates
    | \S+@\S+\.\S+ | https?://\S+ | [0-9a-f]{8,}-?[0-9a-f-]*  # addresses, keys
    | true|false|yes|no|null|none|nan|n/a""",
    re.VERBOSE | re.IGNORECASE,
)
# What columns are called in tables of shops, in English and Chinese and Japanese.
NAMES = re.compile(
    r"id|ids|sku|name|title|date|time|timestamp|at|price|amount|total|"
    r"subtotal|qty|quantity|customer|client|user|visitor|product|item|order|"
    r"invoice|category|brand|type|kind|status|email|phone|address|city|"
    r"country|currency|value|code|no|number|description|created|updated|"
    r"handle|vendor|tags|url|image|session|event|row|rating|locale|timezone|"
    r"column|header|field|key|text|variant|stock|available|consent|source|"
    r"score|weight|label|group|segment"
)
EASTERN_NAMES = re.compile(
    "编号|名称|姓名|时间|日期|价格|金额|数量|客户|用户|商品|订单|类别|分类|品牌|状态|邮箱|电话|手机|标题|"
    "編號|名稱|時間|價格|數量|客戶|用戶|訂單|類別|狀態|電話|顧客|標題|日付|価格|注文|番号|名前|氏名|数"
)
COLUMN_NAMES = frozenset(
    name for fields in ALIASES.values() for names in fields.values() for name in names
)
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True)
class Dialect:
    """How the cells of a delimited text are parted, and the doubts about it."""

    delimiter: str
    quote: str
    escape: str
    has_header: bool
    reasons: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, list[str]] = field(default_factory=dict)


def dialect_of(
    text: str, is_whole: bool, chosen: dict[str, Any], names: Collection[str] = ()
) -> Dialect:
    """Judge by the first lines; ``is_whole`` when no more text follows.

    What was chosen holds. ``names`` are columns that a mapping asks for: where the
    first line has them all it is the header.
    """
    reasons: dict[str, str] = {}
    doubts: dict[str, list[str]] = {}
    if found := SEPARATOR_LINE.match(text):
        chosen = {"delimiter": found[1]} | chosen
        text = text[found.end() :]
        reasons["delimiter"] = _("The first line says so.")
    refuse_blank_start(text)
    quote = chosen.get("quote", '"')
    escape, backslash_doubt = _escape(text, quote, chosen)
    ranked = [chosen["delimiter"]] if "delimiter" in chosen else []
    ranked = ranked or _rank(text, quote, escape)
    delimiter = ranked[0]
    rows = list(sample_rows(text, delimiter, quote, escape, is_whole))
    if "delimiter" not in chosen:
        reasons["delimiter"] = _why_delimiter(rows, delimiter)
        if len(ranked) > 1:
            doubts["delimiter"] = ranked
    if escape and "escape" not in chosen:
        reasons["escape"] = _("Quotes inside cells are written with a backslash.")
    if backslash_doubt:
        reasons["escape"] = _("A backslash may be a sign of its own or mark the next.")
        doubts["escape"] = [escape, "" if escape else "\\"]
    has_header = chosen.get("has_header", True)
    if "has_header" not in chosen:
        has_header, reasons["has_header"], certain = header_of(rows, names)
        if not certain:
            doubts["has_header"] = ["true", "false"]
    if has_header and is_whole and len(rows) == 1:
        raise Unreadable(NO_ROWS)
    return Dialect(delimiter, quote, escape, has_header, reasons, doubts)


def sample_rows(
    text: str, delimiter: str, quote: str, escape: str, is_whole: bool
) -> Iterator[list[str]]:
    """The first rows; the last one of a cut text is not whole and left out."""
    if not is_whole:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    held: list[str] | None = None
    for n, row in enumerate(parsed(text, delimiter, quote, escape)):
        if n > SAMPLE_LINES:
            return
        if held:
            yield held
        held = row
    if held and is_whole or held and not is_whole and len(held) > 1:
        yield held


def parsed(text: str, delimiter: str, quote: str, escape: str) -> Iterator[list[str]]:
    """Rows of cells; blank lines are left out."""
    if delimiter == TWO_COLONS:
        text = text.replace(TWO_COLONS, NOTHING)
        delimiter = ""
    options: dict[str, Any] = {"delimiter": delimiter or NOTHING}
    if quote:
        options["quotechar"] = quote
    else:
        options["quoting"] = csv.QUOTE_NONE
    if escape:
        options["escapechar"] = escape
    rows = csv.reader(io.StringIO(text, newline=""), **options)
    try:
        yield from filter(None, rows)
    except csv.Error:  # a cell beyond the module's limit: what came before will do
        return


def header_row(text: str, delimiter: str, quote: str, escape: str) -> list[str]:
    """The first row; Unreadable where there is none."""
    refuse_blank_start(text)
    return next(parsed(text, delimiter, quote, escape), [])


def refuse_blank_start(text: str) -> None:
    if not text.split("\n", 1)[0].strip():
        raise Unreadable(_("The first line is blank; it must hold the column names."))


def headers_of(row: list[str], has_header: bool) -> list[str]:
    if has_header:
        return unblank(row)
    return [placed(number) for number in range(1, len(row) + 1)]


def _escape(text: str, quote: str, chosen: dict[str, Any]) -> tuple[str, bool]:
    r"""What marks a quote inside a cell ("" for a second quote), and any doubt of it.

    Where both ``\"`` and ``""`` occur either may be meant; where every backslash has a
    twin it may be one that marks itself.
    """
    if "escape" in chosen or not quote or quote not in text or "\\" not in text:
        return chosen.get("escape", ""), False
    q, ends = re.escape(quote), r",;\t|^~\r\n"
    backslashed = len(re.findall(rf"\\{q}(?![{ends}]|$)", text))
    doubled = len(re.findall(rf"[^{ends}{q}\\]{q}{q}|(?<!\\){q}{q}[^{ends}{q}]", text))
    if backslashed and not doubled:
        return "\\", False
    if backslashed:
        return "\\" if backslashed > doubled else "", True
    runs = re.findall(r"\\+", text)
    return "", all(len(run) % 2 == 0 for run in runs)


def _rank(text: str, quote: str, escape: str) -> list[str]:
    """The delimiter, and behind it those that fit as well as it does."""
    fits = {each: _fit(text, each, quote, escape) for each in DELIMITERS}
    best = max(fits, key=fits.__getitem__)
    share, _width = fits[best]
    if not share:
        return _one_column(text, quote, escape)
    close = [each for each in DELIMITERS if fits[each][0] >= share - 0.02]
    close.sort(key=lambda each: fits[each], reverse=True)
    return [best, *[each for each in close if each != best]]


def _one_column(text: str, quote: str, escape: str) -> list[str]:
    """No delimiter, and those that part every line but the first: it may be a title."""
    others = []
    for each in DELIMITERS:
        rows = list(sample_rows(text, each, quote, escape, True))[1:]
        widths = {len(row) for row in rows}
        if len(widths) == 1 and widths != {1}:
            others.append(each)
    return ["", *others]


def _fit(text: str, delimiter: str, quote: str, escape: str) -> tuple[float, int]:
    """The share of rows as wide as the first, and its width; 0 for one column."""
    first_line = text.split("\n", 1)[0]
    if delimiter not in first_line:
        return 0.0, 1
    rows = list(sample_rows(text, delimiter, quote, escape, True))
    width = len(rows[0]) if rows else 1
    if width < 2:
        return 0.0, 1
    share = sum(len(row) == width for row in rows) / len(rows)
    return round(share, 3), width


def _why_delimiter(rows: list[list[str]], delimiter: str) -> str:
    width = len(rows[0]) if rows else 1
    if width < 2:
        return _("No line holds a delimiter: there is one column.")
    same = sum(len(row) == width for row in rows)
    return _(
        "Parted by %(what)s, %(same)d of the first %(n)d lines have %(width)d cells."
    ) % {"same": same, "n": len(rows), "width": width, "what": shown(delimiter)}


def header_of(
    rows: list[list[str]], names: Collection[str] = ()
) -> tuple[bool, str, bool]:
    """Whether the first row holds names, why, and whether that is certain."""
    first, body = (rows[0], rows[1:]) if rows else ([], [])
    cells = [cell.strip() for cell in first]
    if names and set(names) <= set(cells):
        return (
            True,
            _("The first line holds the columns that the mapping asks for."),
            True,
        )
    if not body:
        return True, _("There is only one line."), True
    values = [cell for cell in cells if VALUE.fullmatch(cell)]
    if values:
        reason = _("The first line holds a value (%(value)s), not only names.")
        return False, reason % {"value": values[0][:40]}, not _known(cells)
    if _known(cells):
        return True, _("The first line holds usual names of columns."), True
    for n, name in enumerate(cells):
        below = [row[n].strip() for row in body if len(row) > n and row[n].strip()]
        if (
            below
            and sum(bool(VALUE.fullmatch(cell)) for cell in below) > len(below) / 2
        ):
            reason = _("Below “%(name)s” there are numbers or dates.")
            return True, reason % {"name": name[:40]}, True
    if len(set(filter(None, cells))) < len(cells):
        return True, _("The first line is like the others."), False
    return True, _("Every line holds words, so the first may be names or not."), False


def _known(cells: list[str]) -> bool:
    """Whether at least every fifth cell is what tables of shops call a column."""
    n = sum(map(_is_name, cells))
    return n > 0 and n * 5 >= len(cells)


def _is_name(cell: str) -> bool:
    if len(cell) > 40:
        return False
    if normal(cell) in COLUMN_NAMES:
        return True
    words = [word.lower() for word in WORD.findall(cell)]
    if any(map(NAMES.fullmatch, words)):
        return len(words) <= 4
    return len(cell) <= 8 and bool(EASTERN_NAMES.search(cell))

"""Cells of a spreadsheet: a stranger's text must not run as a formula in it.

A leading apostrophe says “this is text” to a spreadsheet (OWASP, CSV injection); what
is read back from such a file loses it again.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def harmless(cell: Any) -> Any:
    """The cell with an apostrophe before what a spreadsheet would run."""
    if not isinstance(cell, str) or not cell.startswith(FORMULA_STARTS):
        return cell
    return cell if _NUMBER.fullmatch(cell) else f"'{cell}"


def harmless_texts(texts: pa.Array) -> pa.Array:
    """`harmless` for a whole column of texts."""
    runs = pc.match_substring_regex(texts, r"^[=+\-@\t\r]")
    if not pc.any(runs).as_py():
        return texts
    is_number = pc.match_substring_regex(texts, f"^(?:{_NUMBER.pattern})$")
    marked = pc.binary_join_element_wise("'", texts, "")
    return pc.if_else(pc.and_not(runs, is_number), marked, texts)


def plain_text(text: str) -> str:
    """`plain` for one cell, such as the name of a column."""
    return text[1:] if text.startswith(tuple(f"'{s}" for s in FORMULA_STARTS)) else text


def plain(texts: pa.Array) -> pa.Array:
    """Texts without the apostrophe that `harmless` puts before them."""
    if not pc.any(pc.starts_with(texts, "'")).as_py():
        return texts
    return pc.replace_substring_regex(texts, r"^'([=+\-@\t\r])", r"\1")

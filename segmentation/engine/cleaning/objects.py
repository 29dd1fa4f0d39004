"""Objects of JSON: named values in one cell, as our own exports write attributes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa

from segmentation.engine.cleaning import texts
from segmentation.engine.cleaning.formats import Format
from segmentation.engine.cleaning.texts import Cleaned
from segmentation.engine.sentences import Sentence, gettext_noop

_DEEPEST = 100  # objects in objects; SQLite takes 1000, Python's parser fewer
_NO_OBJECT = gettext_noop('is no object of JSON such as {"colour": "red"}')


def read(raw: pa.Array, form: Format) -> Cleaned:
    """The texts as they stand. Bad: what is no object, or none that databases keep.

    Arrow parses JSON of one shape only, so here each cell is parsed by itself.
    """
    text = texts.values(raw, form)
    bad = [cell is not None and not _is_object(cell) for cell in text.to_pylist()]
    return text, np.array(bad, dtype=bool), Sentence(_NO_OBJECT)


def _is_object(text: str) -> bool:
    try:
        found = json.loads(text, parse_constant=_refused, parse_float=_finite)
        if "\\u" in text:  # half a character, or a NUL: no text for a database
            json.dumps(found, ensure_ascii=False).encode()
        is_shallow = _depth(found) <= _DEEPEST
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and is_shallow and "\\u0000" not in text


def _refused(word: str) -> None:
    raise ValueError(word)  # NaN and Infinity are Python's, not JSON's


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return value


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0

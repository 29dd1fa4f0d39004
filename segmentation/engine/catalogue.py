"""What is known of items: words, labels and numbers, one place for each item row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.engine import columns

if TYPE_CHECKING:
    from segmentation.engine.interactions import IdMap

TEXTS = ("title", "description")
LABELS = ("category", "brand")
NUMBERS = ("price",)
ATTRIBUTES = "attributes"


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Texts and labels of each item, and its numbers by name (NaN: not known)."""

    texts: list[str]
    labels: list[list[str]]  # "category=Shoes"; a label holds for a whole item
    numbers: dict[str, NDArray[np.float64]]

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, items: IdMap) -> Catalogue:
        """Read `item_id`, title, description, category, brand, price and attributes.

        `attributes` are dictionaries: numbers stay numbers, other values are labels, a
        list is several. Columns may be absent and cells empty; unknown items are left
        out, items without a row know nothing, of several rows the last one holds.
        """
        rows = items.rows(frame[columns.ITEM])
        frame = frame if len(frame) else frame.reindex(range(1))  # something to take
        place = np.full(len(items), -1)
        known = np.flatnonzero(rows >= 0)
        place[rows[known]] = known
        found = frame.take(np.maximum(place, 0))
        blank = place < 0
        texts = [
            " ".join(parts)
            for parts in zip(
                *(_words(found, name, blank) for name in TEXTS), strict=True
            )
        ]
        labels: list[list[str]] = [[] for _ in range(len(items))]
        for name in LABELS:
            for own, value in zip(labels, _words(found, name, blank), strict=True):
                own += [f"{name}={value}"] if value else []
        numbers = {
            name: np.where(blank, np.nan, pd.to_numeric(found[name], errors="coerce"))
            for name in NUMBERS
            if name in found
        }
        if ATTRIBUTES in found:
            kept = [
                None if no else own
                for own, no in zip(found[ATTRIBUTES], blank, strict=True)
            ]
            _read_attributes(kept, labels, numbers)
        return cls(texts, labels, numbers)

    def __len__(self) -> int:
        return len(self.texts)


def _words(frame: pd.DataFrame, name: str, blank: NDArray[np.bool_]) -> list[str]:
    if name not in frame:
        return [""] * len(blank)
    values = frame[name].astype(object).where(frame[name].notna(), "")
    pairs = zip(values, blank, strict=True)
    return ["" if no else str(value).strip() for value, no in pairs]


def _read_attributes(
    attributes: Iterable[Any],
    labels: list[list[str]],
    numbers: dict[str, NDArray[np.float64]],
) -> None:
    for row, own in enumerate(attributes):
        for name, value in (own if isinstance(own, dict) else {}).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                empty = np.full(len(labels), np.nan)
                numbers.setdefault(f"{ATTRIBUTES}.{name}", empty)[row] = value
                continue
            several = value if isinstance(value, list | tuple) else [value]
            labels[row] += [f"{name}={one}" for one in several if one not in (None, "")]

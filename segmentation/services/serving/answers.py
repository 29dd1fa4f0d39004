"""What is asked of a list, and what is answered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from segmentation.models import Purpose


class Source(StrEnum):
    """How a list came about; the words are part of the API."""

    PERSONAL = "personal"  # precomputed from what the person did
    FOLDED_IN = "folded_in"  # made at the request, with what they did since
    SESSION = "session"  # the same for a visitor whom no source knows
    SEGMENT = "segment"  # what people of the same interest get
    POPULAR = "popular"
    SIMILAR = "similar"
    BOUGHT_TOGETHER = "bought_together"
    RULES = "rules"  # an operator's pin


class Code(StrEnum):
    """Why an item is in a list; the words are part of the API."""

    BECAUSE = "because"  # of an item in the history
    HABIT = "habit"
    TASTE = "taste"
    SEGMENT = "segment"
    POPULAR = "popular"
    SIMILAR = "similar"
    BOUGHT_TOGETHER = "bought_together"
    CHOSEN = "chosen"  # by the operator


@dataclass(frozen=True)
class Wish:
    """What a list is wanted for and what may be in it; ids are the shop's own."""

    n: int
    purpose: str = Purpose.DISCOVER.value
    placement: str = ""
    category: str | None = None
    exclude: Collection[str] = ()
    max_price: float | None = None
    in_stock: bool = True
    diversity: float = 0.0  # 0: the best first; 1: each as unlike the others as can be
    max_per_category: int | None = None
    max_per_brand: int | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether what is precomputed may hold too little that fits."""
        return self.category is not None or self.max_price is not None


@dataclass(frozen=True)
class Reason:
    """What can be said of a list as a whole: a code, and the segment it names."""

    code: Code
    segment: str = ""


class Recommended(NamedTuple):
    """One place of a list; a tuple, for a page asks for many."""

    item_id: int
    external_id: str
    score: float
    reason_code: str
    reason_text: str
    reason_item_id: int | None = None
    reason_external_id: str | None = None
    step: str = ""  # where this item came from; a pinned one from the rules
    is_habit: bool = False  # the person had it before


@dataclass(frozen=True)
class Answer:
    """One list, where it came from, and the run that made it."""

    run_id: int | None
    source: str
    items: list[Recommended]


@dataclass(frozen=True)
class Bulk:
    """Lists of many customers: ``item_ids`` customers × n, -1 pads."""

    run_id: int | None
    item_ids: np.ndarray


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates, best first: our item ids (0 pads), scores, and what is known of each.

    ``reason_ids`` holds the history item that speaks most for each (0: none),
    ``is_habit`` what the person had before, ``is_hidden`` what must not be shown now.
    """

    source: Source
    run_id: int | None
    item_ids: np.ndarray
    scores: np.ndarray
    is_habit: np.ndarray | None = None
    reason_ids: np.ndarray | None = None
    is_hidden: np.ndarray | None = None
    default: Reason = field(default_factory=lambda: Reason(Code.POPULAR))

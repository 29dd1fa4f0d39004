"""What a search may try: for each parameter a range or some values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Whole:
    """Whole numbers from low to high, both included."""

    low: int
    high: int
    log: bool = False  # tenths and tens are equally far from one


@dataclass(frozen=True)
class Real:
    """Numbers from low to high."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of some values: text, numbers, true, false or null."""

    values: tuple[Any, ...]


Space = dict[str, Whole | Real | Choice]

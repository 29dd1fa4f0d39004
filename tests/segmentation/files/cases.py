"""What a case says of a file, and how its bytes are made."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COUNTS = ("new", "updated", "unchanged", "duplicate", "rejected", "ignored")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A file, what a person does with it, and what must come of it.

    ``page`` is where its columns are described ("": seen in code, on no page that
    could be opened, so it counts for nothing). ``write`` makes the bytes, or writes
    the file itself. ``layout`` and ``by_hand`` are what a person chooses where the
    guess is silent or asks; ``mapping`` is the name of a built-in one that must be
    recognised. ``says``: the file is refused with a sentence that holds this.
    ``reasons``: words of the first rejects. ``stored``: what a stored row must be.
    """

    name: str
    page: str
    kind: str
    write: Callable[[Path], bytes | None]
    mapping: str = ""
    layout: dict[str, Any] = field(default_factory=dict)
    by_hand: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    currency: str = "EUR"
    limits: dict[str, int] = field(default_factory=dict)
    says: str = ""
    reasons: tuple[str, ...] = ()
    stored: dict[str, Any] = field(default_factory=dict)
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    rejected: int = 0
    ignored: int = 0
    read: int = 0  # of large ones only: how many rows that is

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(getattr(self, name) for name in COUNTS)


def content(data: str | bytes, encoding: str = "utf-8") -> Callable[[Path], bytes]:
    """A file of these bytes."""
    return lambda _path: data if isinstance(data, bytes) else data.encode(encoding)


def table(header: str | Sequence[str], rows: Iterable[Row], **options: Any) -> str:
    """Delimited text; a cell that a row does not name is blank."""
    names = next(csv.reader([header])) if isinstance(header, str) else list(header)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="", **options)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def lines(rows: Iterable[Sequence[Any]], delimiter: str = ",") -> str:
    """Delimited text without a header and without quotes."""
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows)


def jsonl(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def price(n: int) -> str:
    return f"{3 + n * 7 % 90}.{n * 13 % 100:02}"


def moment(n: int, of: str = "{y}-{m:02}-{d:02} {h:02}:{i:02}:{s:02}") -> str:
    """The n-th of some hundred different times in 2024, written that way."""
    return of.format(
        y=2024,
        m=1 + n * 5 % 12,
        d=1 + n * 7 % 28,
        h=n * 11 % 24,
        i=n * 17 % 60,
        s=n * 29 % 60,
    )

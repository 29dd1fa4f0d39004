"""Refused rows: their cells as they came, then where they stood and why.

The file can be mended and brought in again with the same mapping; what a spreadsheet
would run is marked as text, and reading takes the mark off again.
"""

from __future__ import annotations

import csv
import heapq
from collections.abc import Iterator
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
from django.utils.translation import gettext as _

from segmentation.engine import cleaning, mapping
from segmentation.engine.cells import harmless
from segmentation.engine.sentences import Sentence
from segmentation.models import ImportKind
from segmentation.services.importing import reading
from segmentation.services.importing.sealing import HIDDEN, SECRET
from segmentation.services.saying import say

SHOWN = 20  # that a page tells; the file has them all
MOST_REASONS = 50  # that are counted apart


Refused = tuple[int, Any, tuple[Any, ...]]  # row, its cells, column value reason


class RejectsFile:
    """Writes refused rows in the order of the file, whatever is wrong with them.

    The file has them as they came. What a page tells of the first ones stays in a
    table, so e-mails, names and phones are dots there.
    """

    def __init__(self, file: TextIO, reader: reading.Reader, kind: str) -> None:
        self._is_personal = kind == ImportKind.CUSTOMERS
        self.n = 0
        self.n_ragged = 0
        self.first: list[list[Any]] = []  # row, column, value, reason
        self._reasons: dict[tuple[str, str], list[Any]] = {}
        self._n_seen = 0
        self._reader = reader
        self._lines_skipped: list[int] = []
        self._writer = csv.writer(file)
        names = reader.headers.copy()
        for name in ("row", "column", "value", "reason"):
            while name in names:  # the file has such a column of its own
                name += "_"
            names.append(name)
        self._writer.writerow(map(harmless, names))

    def add(self, chunk: pa.Table, *several: mapping.Rejects) -> None:
        """Write down what was refused of the next chunk of the file."""
        ragged = self._ragged()
        parts = [self._parts(chunk, each) for each in several if len(each.rows)]
        for refused in heapq.merge(ragged, *parts, key=lambda each: each[0]):
            self._write(*refused)
        self._n_seen += chunk.num_rows

    def add_ragged(self) -> None:
        """Write down the lines that came after the last chunk and fit no header."""
        for refused in self._ragged():
            self._write(*refused)

    def _ragged(self) -> list[Refused]:
        """The lines that do not fit the header, as far as they are read."""
        why = self._reader.ragged_reason or _("has more or fewer cells than the header")
        width = len(self._reader.headers)
        found: list[Refused] = []
        for number, cells in self._reader.ragged:
            fitting = [*cells, *[""] * width][:width]
            found.append((number, fitting, ("", " | ".join(cells), why)))
            self._lines_skipped.append(number)
            self.n_ragged += 1
        self._reader.ragged.clear()
        return found

    def _parts(self, chunk: pa.Table, rejects: mapping.Rejects) -> Iterator[Refused]:
        """Refused rows of a chunk in their order; they come sorted by what is wrong."""
        order = np.argsort(rejects.rows, kind="stable")
        rows = rejects.rows[order]
        refused = chunk.take(pa.array(rows))
        cells = zip(*map(cleaning.as_text, refused.columns), strict=True)
        numbers = self._numbers(rows)
        for number, row, at in zip(numbers, cells, order.tolist(), strict=True):
            why = (rejects.columns[at], rejects.values[at], rejects.reasons[at])
            yield number, row, why

    def reasons(self) -> list[list[Any]]:
        """Field, reason as the file tells it, the same as JSON, rows; most first."""
        return sorted(self._reasons.values(), key=lambda each: -each[-1])

    def _numbers(self, rows: np.ndarray) -> list[int]:
        """Rows as a person counts them: the header is 1, skipped lines count too."""
        numbers = rows + self._n_seen + self._reader.first_row
        skipped = np.array(self._lines_skipped, np.int64)
        before = skipped - np.arange(len(skipped))
        return (numbers + np.searchsorted(before, numbers, side="right")).tolist()

    def _write(self, number: int, cells: Any, why: tuple[Any, ...]) -> None:
        column, value, reason = why
        told = (number, column, value, self._count(column, reason))
        self._writer.writerow([harmless(cell) for cell in (*cells, *told)])
        if len(self.first) < SHOWN:
            is_secret = column in SECRET or (self._is_personal and not column)
            shown = HIDDEN if is_secret and value else value
            self.first.append([number, column, shown, told[-1]])
        self.n += 1

    def _count(self, column: str, reason: str) -> str:
        """One more of this reason; answers it in the language of this process."""
        known = self._reasons.get((column, reason))
        if known is None:
            kept = reason.as_json() if isinstance(reason, Sentence) else reason
            known = [column, say(reason), kept, 0]
            if len(self._reasons) < MOST_REASONS:
                self._reasons[column, reason] = known
        known[-1] += 1
        return str(known[1])

"""A missing quote amid a file: the rows behind it would silently become one cell.

pyarrow's parser ends a quoted cell at the next quote, whatever follows. So a cell that
spans lines and goes on after its closing quote is where a quote was forgotten. Quotes
are looked at all at once where each stands beside a delimiter, a line's end or another
quote, as a program writes them; only pieces with stray ones are walked through.
"""

from __future__ import annotations

import numpy as np
from django.utils.translation import gettext as _

from segmentation.services.importing.reading.layout import Unreadable


class Quotes:
    """Follows the quotes of a text that comes in pieces of UTF-8."""

    def __init__(self, delimiter: str, quote: str) -> None:
        self._quote = quote.encode()
        self._ends = np.zeros(256, bool)
        self._ends[[*f"\r\n{delimiter}".encode()]] = True
        self._neat = self._ends.copy()
        self._neat[self._quote[0]] = True
        self._is_inside = False
        self._before = b"\n"
        self._held = b""  # a quote at a piece's end: what follows is not known yet
        self._opened = 1  # the line where the quoted cell began

    def follow(self, piece: bytes, line: int) -> None:
        """Take the next piece, which begins in ``line``; Unreadable where one lacks."""
        data = self._held + piece
        self._held = b""
        if piece and data.endswith(self._quote):
            data, self._held = data[:-1], self._quote
        if self._quote in data:
            self._judge(data, line)
        if data:
            self._before = data[-1:]

    def _judge(self, data: bytes, line: int) -> None:
        letters = np.frombuffer(data, np.uint8)
        places = np.flatnonzero(letters == self._quote[0])
        first = int(self._is_inside)
        if self._are_neat(letters, places[first::2], places[1 - first :: 2]):
            if len(places) > first:
                last = int(places[first::2][-1])
                self._opened = line + data.count(b"\n", 0, last)
            self._is_inside ^= bool(len(places) % 2)
        else:
            self._walk(data, line, places.tolist())

    def _are_neat(
        self, letters: np.ndarray, opening: np.ndarray, closing: np.ndarray
    ) -> bool:
        """Whether each quote stands where a program that doubles them puts it."""
        before = letters[opening - 1]
        if len(opening) and opening[0] == 0:
            before[0] = self._before[0]
        if len(closing) and closing[-1] == len(letters) - 1:
            closing = closing[:-1]  # the file ends, or its twin is held back
        return bool(self._neat[before].all() and self._neat[letters[closing + 1]].all())

    def _walk(self, data: bytes, line: int, places: list[int]) -> None:
        around = self._before + data + (self._held or b"\n")
        skipped, counted = -1, 0
        for place in places:
            if place == skipped:
                continue
            line += data.count(b"\n", counted, place)
            counted = place
            if not self._is_inside:
                if self._ends[around[place]]:
                    self._is_inside = True
                    self._opened = line
            elif around[place + 2] == self._quote[0]:
                skipped = place + 1
                if skipped == len(data):  # its twin is held back: both are done
                    self._held = b""
                    self._before = self._quote
            else:
                self._is_inside = False
                if not self._ends[around[place + 2]]:
                    self._refuse(line)

    def _refuse(self, line: int) -> None:
        if line > self._opened:
            raise Unreadable(
                _(
                    "A quote is opened in line %(first)d, and the cell goes on after "
                    "the quote that closes it in line %(line)d: one is missing. Add "
                    "it, or choose “none” as the quote if quotes are plain letters."
                )
                % {"first": self._opened, "line": line}
            )

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
        around = np.frombuffer(self._before + data + (self._held or b"\n"), np.uint8)
        places = np.flatnonzero(around[1:-1] == self._quote[0])
        before, after = around[places], around[places + 2]
        neat = self._ends | (np.arange(256) == self._quote[0])
        is_opening = np.arange(len(places)) % 2 == int(self._is_inside)
        if np.where(is_opening, neat[before], neat[after]).all():
            if is_opening.any():
                last = places[is_opening][-1]
                self._opened = line + data.count(b"\n", 0, int(last))
            self._is_inside ^= bool(len(places) % 2)
        else:
            self._walk(data, line, places.tolist(), before, after)

    def _walk(
        self,
        data: bytes,
        line: int,
        places: list[int],
        before: np.ndarray,
        after: np.ndarray,
    ) -> None:
        skipped = -1
        for n, place in enumerate(places):
            if place == skipped:
                continue
            if not self._is_inside:
                if self._ends[before[n]]:
                    self._is_inside = True
                    self._opened = line + data.count(b"\n", 0, place)
            elif after[n] == self._quote[0]:
                skipped = place + 1
                if skipped == len(data):  # its twin is held back: both are done
                    self._held = b""
                    self._before = self._quote
            else:
                self._is_inside = False
                if not self._ends[after[n]]:
                    self._refuse(line + data.count(b"\n", 0, place))

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

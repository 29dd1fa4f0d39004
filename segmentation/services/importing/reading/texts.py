"""Text of any encoding as a stream of UTF-8, checked while it passes.

The stream is read in blocks by pyarrow's parsers, so it costs what decoding costs. A
parser that checks UTF-8 itself, ten times faster, says so (``is_trusted``) and asks
``refuse_misfit`` where the bad byte is. What is wrong is told with its line.
"""

from __future__ import annotations

import atexit
import codecs
import io
import threading
import time
import weakref
from collections.abc import Callable

from django.utils.translation import gettext as _

from segmentation.services.importing.reading.layout import Unreadable
from segmentation.services.importing.reading.packing import Source

PIECE = 2**20
PARTED = b"\x1f"
_last_left = [0.0]  # when a stream was left, by the monotonic clock
_open: weakref.WeakSet[Utf8] = weakref.WeakSet()


class Utf8(io.RawIOBase):
    """A file's text as UTF-8 without a mark, then ``tail``.

    ``parted`` is a delimiter of two equal letters, which comes out as one sign that no
    text has: parsers know only such. ``problem`` keeps the sentence of an error that a
    parser may have wrapped; ``marks`` how far into the file each read came, for parsers
    that read ahead.
    """

    def __init__(
        self,
        source: Source,
        encoding: str,
        tail: bytes = b"",
        *,
        is_trusted: bool = False,
        follow: Callable[[bytes, int], None] | None = None,
        parted: bytes = b"",
    ) -> None:
        self._busy = threading.Lock()
        self._is_left = False  # nobody wants more; a parser's thread may still read
        self.problem: Unreadable | None = None
        self.marks: list[int] = []
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._is_trusted = is_trusted and encoding == "utf-8"
        self._follow = follow  # sees every piece and the line it begins in
        self._parted = parted
        self._held = b""  # the first letter of a delimiter that a piece ended in
        self._tail = tail
        self._ready = b""
        self._line = 1
        self._is_start = True
        self._is_over = False
        _open.add(self)

    def readable(self) -> bool:
        return True

    def read(self, n: int = -1) -> bytes:
        with self._busy:
            if self._is_left:
                self._is_over = True
                return b""
            return self._read(n)

    def _read(self, n: int) -> bytes:
        parts, size = [self._ready], len(self._ready)
        while size < n and not self._is_over:
            part = self._next_piece(max(n - size, 4096))
            parts.append(part)
            size += len(part)
        whole = b"".join(parts) if len(parts) > 1 else parts[0]
        self._ready = whole[n:]
        self.marks.append(self._source.position())
        return whole[:n]

    def leave(self) -> None:
        """Close it while a parser's own thread may still be reading ahead.

        That thread is let go with an end of file, and given a moment to notice: one
        that is within Python when the process ends would abort it.
        """
        if self.closed:
            return
        with self._busy:
            self._is_left = True
        for _moment in range(20):
            if self._is_over:
                break
            time.sleep(0.001)
        self.close()
        _last_left[0] = time.monotonic()

    def close(self) -> None:
        self._source.close()
        super().close()

    def position(self) -> int:
        """Bytes of the file on disk that were read."""
        return self._source.position()

    def _next_piece(self, n: int) -> bytes:
        try:
            data = self._source.read(n)
            text = self._text(data)
        except Unreadable as error:
            self.problem = error
            raise
        if not data:
            self._is_over = True
            text += self._tail
        return text

    def _text(self, data: bytes) -> bytes:
        """The piece as UTF-8, counted by lines and checked."""
        text = data if self._is_trusted else self._decode(data)
        if self._is_start and text:
            text = text.removeprefix(codecs.BOM_UTF8)
            self._is_start = False
        if b"\0" in text:
            self._line += text[: text.index(b"\0")].count(b"\n")
            raise Unreadable(
                _(
                    "Line %(line)d holds a NUL byte, which no text has: the file is "
                    "damaged or a program's own format. Export it again as CSV."
                )
                % {"line": self._line}
            )
        if self._parted:
            text = self._with_one_sign(text, is_last=not data)
        if self._follow is not None:
            self._follow(text, self._line)
        self._line += text.count(b"\n")
        return text

    def _with_one_sign(self, text: bytes, *, is_last: bool) -> bytes:
        text = (self._held + text).replace(self._parted, PARTED)
        half = self._parted[:1]
        self._held = b"" if is_last or not text.endswith(half) else half
        return text.removesuffix(self._held) if self._held else text

    def _decode(self, data: bytes) -> bytes:
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeError as error:
            raise self._misfit(error) from error
        return text.encode("utf-8", "replace")

    def _misfit(self, error: UnicodeError) -> Unreadable:
        line = self._line
        if isinstance(error, UnicodeDecodeError):
            good = error.object[: error.start].decode(self._encoding, "ignore")
            line += good.count("\n")
        return Unreadable(
            _(
                "The file is not in %(encoding)s: line %(line)d has a byte that does "
                "not fit. Name its encoding, for example gb18030."
            )
            % {"encoding": self._encoding, "line": line}
        )


def refuse_misfit(source: Source) -> None:
    """Read to the first byte that is no UTF-8; Unreadable tells its line."""
    stream = Utf8(source, "utf-8")
    try:
        while stream.read(PIECE):
            pass
    finally:
        stream.close()


def _leave_all() -> None:
    """Before the process ends, let go of the threads that read ahead.

    One that has just been let go still drops its objects, for which it needs Python.
    """
    for stream in list(_open):
        stream.leave()
    if time.monotonic() - _last_left[0] < 1:
        time.sleep(0.1)


atexit.register(_leave_all)

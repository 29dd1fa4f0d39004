"""XLSX sheets, row by row, so that memory does not grow with the sheet.

Before anything is parsed the parts are unpacked once and thrown away: sizes that lie,
and XML that declares entities of its own (XML bombs), are refused there.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO
from xml.parsers.expat import ExpatError

import pyarrow as pa
from django.utils.translation import gettext as _

from segmentation.services.importing.reading import limits, packing, sheets
from segmentation.services.importing.reading.layout import (
    Layout,
    Reader,
    Unreadable,
    placed,
    refuse_doubled,
    unblank,
)

ROWS = 5_000  # in a chunk: a preview reads one
PIECE = 2**20
DECLARATIONS = tuple(
    word.encode(codec)
    for word in ("<!DOCTYPE", "<!ENTITY")
    for codec in ("utf-8", "utf-16-le", "utf-16-be")
)
BROKEN = (
    *(zipfile.BadZipFile, KeyError, ValueError, SyntaxError, OSError, EOFError),
    *(ExpatError, IndexError),  # IndexError: a text that is shared by no list
)


def open_xlsx(path: Path, layout: Layout) -> Reader:
    """One sheet as columns of text, each as long as the longest row."""
    file = packing.seekable(path, layout.packing)
    _refuse_bombs(file)
    book = _book(file)
    if layout.sheet not in book.names:
        raise Unreadable(
            _("The workbook has no sheet “%(name)s”; it has %(names)s.")
            % {"name": layout.sheet, "names": ", ".join(book.names)}
        )
    rows = _rows(book, layout.sheet)
    head = list(islice(rows, ROWS))
    if not head:
        raise Unreadable(_("The sheet “%(name)s” is empty.") % {"name": layout.sheet})
    width = max(map(sheets.width, head))
    limits.refuse_columns(width)
    if layout.has_header:
        first = [*(cell or "" for cell in head[0]), *[""] * width][:width]
        headers = unblank(first)
        head = head[1:]
    else:
        headers = [placed(n + 1) for n in range(width)]
    refuse_doubled(headers)
    reader = Reader(headers, 0, iter(()), first_row=1 + layout.has_header)
    reader.ragged_reason = _("has more or fewer cells than the header")
    reader.n_bytes = path.stat().st_size
    n_unpacked = file.seek(0, io.SEEK_END)
    reader.bytes_read = lambda: (
        min(file.tell(), n_unpacked) * reader.n_bytes // n_unpacked
    )
    reader.chunks = _chunks(reader, head, rows, book)
    return reader


def sheets_with_rows(path: Path, layout: Layout) -> list[tuple[str, list[list[str]]]]:
    """The visible sheets that are not empty, each with its first rows."""
    file = packing.seekable(path, layout.packing)
    _refuse_bombs(file)
    book = _book(file)
    found = []
    for name in book.visible:
        head = list(islice(_rows(book, name), 50))
        if head:
            found.append((name, [[cell or "" for cell in row] for row in head]))
    book.close()
    return found


def _book(file: IO[bytes]) -> sheets.Book:
    try:
        return sheets.Book(file)
    except BROKEN as error:
        raise _damaged(error) from error


def _rows(book: sheets.Book, name: str) -> Iterator[sheets.Cells]:
    try:
        yield from book.rows(name)
    except BROKEN as error:
        raise _damaged(error) from error


def _chunks(
    reader: Reader,
    head: list[sheets.Cells],
    rows: Iterator[sheets.Cells],
    book: sheets.Book,
) -> Iterator[pa.Table]:
    width, n_rows, n_seen = len(reader.headers), 0, 0
    batch = head
    while batch:
        fitting = []
        for number, row in enumerate(batch, start=n_seen + reader.first_row):
            if sheets.width(row) > width:
                reader.ragged.append((number, [cell or "" for cell in row]))
            else:
                fitting.append((*row, *[None] * width)[:width])
        n_seen += len(batch)
        if fitting:
            columns = [
                pa.array([cell or "" for cell in cells], pa.string())
                for cells in zip(*fitting, strict=True)
            ]
            chunk = pa.table(columns, names=reader.headers)
            limits.refuse_cells(chunk, n_rows + reader.first_row)
            n_rows += len(fitting)
            reader.notices = _notices(reader, book.uncomputed)
            yield chunk
        limits.refuse_rows(n_seen)
        batch = list(islice(rows, ROWS))
    reader.notices = _notices(reader, book.uncomputed)


def _notices(reader: Reader, uncomputed: sheets.Uncomputed) -> list[str]:
    """Formulas are not computed here: what stands there is what a program stored."""
    text = _(
        "%(n)d cells in “%(column)s”, the first in row %(row)d of the sheet, hold "
        "formulas that were never computed, so they are read as blank. Open the "
        "workbook in a spreadsheet program, save it, and bring it in again."
    )
    named = dict(enumerate(reader.headers))
    return [
        text % {"n": n, "column": named[column], "row": row}
        for column, (row, n) in sorted(uncomputed.items())
        if column in named
    ]


def _refuse_bombs(file: IO[bytes]) -> None:
    """Unpack every part once, into nothing: count it and look for declarations."""
    n_out = 0
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                limits.refuse_expanded(member.file_size)
                before = b""
                with archive.open(member) as part:
                    while piece := part.read(PIECE):
                        n_out += len(piece)
                        limits.refuse_expanded(n_out)
                        if any(word in before + piece for word in DECLARATIONS):
                            raise _declares(member.filename)
                        before = piece[-32:]
    except Unreadable:
        raise
    except (*packing.BROKEN, NotImplementedError, RuntimeError) as error:
        raise _damaged(error) from error
    file.seek(0)


def _declares(name: str) -> Unreadable:
    return Unreadable(
        _(
            "The workbook declares XML entities of its own (in %(name)s), which "
            "spreadsheet programs never do; save it anew in one."
        )
        % {"name": name}
    )


def _damaged(error: Exception) -> Unreadable:
    return Unreadable(
        _("The workbook is damaged (%(error)s); open it, save it as .xlsx once more.")
        % {"error": str(error) or type(error).__name__}
    )

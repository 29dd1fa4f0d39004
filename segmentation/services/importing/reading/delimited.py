"""CSV and its kin, streamed through pyarrow's parser whatever the encoding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.services.importing.reading import dialects, limits
from segmentation.services.importing.reading.layout import (
    TWO_COLONS,
    Layout,
    Reader,
    Unreadable,
    refuse_doubled,
)
from segmentation.services.importing.reading.packing import Source
from segmentation.services.importing.reading.quotes import Quotes
from segmentation.services.importing.reading.texts import Utf8, refuse_misfit

# pyarrow reads up to 32 blocks ahead of whoever takes the batches: the size of a block
# decides how much memory a long file needs.
BLOCK_BYTES = 2 * 2**20
BLOCK_CELLS = 8  # bytes of a block for each letter that a cell may have
HEAD_BYTES = 2**18
# A line of our own after the last one. Where it ends up inside a cell, a quote was
# opened and never closed: pyarrow itself would take the rest of the file as the cell.
# Its letters belong to nobody (Unicode's private use) and are no delimiter.
LAST = "\ue5a7\ue1a5\ue7a5\ue5a7\ue1a5"


def open_csv(path: Path, layout: Layout) -> Reader:
    """The rows as columns of text; those that do not fit are in ``ragged``."""
    headers, n_skipped = _headers(path, layout)
    limits.refuse_columns(len(headers))
    refuse_doubled(headers)
    source = Source(path, layout.packing)
    delimiter, quote, escape = _parting(layout)
    # Where backslashes mark quotes they need not stand beside anything.
    follow = Quotes(delimiter, quote).follow if quote and not escape else None
    stream = Utf8(
        source,
        layout.encoding,
        _tail(),
        is_trusted=True,
        follow=follow,
        parted=(TWO_COLONS if layout.delimiter == TWO_COLONS else "").encode(),
    )
    stream.read(n_skipped)
    stream.marks.clear()
    reader = Reader(headers, 0, iter(()), first_row=1 + layout.has_header)
    reader.ragged_reason = _("has more or fewer cells than the header")
    reader.n_bytes = path.stat().st_size
    reader.chunks = _chunks(path, reader, stream, layout)
    return reader


def _tail() -> bytes:
    return f"\n{LAST}\n".encode()


def _headers(path: Path, layout: Layout) -> tuple[list[str], int]:
    """The names of the columns, and the bytes of a line ``sep=;`` before them."""
    stream = Utf8(Source(path, layout.packing), layout.encoding)
    try:
        text = stream.read(HEAD_BYTES).decode("utf-8", "ignore")
    finally:
        stream.close()
    n_skipped = 0
    if found := dialects.SEPARATOR_LINE.match(text):
        n_skipped = len(found[0].encode())
        text = text[found.end() :]
    written = (text, layout.delimiter, layout.quote, layout.escape)
    row = dialects.header_row(*written)
    return dialects.headers_of(row, layout.has_header), n_skipped


def _chunks(
    path: Path, reader: Reader, stream: Utf8, layout: Layout
) -> Iterator[pa.Table]:
    """Batches as the parser makes them, without our own last line."""
    n_rows = n_batches = 0
    reader.bytes_read = lambda: _progress(stream, n_batches)
    held: pa.Table | None = None  # the last batch: the end of the file may be in it
    try:
        for batch in _parser(reader, stream, layout):
            if held is not None and held.num_rows:
                limits.refuse_cells(held, n_rows + reader.first_row)
                n_rows += held.num_rows
                limits.refuse_rows(n_rows)
                yield held
            held = pa.Table.from_batches([batch])
            n_batches += 1
    except (pa.ArrowException, UnicodeError, Unreadable) as error:
        row = n_rows + (held.num_rows if held is not None else 0) + reader.first_row
        if "UTF8" in str(error):
            refuse_misfit(Source(path, layout.packing))
        raise stream.problem or _unreadable(error, row) from error
    finally:
        stream.leave()
    if held is not None:
        held = _without_last(held, reader, n_rows)
        limits.refuse_cells(held, n_rows + reader.first_row)
        limits.refuse_rows(n_rows + held.num_rows)
        if held.num_rows:
            yield held
    n_batches = len(stream.marks)


def _progress(stream: Utf8, n_batches: int) -> int:
    """How far the delivered batches reach: each is one block, one read."""
    return stream.marks[n_batches - 1] if n_batches else 0


def _parser(
    reader: Reader, stream: Utf8, layout: Layout
) -> pyarrow.csv.CSVStreamingReader:
    names = reader.headers

    def ragged(row: pyarrow.csv.InvalidRow) -> str:
        if LAST in row.text and row.text.strip() != LAST:
            stream.problem = _unclosed(row.number or 0)  # it swallowed the end
            return "error"
        if row.text.strip() != LAST:
            cells = next(dialects.parsed(row.text, *_parting(layout)), [])
            reader.ragged.append((row.number or 0, cells))
        return "skip"

    delimiter, quote, escape = _parting(layout)
    parse = pyarrow.csv.ParseOptions(
        delimiter=delimiter,
        quote_char=quote or False,
        double_quote=bool(quote),
        escape_char=escape or False,
        newlines_in_values=bool(quote),
        invalid_row_handler=ragged,
    )
    convert = pyarrow.csv.ConvertOptions(
        check_utf8=layout.encoding == "utf-8",  # of others the stream makes it
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=False,
    )
    # One thread, or refused rows would come without their number.
    read = pyarrow.csv.ReadOptions(
        block_size=_block_bytes(),
        use_threads=False,
        column_names=names,
        skip_rows_after_names=int(layout.has_header),
    )
    return pyarrow.csv.open_csv(
        pa.PythonFile(stream, mode="r"),
        read_options=read,
        parse_options=parse,
        convert_options=convert,
    )


def _block_bytes() -> int:
    """A row must fit into a block: two of the longest cells do, whatever the script."""
    return max(BLOCK_BYTES, BLOCK_CELLS * conf.import_limit("MAX_CELL"))


def _parting(layout: Layout) -> tuple[str, str, str]:
    is_one = layout.delimiter and layout.delimiter != TWO_COLONS
    delimiter = layout.delimiter if is_one else dialects.NOTHING
    return delimiter, layout.quote, layout.escape


def _without_last(chunk: pa.Table, reader: Reader, n_before: int) -> pa.Table:
    """Take our own last line away; Unreadable where a quote swallowed it."""
    if not chunk.num_rows:
        return chunk
    last = chunk.slice(chunk.num_rows - 1).to_pylist()[0]
    cell = list(last.values())[-1] if len(last) > 1 else last[reader.headers[0]]
    if len(last) == 1 and cell == LAST:
        return chunk.slice(0, chunk.num_rows - 1)
    for value in last.values():
        if LAST in value:
            raise _unclosed(n_before + chunk.num_rows - 1 + reader.first_row)
    return chunk


def _unclosed(row: int) -> Unreadable:
    return Unreadable(
        _(
            "In row %(row)d a quote is opened and never closed. Close it, or choose "
            "“none” as the quote if quotes are plain letters in this file."
        )
        % {"row": row}
    )


def _unreadable(error: Exception, row: int) -> Unreadable:
    if isinstance(error, Unreadable):
        return error
    if "straddl" in str(error):
        return Unreadable(
            _(
                "Row %(row)d goes on for more than %(n)d MB: is a quote opened there "
                "and never closed? Close it, or choose “none” as the quote if quotes "
                "are plain letters in this file."
            )
            % {"row": row, "n": _block_bytes() // 2**20}
        )
    return Unreadable(_("The file cannot be read as CSV: %(e)s") % {"e": error})

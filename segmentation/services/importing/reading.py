"""Files as chunks of columns: CSV with a header, and Parquet."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

CHUNK_ROWS = 100_000
BLOCK_BYTES = 8 * 2**20


class Unreadable(ValueError):
    """The file is no table that we can read; the text says what to do."""


@dataclass
class Reader:
    """An open file: its headers, its rows in all (0: unknown), and its chunks."""

    headers: list[str]
    n_rows: int
    chunks: Iterator[pa.Table]
    ragged: list[tuple[int, str]] = field(default_factory=list)


def open_file(path: Path, encoding: str) -> Reader:
    """Open a file of either kind; Unreadable says in a sentence why it cannot."""
    if not path.exists():
        raise Unreadable(_("The file %(path)s is gone.") % {"path": path})
    if path.stat().st_size == 0:
        raise Unreadable(_("The file is empty."))
    with path.open("rb") as file:
        start = file.read(4096)
    if start[:4] == b"PAR1":
        return _parquet(path)
    if b"\0" in start and not start.startswith(
        (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    ):
        raise Unreadable(
            _("The file is neither CSV nor Parquet; export it as one of these.")
        )
    if start.lstrip()[:15].lower().startswith((b"<!doctype", b"<html")):
        raise Unreadable(
            _("The file is a web page, not a table; download the export itself.")
        )
    return _csv(path, encoding or "utf-8")


def _parquet(path: Path) -> Reader:
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise Unreadable(
            _("The Parquet file is damaged: %(error)s") % {"error": error}
        ) from error
    chunks = (
        pa.Table.from_batches([batch])
        for batch in file.iter_batches(batch_size=CHUNK_ROWS)
    )
    return Reader(file.schema_arrow.names, file.metadata.num_rows, chunks)


def _csv(path: Path, encoding: str) -> Reader:
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise Unreadable(
            _("“%(encoding)s” is no encoding; try utf-8 or gb18030.")
            % {"encoding": encoding}
        ) from error
    reader = Reader([], 0, iter(()))

    def ragged(row: pyarrow.csv.InvalidRow) -> str:
        reader.ragged.append((row.number or 0, row.text or ""))
        return "skip"

    parse = pyarrow.csv.ParseOptions(
        delimiter=_delimiter(path, encoding),
        newlines_in_values=True,
        invalid_row_handler=ragged,
    )
    headers = _headers(path, encoding, parse)
    convert = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in headers},
        strings_can_be_null=False,
    )
    # One thread, or refused rows would come without their number.
    read = pyarrow.csv.ReadOptions(
        encoding=encoding, block_size=BLOCK_BYTES, use_threads=False
    )
    try:
        stream = pyarrow.csv.open_csv(
            path, read_options=read, parse_options=parse, convert_options=convert
        )
    except (pa.ArrowException, UnicodeError) as error:
        raise _unreadable_csv(error, encoding) from error
    reader.headers = stream.schema.names
    reader.chunks = _csv_chunks(stream, encoding)
    return reader


def _csv_chunks(
    stream: pyarrow.csv.CSVStreamingReader, encoding: str
) -> Iterator[pa.Table]:
    try:
        for batch in stream:
            yield pa.Table.from_batches([batch])
    except (pa.ArrowException, UnicodeError) as error:
        raise _unreadable_csv(error, encoding) from error


def _headers(path: Path, encoding: str, parse: pyarrow.csv.ParseOptions) -> list[str]:
    line = _first_line(path, encoding)
    read = pyarrow.csv.ReadOptions(encoding="utf-8")
    table = pyarrow.csv.read_csv(
        pa.py_buffer(line.encode()), read_options=read, parse_options=parse
    )
    doubled = {n for n in table.column_names if table.column_names.count(n) > 1}
    if doubled:
        raise Unreadable(
            _("Two columns are called %(names)s; give each its own name.")
            % {"names": ", ".join(sorted(doubled))}
        )
    return table.column_names


def _delimiter(path: Path, encoding: str) -> str:
    line = _first_line(path, encoding)
    return max(",;\t|", key=line.count)


def _first_line(path: Path, encoding: str) -> str:
    try:
        with path.open(encoding=encoding, newline="") as file:
            line = file.readline(100_000)
    except UnicodeError as error:
        raise _unreadable_csv(error, encoding) from error
    if not line.strip():
        raise Unreadable(_("The first line is blank; it must hold the column names."))
    return line.removeprefix("\ufeff").rstrip("\r\n") + "\n"


def _unreadable_csv(error: Exception, encoding: str) -> Unreadable:
    if isinstance(error, UnicodeError) or "UTF8" in str(error) or "utf" in str(error):
        return Unreadable(
            _(
                "The file is not in %(encoding)s; name its encoding, for example gb18030."
            )
            % {"encoding": encoding}
        )
    return Unreadable(_("The file cannot be read as CSV: %(e)s") % {"e": error})

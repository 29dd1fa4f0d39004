"""Files as chunks of columns: CSV with a header, and Parquet."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

CHUNK_ROWS = 100_000
BLOCK_BYTES = 8 * 2**20
NO_ROWS = gettext_lazy("The file has column names but no rows.")


class Unreadable(ValueError):
    """The file is no table that we can read; the text says what to do."""


@dataclass
class Reader:
    """An open file: its headers, its rows in all (0: unknown), and its chunks."""

    headers: list[str]
    n_rows: int
    chunks: Iterator[pa.Table]
    # Lines that do not fit the header, as they were found: number and cells.
    ragged: list[tuple[int, list[str]]] = field(default_factory=list)


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
    if b"\0" in start and not _is_wide(start, encoding):
        raise Unreadable(
            _("The file is neither CSV nor Parquet; export it as one of these.")
        )
    if start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<"):
        raise Unreadable(
            _("The file is a web page, not a table; download the export itself.")
        )
    return _csv(path, encoding or _encoding_by_mark(start))


def _is_wide(start: bytes, encoding: str) -> bool:
    """Whether NUL bytes belong to the file's encoding."""
    named = encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32"))
    return named or _encoding_by_mark(start) == "utf-16"


def _encoding_by_mark(start: bytes) -> str:
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return "utf-16" if start.startswith(marks) else "utf-8"


def _parquet(path: Path) -> Reader:
    try:
        file = pq.ParquetFile(path)
        headers = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise _damaged(error) from error
    _refuse_doubled(headers)
    return Reader(headers, file.metadata.num_rows, _parquet_chunks(file))


def _parquet_chunks(file: pq.ParquetFile) -> Iterator[pa.Table]:
    try:
        for batch in file.iter_batches(batch_size=CHUNK_ROWS):
            yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> Unreadable:
    return Unreadable(_("The Parquet file is damaged: %(error)s") % {"error": error})


def _csv(path: Path, encoding: str) -> Reader:
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise Unreadable(
            _("“%(encoding)s” is no encoding; try utf-8 or gb18030.")
            % {"encoding": encoding}
        ) from error
    reader = Reader([], 0, iter(()))
    delimiter = _delimiter(path, encoding)

    def ragged(row: pyarrow.csv.InvalidRow) -> str:
        cells = next(csv.reader([row.text], delimiter=delimiter), [])
        reader.ragged.append((row.number or 0, cells))
        return "skip"

    parse = pyarrow.csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, invalid_row_handler=ragged
    )
    convert = pyarrow.csv.ConvertOptions(
        default_column_type=pa.string(), strings_can_be_null=False
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
    _refuse_doubled(stream.schema.names)
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


def _refuse_doubled(headers: list[str]) -> None:
    doubled = {name for name in headers if headers.count(name) > 1}
    if doubled:
        raise Unreadable(
            _("Two columns are called %(names)s; give each its own name.")
            % {"names": ", ".join(sorted(doubled))}
        )


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
    return line


def _unreadable_csv(error: Exception, encoding: str) -> Unreadable:
    if isinstance(error, UnicodeError) or "UTF8" in str(error) or "utf" in str(error):
        return Unreadable(
            _(
                "The file is not in %(encoding)s; name its encoding, "
                "for example gb18030."
            )
            % {"encoding": encoding}
        )
    if "Empty CSV" in str(error):  # a header without even an end of line
        return Unreadable(NO_ROWS)
    return Unreadable(_("The file cannot be read as CSV: %(e)s") % {"e": error})

"""Files that people open: CSV, XLSX, Parquet, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from segmentation.engine import cells
from segmentation.services import jobs

Add = Callable[[pa.Table], int]

SHEET_ROWS = 1_048_575  # that a worksheet has below its header (ECMA-376: 2^20 in all)
_BOM = b"\xef\xbb\xbf"  # or a spreadsheet takes UTF-8 for something else
_UNPRINTABLE = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"  # XML has no such characters


@contextmanager
def sink(path: Path, schema: pa.Schema) -> Iterator[Add]:
    """A file of the kind that its ending says; lends a function that adds rows."""
    with _KINDS[path.suffix](path, schema) as add:

        def counted(part: pa.Table) -> int:
            add(_harmless(part))
            return part.num_rows

        yield counted


def refuse_too_long(kind: str, n_rows: int) -> None:
    """A worksheet ends somewhere; it is better said before than found out after."""
    if kind == "xlsx" and n_rows > SHEET_ROWS:
        raise jobs.Refused(
            _(
                "A worksheet holds at most %(most)s rows and these are %(n)s; choose "
                "CSV or Parquet, or filter the list."
            )
            % {"most": f"{SHEET_ROWS:,}", "n": f"{n_rows:,}"}
        )


@contextmanager
def _csv(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    texts = pa.schema([(f.name, _text_type(f.type)) for f in schema])
    with path.open("wb") as file:
        file.write(_BOM)
        with pa.csv.CSVWriter(file, texts) as writer:
            yield lambda part: writer.write_table(_with_times_as_text(part))


@contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield writer.write_table


@contextmanager
def _xlsx(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.append(schema.names)
    n_rows = 0

    def add(part: pa.Table) -> None:
        nonlocal n_rows
        n_rows += part.num_rows
        refuse_too_long("xlsx", n_rows)
        # A workbook is made of cells: the one place where rows are Python's.
        columns = [_printable(column).to_pylist() for column in _of_texts(part)]
        for row in zip(*columns, strict=True):
            sheet.append(row)

    yield add
    book.save(path)


_KINDS = {".csv": _csv, ".parquet": _parquet, ".xlsx": _xlsx}


def _harmless(part: pa.Table) -> pa.Table:
    """Texts that no spreadsheet runs; the importer takes the mark off again."""
    for index, field in enumerate(part.schema):
        if field.type == pa.string():
            column = cells.harmless_texts(part.column(index).combine_chunks())
            part = part.set_column(index, field.name, column)
    return part


def _text_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_timestamp(kind) else kind


def _with_times_as_text(part: pa.Table) -> pa.Table:
    return pa.table(_of_texts(part), names=part.column_names)


def _of_texts(part: pa.Table) -> list[pa.ChunkedArray]:
    """Columns with instants as people and importers read them, in UTC."""
    return [
        pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
        if pa.types.is_timestamp(column.type)
        else column
        for column in part.columns
    ]


def _printable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type != pa.string():
        return column
    return pc.replace_substring_regex(column, _UNPRINTABLE, "")

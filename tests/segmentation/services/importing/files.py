"""Small files of every kind, and what a reader makes of them."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from segmentation.services.importing import reading

Rows = list[list[Any]]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def delimited(rows: Rows, delimiter: str = ",", **options: Any) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, **options).writerows(rows)
    return text.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def workbook(**sheets: Rows) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read(path: Path, chosen: dict | None = None) -> tuple[reading.Reader, Rows]:
    """What a file holds when nothing about it is doubtful."""
    found = reading.detect(path, chosen)
    assert not found.doubts, found
    return read_as(path, found.layout)


def read_as(path: Path, layout: reading.Layout) -> tuple[reading.Reader, Rows]:
    reader = reading.open_file(path, layout)
    rows: Rows = []
    for chunk in reader.chunks:
        rows += map(list, zip(*chunk.to_pydict().values(), strict=True))
    return reader, rows


def refusal(path: Path, chosen: dict | None = None) -> str:
    """The sentence that a file is refused with, when looked at or when read."""
    with pytest.raises(reading.Unreadable) as caught:
        read(path, chosen)
    return str(caught.value)

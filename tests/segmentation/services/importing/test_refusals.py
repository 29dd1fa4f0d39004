"""What is no table gets a sentence; limits are kept while reading, not afterwards."""

from __future__ import annotations

import gzip
import io
import struct
import time
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segmentation.services.importing import reading
from segmentation.services.importing.reading import delimited, packing
from tests.segmentation.services.importing.files import (
    read,
    refusal,
    workbook,
    written,
    zipped,
)

TABLE = b"customer,item\nc-1,tea\n"
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)

NO_TABLES = [
    (b"", "The file is empty."),
    (gzip.compress(b"", mtime=0), "The file is empty."),
    (b"\n \n\n", "nothing but blank lines"),
    (b"\n\ncustomer,item\nc-1,tea\n", "The first line is blank; it must hold"),
    (b"customer,item\n", "column names but no rows"),
    (b"customer,item", "column names but no rows"),
    (b"customer,item\nc-\x00,tea\n", "The file holds NUL bytes"),
    (bytes(range(1, 256)) * 9, "a program's own binary format"),
    (b"<!DOCTYPE html><html>", "is a web page, not a table"),
    (b"\xef\xbb\xbf\n<!-- x -->\n<table><tr>", "is a web page, not a table"),
    ("<html><body>".encode("utf-16"), "is a web page, not a table"),
    (b'<?xml version="1.0"?><feed/>', "The file is XML, not a table"),
    (b"%PDF-1.7\n", "of the kind PDF, not a table"),
    (b"\x89PNG\r\n\x1a\n", "of the kind PNG, not a table"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF", "of the kind JPEG, not a table"),
    (b"Rar!\x1a\x07", "of the kind RAR, not a table"),
    (b"SQLite format 3\0", "of the kind SQLite, not a table"),
    (OLD_EXCEL, "an old Excel (.xls) or one with a password"),
    (
        b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/vnd.oasis.opendocument",
        "damaged",
    ),
    (zipped({"a.csv": TABLE, "b.csv": TABLE}), "holds 2 files; pack one table alone"),
    (zipped({}), "holds 0 files"),
    (zipped({"../a.csv": TABLE}), "outside of itself (../a.csv)"),
    (zipped({"/etc/a.csv": TABLE}), "outside of itself (/etc/a.csv)"),
    (zipped({"..\\a.csv": TABLE}), "outside of itself"),
    (zipped({"C:/a.csv": TABLE}), "outside of itself (C:/a.csv)"),
    (zipped({"a.zip": zipped({"a.csv": TABLE})}), "an archive in an archive"),
    (gzip.compress(TABLE * 99, mtime=0)[:-9], "damaged or cut off"),
    (gzip.compress(b"%PDF-1.7", mtime=0), "of the kind PDF"),
    (b"PK\x03\x04 and no more", "damaged or cut off"),
    (b"PAR1 and no more", "Parquet file is damaged"),
    (b'[{"id": 1}, {"id"', "breaks off or is broken in element 2"),
    (b'{"a" 1}\n{"b"}\n', "holds no JSON objects"),
    (workbook(Empty=[]), "no visible sheet with any rows"),
]


@pytest.mark.parametrize(("content", "says"), NO_TABLES)
def test_what_is_no_table_gets_a_sentence(content, says, tmp_path):
    assert says in refusal(written(tmp_path / "file.csv", content))


def test_a_file_that_is_gone_is_told(tmp_path):
    assert "is gone" in refusal(tmp_path / "nothing.csv")


def test_a_nul_byte_deep_inside_is_told_with_its_line(tmp_path):
    text = TABLE + b"c-2,milk\n" * 900_000 + b"c-3,\x00\n" + b"c-4,cake\n" * 900_000
    path = written(tmp_path / "file.csv", text)
    assert "The file holds NUL bytes" in refusal(path)
    told = refusal(path, {"encoding": "utf-8"})
    assert told.startswith("Line 900003 holds a NUL byte")


def test_a_password_is_told(tmp_path):
    content = bytearray(zipped({"a.csv": TABLE}))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        place = content.index(mark) + (6 if mark == b"PK\x03\x04" else 8)
        content[place] |= 1
    assert "has a password" in refusal(written(tmp_path / "a.zip", bytes(content)))


def test_a_workbook_that_is_cut_off_is_told(tmp_path):
    whole = workbook(Data=[["id"], [1]])
    path = written(tmp_path / "a.xlsx", whole[: len(whole) // 2])
    assert "damaged" in refusal(path)
    assert "no sheet “Other”" in refusal(
        written(tmp_path / "b.xlsx", whole), {"sheet": "Other"}
    )


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be"])
def test_xml_that_declares_entities_is_refused_before_it_is_parsed(codec, tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet/>'
    file = io.BytesIO(workbook(Data=[["id"], [1]]))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(
            "xl/worksheets/sheet2.xml",
            " " * 2**20 + bomb.encode(codec).decode("latin-1"),
        )
    told = refusal(written(tmp_path / "bomb.xlsx", file.getvalue()))
    assert "declares XML entities of its own (in xl/worksheets/sheet2.xml)" in told


def lying(content: bytes) -> bytes:
    """The archive with directory entries that claim one byte for each file."""
    content = bytearray(content)
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            content[at + place : at + place + 4] = struct.pack("<I", 1)
    return bytes(content)


def test_what_unpacks_into_too_much_is_refused_while_it_does(tmp_path, settings):
    settings.STRATA_IMPORT_MAX_EXPANDED_MB = 3
    huge = b"id,v\n" + b"1,2\n" * 2**20
    bombs = {
        "a.gz": gzip.compress(huge, mtime=0),
        "a.zip": zipped({"a.csv": huge}),
        "a.xlsx": workbook(Data=[["id"], [1]]),
    }
    file = io.BytesIO(bombs["a.xlsx"])
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/x.bin", huge)
    bombs["a.xlsx"] = file.getvalue()
    for name, content in bombs.items():
        assert len(content) < 50_000
        told = refusal(written(tmp_path / name, content))
        assert "Unpacked, the file has more than 3 MB" in told
        assert "STRATA_IMPORT_MAX_EXPANDED_MB" in told


def test_an_archive_that_lies_about_its_size_brings_no_more_than_it_said(tmp_path):
    path = written(tmp_path / "a.zip", lying(zipped({"a.csv": TABLE * 2**16})))
    assert "damaged" in refusal(path)


def test_a_parquet_file_that_unpacks_into_too_much_is_refused(tmp_path, settings):
    settings.STRATA_IMPORT_MAX_EXPANDED_MB = 1
    path = tmp_path / "a.parquet"
    texts = [f"{n:0200}" for n in range(20_000)]
    pq.write_table(pa.table({"v": texts}), path)
    assert "Unpacked" in refusal(path)


def test_a_file_that_is_too_big_is_refused_unread(tmp_path, settings):
    settings.STRATA_IMPORT_MAX_MB = 1
    told = refusal(written(tmp_path / "a.csv", TABLE + b"c,t\n" * 2**19))
    assert "has 3 MB; at most 1 MB are read (STRATA_IMPORT_MAX_MB)" in told


FILES = {
    "csv": b"id,v,w\n" + b"1,2,3\n" * 5,
    "jsonl": b'{"id":1,"v":2,"w":3}\n' * 5,
    "xlsx": workbook(Data=[["id", "v", "w"], *[[1, 2, 3]] * 5]),
}


@pytest.mark.parametrize("kind", FILES)
def test_too_many_rows_or_columns_are_refused(kind, tmp_path, settings):
    path = written(tmp_path / "file", FILES[kind])
    settings.STRATA_IMPORT_MAX_ROWS = 4
    assert "more than 4 rows (STRATA_IMPORT_MAX_ROWS)" in refusal(path)
    settings.STRATA_IMPORT_MAX_ROWS = 5
    settings.STRATA_IMPORT_MAX_COLUMNS = 2
    assert "has 3 columns; at most 2 are read" in refusal(path)
    settings.STRATA_IMPORT_MAX_COLUMNS = 3
    assert len(read(path)[1]) == 5


def test_a_cell_that_is_too_long_is_refused_with_its_row_and_column(tmp_path, settings):
    settings.STRATA_IMPORT_MAX_CELL = 1000
    long = "é" * 1001
    rows = [["id", "note"], ["1", "x"], ["2", long]]
    contents = {
        "a.csv": f"id,note\n1,x\n2,{long}\n".encode(),
        "a.xlsx": workbook(Data=rows),
    }
    for name, content in contents.items():
        told = refusal(written(tmp_path / name, content))
        assert "Row 3 has a cell of 1001 characters (column “note”)" in told
    fits = f"id,note\n1,{long[:1000]}\n".encode()
    assert len(read(written(tmp_path / "b.csv", fits))[1]) == 1


def test_two_of_the_longest_cells_fit_into_a_row_whatever_the_script(
    tmp_path, settings
):
    settings.STRATA_IMPORT_MAX_CELL = 600_000
    long = "\U0001f600" * 600_000
    content = f"id,note\n1,x\n{long},{long}\n2,y\n".encode()
    _reader, rows = read(written(tmp_path / "a.csv", content))
    assert rows == [["1", "x"], [long, long], ["2", "y"]]


def test_a_row_that_fits_into_no_block_is_refused_with_its_number(tmp_path):
    content = b"id,note\n1,x\n" + b"2," + b"y" * 5_000_000 + b"\n3,z\n"
    told = refusal(written(tmp_path / "a.csv", content))
    assert told.startswith("Row 3 goes on for more than 2 MB: is a quote opened")


def test_a_file_is_not_read_far_ahead_of_whoever_takes_its_rows(tmp_path, monkeypatch):
    """What is read ahead lies in memory: it decides whether a long file fits there."""
    path = written(tmp_path / "big.csv", TABLE + b"c-2,milk\n" * 14_000_000)
    n_read = [0]
    opened = packing.Source.read
    monkeypatch.setattr(
        packing.Source,
        "read",
        lambda self, n: n_read.append(n_read[-1] + n) or opened(self, n),
    )
    reader = reading.open_file(path, reading.detect(path).layout)
    next(reader.chunks)
    before = 0
    while before < (before := n_read[-1]):  # until the parser's thread has enough
        time.sleep(0.2)
    reader.chunks.close()
    assert before < 80 * 2**20 < path.stat().st_size


def test_no_more_than_pieces_of_a_big_file_are_looked_at(
    tmp_path, monkeypatch, settings
):
    path = written(tmp_path / "big.csv", TABLE + b"c-2,milk\n" * 600_000)
    settings.STRATA_IMPORT_MAX_CELL = 1000
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 2**16)
    n_read = []
    opened = packing.Source.read
    monkeypatch.setattr(
        packing.Source, "read", lambda self, n: n_read.append(n) or opened(self, n)
    )
    reader = reading.open_file(path, reading.detect(path).layout)
    assert next(reader.chunks).num_rows
    reader.chunks.close()
    assert sum(n_read) < path.stat().st_size / 2


def test_a_sheet_that_claims_endless_rows_is_refused(tmp_path):
    whole = zipfile.ZipFile(io.BytesIO(workbook(Data=[["id"], [1], [2]])))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in whole.namelist():
            content = whole.read(name)
            content = content.replace(b'<row r="3"', b'<row r="999999999999"')
            archive.writestr(name, content)
    told = refusal(written(tmp_path / "a.xlsx", file.getvalue()))
    assert "at most 1,048,576 rows" in told

"""JSON, workbooks, Parquet and packed files: the same rows, whatever holds them."""

from __future__ import annotations

import datetime as dt
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segmentation.services.importing import reading
from segmentation.services.importing.reading import delimited, jsonlines, workbooks
from tests.segmentation.services.importing.files import (
    delimited as csv_of,
)
from tests.segmentation.services.importing.files import (
    read,
    workbook,
    written,
    zipped,
)

HEADERS = ["customer", "item", "amount"]
ROWS = [["c-1", "tea", "3.50"], ["c-2", "茶", "2"], ["00123", "Crème", ""]]
OBJECTS = [dict(zip(HEADERS, row, strict=True)) for row in ROWS]


def lines(*objects: object) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects)


def contents() -> dict[str, bytes]:
    table = pa.table({h: [row[n] for row in ROWS] for n, h in enumerate(HEADERS)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return {
        "csv": csv_of([HEADERS, *ROWS]).encode(),
        "jsonl": lines(*OBJECTS).encode(),
        "json": json.dumps(OBJECTS, indent=1).encode(),
        "xlsx": workbook(Sales=[HEADERS, *ROWS]),
        "parquet": sink.getvalue().to_pybytes(),
    }


@pytest.mark.parametrize("packing", ["", "gzip", "zip"])
@pytest.mark.parametrize("format", ["csv", "jsonl", "json", "xlsx", "parquet"])
def test_every_format_packed_or_not_holds_the_same_rows(format, packing, tmp_path):
    content = contents()[format]
    if packing:
        members = {"out/table": content, "__MACOSX/table": b"x", "out/.DS_Store": b"x"}
        packed = zipped(members) if packing == "zip" else gzip.compress(content)
    path = written(tmp_path / "file", packed if packing else content)
    found = reading.detect(path)
    assert (found.layout.format, found.layout.packing) == (format, packing)
    assert found.reasons["format"]
    reader, rows = read(path)
    assert [reader.headers, *rows] == [HEADERS, *ROWS]
    assert 0 < reader.bytes_read() <= reader.n_bytes == path.stat().st_size


def test_bytes_read_grow_to_the_size_of_the_file(tmp_path, monkeypatch, settings):
    settings.STRATA_IMPORT_MAX_CELL = 1000
    text = "customer,item\n" + "c-1,tea\n" * 300_000
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 2**17)
    for content in (text.encode(), gzip.compress(text.encode(), 1)):
        reader = reading.open_file(
            path := written(tmp_path / "file.csv", content),
            reading.detect(path).layout,
        )
        seen = [reader.bytes_read() for _chunk in reader.chunks]
        assert seen == sorted(seen) and len(set(seen)) > 5
        assert reader.bytes_read() == reader.n_bytes


def test_json_keeps_digits_flattens_objects_and_joins_lists(tmp_path):
    text = (
        '{"id":"00123","price":1.10,"who":{"name":"Ann","at":{"city":"Rome"}}}\n'
        '{"id":12345678901234567890,"tags":["a","b",3],"ok":true,"none":null}\n'
        '\n{"id":3,"lines":[{"sku":"x"}]}\n'
    )
    reader, rows = read(written(tmp_path / "file.json", text))
    names = ["id", "price", "who.name", "who.at.city", "tags", "ok", "none", "lines"]
    assert reader.headers == names
    assert rows == [
        ["00123", "1.10", "Ann", "Rome", None, None, None, None],
        ["12345678901234567890", None, None, None, "a;b;3", "true", None, None],
        ["3", None, None, None, None, None, None, '[{"sku": "x"}]'],
    ]


def test_lines_that_are_no_objects_are_kept_as_they_are(tmp_path):
    text = '{"id":1}\nnonsense\n[1]\n{"id":2\n{"id":3}\n'
    reader, rows = read(written(tmp_path / "file.jsonl", text))
    assert rows == [["1"], ["3"]]
    assert reader.ragged == [(2, ["nonsense"]), (3, ["[1]"]), (4, ['{"id":2'])]
    assert reader.ragged_reason == "is not a JSON object"


def test_a_field_that_comes_late_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonlines, "HEAD_ROWS", 2)
    path = written(tmp_path / "file.jsonl", lines({"a": 1}, {"b": 2}, {"c": 3, "a": 4}))
    reader, rows = read(path)
    assert rows == [["1", None], [None, "2"], ["4", None]]
    assert "“c” first comes after row" in reader.notices[0]


def test_an_array_over_many_pieces_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonlines, "PIECE", 7)
    objects = [{"id": str(n), "name": "茶é" * n} for n in range(40)]
    path = written(tmp_path / "a.json", json.dumps(objects, ensure_ascii=False))
    assert read(path)[1] == [list(each.values()) for each in objects]
    path = written(tmp_path / "b.json", lines(*objects))
    assert read(path)[1] == [list(each.values()) for each in objects]


def test_json_in_another_encoding(tmp_path):
    path = written(tmp_path / "file.json", lines(*OBJECTS).encode("utf-16"))
    assert read(path)[1] == ROWS
    text = lines({"客户": "张三", "商品": "红茶和牛奶"})
    path = written(tmp_path / "file.json", text.encode("gb18030"))
    assert read(path)[1] == [["张三", "红茶和牛奶"]]


def test_cells_of_a_workbook_are_what_a_person_sees_in_it(tmp_path):
    when = dt.datetime.fromisoformat("2024-01-31T10:30")
    day = dt.datetime.fromisoformat("2024-01-31")
    rows = [
        ["id", "title", "price", "when", "day", "ok", " "],
        [17850, "Tea", 2.5, when, day, True, None],
        ["00123", " kept ", 1e-3, None, None, False, "x"],
        [],
        [17850.0, None, 1234567890123, None, None, None, None],
    ]
    reader, got = read(written(tmp_path / "file.xlsx", workbook(Data=rows)))
    assert reader.headers == ["id", "title", "price", "when", "day", "ok", "column 7"]
    assert got == [
        ["17850", "Tea", "2.5", "2024-01-31 10:30:00", "2024-01-31", "true", ""],
        ["00123", " kept ", "0.001", "", "", "false", "x"],
        ["17850", "", "1234567890123", "", "", "", ""],
    ]


def test_a_workbook_of_several_sheets_asks_which(tmp_path):
    book = workbook(Notes=[["read me"]], Sales=[HEADERS, *ROWS], Empty=[])
    path = written(tmp_path / "file.xlsx", book)
    found = reading.detect(path)
    assert found.doubts["sheet"] == ["Notes", "Sales"]
    assert read(path, {"sheet": "Sales"})[1] == ROWS


def test_rows_wider_than_the_sheets_header_are_kept_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(workbooks, "ROWS", 2)
    rows = [["id", "v"], [1, 2], [3], [4, 5, 6], [7, 8]]
    reader, got = read(written(tmp_path / "file.xlsx", workbook(Data=rows)))
    assert got == [["1", "2"], ["3", ""], ["7", "8"]]
    assert reader.ragged == [(4, ["4", "5", "6"])]


def test_parquet_keeps_types_and_flattens_what_is_nested(tmp_path):
    table = pa.table(
        {
            "id": [1, 2],
            "who": [{"name": "Ann", "at": {"city": "Rome"}}, None],
            "tags": [["a", "b"], None],
            "kind": pa.array(["x", "y"]).dictionary_encode(),
        }
    )
    path = tmp_path / "file.parquet"
    pq.write_table(table, path)
    reader, rows = read(path)
    assert reader.headers == ["id", "who.name", "who.at.city", "tags", "kind"]
    assert rows == [[1, "Ann", "Rome", "a;b", "x"], [2, None, None, None, "y"]]
    assert reader.n_rows == 2

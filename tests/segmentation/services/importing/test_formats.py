"""JSON, workbooks, Parquet and packed files: the same rows, whatever holds them."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import zipfile

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
    refusal,
    workbook,
    written,
    zipped,
)

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
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


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('{"a": NaN, "b": Infinity}', ["NaN", "Infinity"]),
        (r'{"a": "x\ud800", "b": "\ud83d\ude00"}', ["x?", "😀"]),
    ],
)
def test_json_that_others_write_is_text_all_the_same(line, row, tmp_path):
    text = '{"a": "1", "b": "2"}\n' + line + "\n"
    assert read(written(tmp_path / "file.jsonl", text))[1] == [["1", "2"], row]


def test_brackets_in_brackets_without_end_are_one_bad_row(tmp_path):
    deep = '{"a": ' + "[" * 3000 + "]" * 3000 + "}"
    path = written(tmp_path / "file.jsonl", f'{{"a": "1"}}\n{deep}\n{{"a": "2"}}\n')
    reader, rows = read(path)
    assert rows == [["1"], ["2"]]
    assert [number for number, _cells in reader.ragged] == [2]
    path = written(tmp_path / "file.json", f'[{{"a": "1"}}, {deep}]')
    with pytest.raises(reading.Unreadable, match="broken in element 2"):
        read(path)


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
        '\n{"id":3,"parts":[{"sku":"x"}]}\n'
    )
    path = written(tmp_path / "file.json", text)
    reader, rows = read(path, {"lines": ""})
    names = ["id", "price", "who.name", "who.at.city", "tags", "ok", "none", "parts"]
    assert reader.headers == names
    assert rows == [
        ["00123", "1.10", "Ann", "Rome", None, None, None, None],
        ["12345678901234567890", None, None, None, "a;b;3", "true", None, None],
        ["3", None, None, None, None, None, None, '[{"sku": "x"}]'],
    ]


ORDERS = (
    {
        "id": "1",
        "who": {"name": "Ann"},
        "cart": {"items": [{"sku": "a"}, {"sku": "b"}]},
    },
    {"id": "2", "cart": {"items": [], "n": 0}, "notes": [{"name": "x", "value": "y"}]},
    {"id": "3", "cart": {"items": [{"sku": "c", "size": {"eu": 42}}, "d"]}},
    {"id": "4"},
)


@pytest.mark.parametrize("is_array", [False, True])
def test_rows_in_a_list_of_each_object_are_rows_with_the_rest_repeated(
    is_array, tmp_path
):
    text = json.dumps(ORDERS) if is_array else lines(*ORDERS)
    path = written(tmp_path / "file", text)
    found = reading.detect(path)
    assert (
        found.layout.lines == "cart.items" and "“cart.items”" in found.reasons["lines"]
    )
    reader, rows = read(path)
    assert reader.headers == [
        *("id", "who.name", "cart.items.sku", "cart.n", "notes"),
        *("cart.items.size.eu", "cart.items"),
    ]
    notes = json.dumps(ORDERS[1]["notes"])
    assert rows == [
        ["1", "Ann", "a", None, None, None, None],
        ["1", "Ann", "b", None, None, None, None],
        ["2", None, None, "0", notes, None, None],
        ["3", None, "c", None, None, "42", None],
        ["3", None, None, None, None, None, "d"],
        ["4", None, None, None, None, None, None],
    ]
    whole = read(path, {"lines": ""})[1]
    assert [row[0] for row in whole] == ["1", "2", "3", "4"]


def test_lists_of_which_any_may_hold_the_rows_are_asked_about_by_name(tmp_path):
    address = {"id": 1, "addresses": [{"city": "Rome"}]}
    found = reading.detect(written(tmp_path / "a.jsonl", lines(address)))
    assert found.doubts["lines"] == ["addresses", ""]
    assert "list of rows: “addresses” or none" in found.ask()
    both = {"id": 1, "items": [{"sku": "a"}], "events": [{"type": "x"}]}
    path = written(tmp_path / "b.jsonl", lines(both, {"id": 2}))
    assert reading.detect(path).doubts["lines"] == ["items", "events", ""]
    assert len(read(path, {"lines": "events"})[1]) == 2
    fields = {"id": 1, "params": [{"key": "a", "value": {"int": 1}}], "tags": ["x"]}
    found = reading.detect(written(tmp_path / "c.jsonl", lines(fields)))
    assert not found.doubts and not found.layout.lines


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


def test_a_sheet_may_leave_out_its_size_its_places_and_its_formats(tmp_path):
    """As programs write that are no spreadsheets: ECMA-376 makes all these optional."""
    sheet = (
        "<row><c t='inlineStr'><is><t>id</t></is></c><c t='str'><v>name</v></c></row>"
        "<row r='5'><c r='A5'><v>7.0</v></c><c r='B5' t='s'><v>0</v></c></row>"
        "<row r='6'><c r='B6' t='inlineStr'><is><r><t>two </t></r><r><t>runs</t></r>"
        "</is></c></row><row r='7'><c r='A7'><v>6.9500000000000002</v></c></row>"
    )
    shared = "<si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></si>"
    path = written(tmp_path / "a.xlsx", bare_workbook(sheet, shared))
    reader, rows = read(path)
    assert reader.headers == ["id", "name"]
    assert rows == [["7", "東京"], ["", "two runs"], ["6.95", ""]]


def test_formulas_that_were_never_computed_are_blank_and_that_is_said(tmp_path):
    """As libraries write them; a spreadsheet program stores the value beside it."""
    sheet = (
        "<row><c t='inlineStr'><is><t>id</t></is></c>"
        "<c t='inlineStr'><is><t>price</t></is></c></row>"
        "<row r='2'><c r='A2'><v>1</v></c><c r='B2'><f>A2*2</f><v>2</v></c></row>"
        "<row r='3'><c r='A3'><v>2</v></c><c r='B3'><f>A3*2</f><v></v></c></row>"
        "<row r='4'><c r='A4'><v>3</v></c><c r='B4'><f>A4*2</f></c></row>"
        "<row r='5'><c r='A5'><v>4</v></c>"
        "<c r='B5' t='str'><f>\"\"</f><v></v></c></row>"
        "<row r='6'><c r='A6'><v>5</v></c><c r='B6'></c></row>"
    )
    path = written(tmp_path / "a.xlsx", bare_workbook(sheet, ""))
    reader, rows = read(path)
    assert rows == [["1", "2"], ["2", ""], ["3", ""], ["4", ""], ["5", ""]]
    (notice,) = reader.notices
    assert notice.startswith("2 cells in “price”, the first in row 3 of the sheet")
    assert "never computed" in notice


def test_a_text_that_no_list_shares_is_damage(tmp_path):
    sheet = "<row><c t='inlineStr'><is><t>id</t></is></c></row>"
    sheet += "<row><c t='s'><v>3</v></c></row>"
    path = written(tmp_path / "a.xlsx", bare_workbook(sheet, "<si><t>x</t></si>"))
    assert "damaged" in refusal(path)


def bare_workbook(sheet: str, shared: str) -> bytes:
    """A workbook of one sheet with these rows, and nothing that is not needed."""
    whole = zipfile.ZipFile(io.BytesIO(workbook(Data=[["id"], ["x"]])))
    parts = {name: whole.read(name) for name in whole.namelist()}
    space = f"xmlns='{MAIN}'"
    rows = f"<worksheet {space}><sheetData>{sheet}</sheetData></worksheet>"
    parts["xl/worksheets/sheet1.xml"] = rows.encode()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    told = f"<Override PartName='/xl/sharedStrings.xml' ContentType='{kind}"
    told += ".sharedStrings+xml'/></Types>"
    types = parts["[Content_Types].xml"].decode()
    parts["[Content_Types].xml"] = types.replace("</Types>", told).encode()
    parts["xl/sharedStrings.xml"] = f"<sst {space}>{shared}</sst>".encode()
    return zipped(parts)


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

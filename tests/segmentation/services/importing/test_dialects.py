"""Delimiters, quotes and headers: what is found out, asked, overruled and refused."""

from __future__ import annotations

import pytest

from segmentation.services.importing import reading
from segmentation.services.importing.reading import delimited as delimited_files
from segmentation.services.importing.reading import packing
from tests.segmentation.services.importing.files import (
    delimited,
    read,
    read_as,
    refusal,
    written,
)

ROWS = [
    ["customer", "item", "note"],
    ["c-1", "tea", "a;b, c|d"],
    ["c-2", "milk", 'he said "no"'],
    ["c-3", "cake", "two\nlines"],
    ["c-4", "", " kept "],
]
DELIMITERS = [",", ";", "\t", "|", "^", "~"]


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("quoting", [0, 1, 2])
def test_the_delimiter_is_found_whatever_stands_in_quotes(delimiter, quoting, tmp_path):
    text = delimited(ROWS, delimiter, quoting=quoting)
    path = written(tmp_path / "file.txt", text)
    reader, rows = read(path)
    assert [reader.headers, *rows] == ROWS
    assert reading.detect(path).layout.delimiter == delimiter
    assert "5 of the first 5 lines" in reading.detect(path).reasons["delimiter"]


def test_two_colons_part_cells_also_where_a_piece_ends_between_them(
    tmp_path, monkeypatch
):
    rows = [[str(n), f"Film: part {n}:", "a:b|c"] for n in range(60_000)]
    text = "".join("::".join(row) + "\n" for row in rows).replace(":::", "::")
    path = written(tmp_path / "movies.dat", text)
    layout = reading.detect(path).layout
    assert (layout.delimiter, layout.has_header) == ("::", False)
    monkeypatch.setattr(delimited_files, "BLOCK_BYTES", 2**14 + 1)
    _reader, read_rows = read_as(path, layout)
    assert read_rows == [[a, b.removesuffix(":"), c] for a, b, c in rows]


def test_a_quote_opened_in_the_last_line_is_told(tmp_path):
    text = 'id\tname\tnote\n1\tx\ty\n2\t"Heroes\tz\n'
    told = refusal(written(tmp_path / "file.tsv", text), {"has_header": True})
    assert "a quote is opened and never closed" in told


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_backslashes_before_quotes_are_seen(delimiter, tmp_path):
    options = {"quoting": 1, "doublequote": False, "escapechar": "\\"}
    path = written(tmp_path / "file.csv", delimited(ROWS, delimiter, **options))
    reader, rows = read(path)
    assert [reader.headers, *rows] == ROWS
    assert reading.detect(path).layout.escape == "\\"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_they_like(end, tmp_path):
    text = end.join(["customer,item", "c-1,tea", "c-2,milk"])
    for whole in (text, text + end, text + end + end):
        _reader, rows = read(written(tmp_path / "file.csv", whole))
        assert rows == [["c-1", "tea"], ["c-2", "milk"]]


def test_a_spreadsheets_own_delimiter_line_is_believed(tmp_path):
    path = written(tmp_path / "file.csv", "sep=;\ncustomer;item\nc-1,5;tea\n")
    reader, rows = read(path)
    assert (reader.headers, rows) == (["customer", "item"], [["c-1,5", "tea"]])


def test_two_delimiters_that_fit_are_asked_about(tmp_path):
    path = written(tmp_path / "file.csv", "1,5;2,5\n3,5;4,5\n")
    found = reading.detect(path)
    assert sorted(found.doubts["delimiter"]) == [",", ";"]
    assert "delimiter: “,” or “;”" in found.ask()
    _reader, rows = read(path, {"delimiter": ";"})
    assert rows == [["1,5", "2,5"], ["3,5", "4,5"]]


def test_one_column_needs_no_delimiter(tmp_path):
    path = written(tmp_path / "file.csv", 'id\n1\n""\n2\n')
    assert read(path)[1] == [["1"], [""], ["2"]]
    assert "one column" in reading.detect(path).reasons["delimiter"]


@pytest.mark.parametrize(
    ("text", "has_header"),
    [
        ("customer,item\nJohn,tea\n", True),
        ("CustomerID,StockCode\nx,y\n", True),
        ("客户,商品\n张三,红茶\n", True),
        ("foo,bar\n1,2.5\n", True),
        ("foo,bar\nx,2024-01-31\n", True),
        ("1,2.5\n3,4\n", False),
        ("1,2268318,2520377,pv,1511544070\n1,2333346,2520771,pv,1511561733\n", False),
        ("a@b.example,x\nc@d.example,y\n", False),
    ],
)
def test_a_header_is_told_from_values(text, has_header, tmp_path):
    path = written(tmp_path / "file.csv", text)
    found = reading.detect(path)
    assert (found.layout.has_header, found.doubts) == (has_header, {})
    assert found.reasons["has_header"]
    reader, rows = read(path)
    whole = [line.split(",") for line in text.splitlines()]
    if has_header:
        assert [reader.headers, *rows] == whole
    else:
        names = [f"column {n + 1}" for n in range(len(whole[0]))]
        assert [reader.headers, *rows] == [names, *whole]


def test_words_above_words_are_asked_about_unless_a_mapping_knows_them(tmp_path):
    path = written(tmp_path / "file.csv", "Klant,Waar\nJan,Tee\n")
    found = reading.detect(path)
    assert found.doubts["has_header"] == ["true", "false"]
    assert "line of column names: yes or no" in found.ask()
    assert read(path, {"has_header": True})[1] == [["Jan", "Tee"]]
    assert read(path, {"has_header": "no"})[1] == [["Klant", "Waar"], ["Jan", "Tee"]]
    assert not reading.detect(path, names=["Klant"]).doubts


def test_columns_without_a_name_are_called_by_their_place(tmp_path):
    reader, rows = read(written(tmp_path / "file.csv", ",item, price \n0,tea,1\n"))
    assert reader.headers == ["column 1", "item", "price"]
    assert rows == [["0", "tea", "1"]]


def test_ragged_lines_are_kept_with_their_number(tmp_path):
    text = 'id,v\n1,2\n3\n"4",5,6\n7,8\n'
    reader, rows = read(written(tmp_path / "file.csv", text))
    assert rows == [["1", "2"], ["7", "8"]]
    assert reader.ragged == [(3, ["3"]), (4, ["4", "5", "6"])]
    assert "more or fewer cells" in reader.ragged_reason


def test_what_is_chosen_holds_against_the_guess(tmp_path):
    path = written(tmp_path / "file.csv", "'a';'b'\n'1';'x;y'\n")
    chosen = {"quote": "'", "delimiter": ";", "has_header": False}
    assert read(path, chosen)[1] == [["a", "b"], ["1", "x;y"]]
    assert reading.detect(path, chosen).reasons.keys() == {"encoding", "format"}
    plain = written(tmp_path / "plain.csv", 'id,size\n1,5"\n2,"6\n')
    assert read(plain, {"quote": ""})[1] == [["1", '5"'], ["2", '"6']]


def test_a_layout_survives_json_and_nonsense_in_it_is_named(tmp_path):
    path = written(tmp_path / "file.csv", "id\tv\n1\t2\n")
    layout = reading.detect(path).layout
    assert reading.Layout.from_json(layout.as_json()) == layout
    assert read_as(path, layout)[1] == [["1", "2"]]
    assert "has no “colour”" in refusal(path, {"colour": "red"})
    for wrong in ({"delimiter": ";;"}, {"format": "pdf"}, {"has_header": "maybe"}):
        assert "cannot be the" in refusal(path, wrong)


@pytest.mark.parametrize(
    ("rows_after", "sentence"),
    [
        (0, "In row 3 a quote is opened and never closed."),
        (400_000, "Row 3 goes on for more than 2 MB: is a quote opened there"),
    ],
)
def test_a_quote_that_is_never_closed_is_told_with_its_row(
    rows_after, sentence, tmp_path
):
    text = 'id,v\n1,x\n2,"open\n' + "3,some more text\n" * rows_after
    told = refusal(written(tmp_path / "file.csv", text))
    assert told.startswith(sentence)
    one_column = written(tmp_path / "one.csv", 'id\na\n"open\nb\n')
    assert "In row 3 a quote is opened" in refusal(one_column)


def test_the_same_column_twice_is_refused(tmp_path):
    told = refusal(written(tmp_path / "file.csv", "id,v,id\n1,2,3\n"))
    assert told == "Two columns are called id; give each its own name."


def test_blank_lines_between_rows_are_no_rows(tmp_path):
    path = written(tmp_path / "file.csv", "id,v\n\n1,2\n\n\n3,4\n\n")
    assert read(path)[1] == [["1", "2"], ["3", "4"]]


def test_a_title_above_the_table_is_asked_about(tmp_path):
    text = "Orders of May\ncustomer,item\nc-1,tea\n"
    found = reading.detect(written(tmp_path / "file.csv", text))
    assert found.doubts["delimiter"] == ["", ","]
    assert "delimiter: none or “,”" in found.ask()


def test_backslashes_that_may_mean_two_things_are_asked_about(tmp_path):
    path = written(tmp_path / "file.csv", '"item","path"\n"a","c:\\\\d"\n')
    assert reading.detect(path).doubts["escape"] == ["", "\\"]
    assert read(path, {"escape": ""})[1] == [["a", "c:\\\\d"]]
    assert read(path, {"escape": "\\"})[1] == [["a", "c:\\d"]]


STRAY = '1,5" pipe,x\n2,a "b" c,"so ""it"" is"\n3,"Best" tea,"two\nlines"\n'


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 8192])
def test_a_missing_quote_amid_a_file_is_told_with_its_lines(
    piece, tmp_path, monkeypatch
):
    read_piece = packing.Source.read
    monkeypatch.setattr(
        packing.Source, "read", lambda self, n: read_piece(self, min(n, piece))
    )
    layout = reading.Layout(format="csv", encoding="utf-8", delimiter=",")
    path = written(tmp_path / "a.csv", f"id,name,note\n{STRAY}")
    assert read_as(path, layout)[1] == [
        ["1", '5" pipe', "x"],
        ["2", 'a "b" c', 'so "it" is'],
        ["3", "Best tea", "two\nlines"],
    ]
    broken = f'id,name,note\n{STRAY}4,"tea,x\n5,"milk",y\n'
    path = written(tmp_path / "b.csv", broken)
    with pytest.raises(reading.Unreadable) as told:
        read_as(path, layout)
    assert "opened in line 6" in str(told.value)
    assert "closes it in line 7" in str(told.value)

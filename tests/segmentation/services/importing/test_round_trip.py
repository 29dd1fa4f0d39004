"""Random tables in random writing come back as they were, or are asked or refused.

Never silently different: that is the one thing a reader of files must not be.
"""

from __future__ import annotations

import csv
import gzip
import io
import json

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from segmentation.services.importing import reading
from tests.segmentation.services.importing.files import (
    read_as,
    workbook,
    written,
    zipped,
)

WORDS = {
    "en": [
        "tea",
        "milk",
        "cake",
        "order",
        "shipped",
        "large",
        "x-1",
        "00123",
        "3.50",
        "2024-01-31",
    ],
    "de": [
        "Jürgen",
        "Grüner",
        "Tee",
        "Äpfel",
        "Müßig",
        "Straße",
        "Köln",
        "süß",
        "3,50",
    ],
    "fr": [
        "Crème",
        "brûlée",
        "Zoë",
        "café",
        "très",
        "élégant",
        "naïve",
        "où",
        "garçon",
    ],
    "zh": [
        "红茶",
        "全脂牛奶",
        "张三",
        "订单已发货",
        "北京市海淀区",
        "女士连衣裙",
        "一双运动鞋",
    ],
    "tw": [
        "紅茶",
        "全脂牛奶",
        "張三",
        "訂單已出貨",
        "臺北市信義區",
        "女士連身裙",
        "一雙運動鞋",
    ],
    "ja": [
        "紅茶のカップ",
        "ミルク",
        "佐藤さん",
        "注文番号",
        "東京都渋谷区",
        "ﾐﾙｸﾁｮｺ",
        "お届け先",
    ],
}
ENCODINGS = {
    "en": ["utf-8", "utf-8-sig", "cp1252", "gb18030", "cp932", "utf-16", "utf-16-le"],
    "de": ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-be"],
    "fr": ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le"],
    "zh": ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16-le", "utf-16-be"],
    "tw": ["utf-8", "big5", "cp950", "gb18030", "utf-16-le"],
    "ja": ["utf-8", "utf-8-sig", "shift_jis", "cp932", "utf-16-le"],
}
MARKS = ["", "", "", " ", '"', "'", ",", ";", "\t", "|", "\n", "\r\n", "^", "~", "\\"]
NAMES = ["customer", "item", "order", "quantity", "price", "note"]
DELIMITERS = [",", ";", "\t", "|", "^", "~"]
QUOTINGS = [
    {"quoting": csv.QUOTE_MINIMAL},
    {"quoting": csv.QUOTE_ALL},
    {"quoting": csv.QUOTE_ALL, "doublequote": False, "escapechar": "\\"},
]
RELAXED = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def cells(language: str) -> st.SearchStrategy[str]:
    words = st.sampled_from([*WORDS[language], *WORDS["en"]])
    marked = st.tuples(words, st.sampled_from(MARKS), words).map("".join)
    return st.one_of(words, marked, st.just(""), st.integers(0, 9999).map(str))


@st.composite
def tables(draw: st.DrawFn, cell: st.SearchStrategy[str]) -> list[list[str]]:
    width = draw(st.integers(1, len(NAMES)))
    row = st.lists(cell, min_size=width, max_size=width)
    return [NAMES[:width], *draw(st.lists(row, min_size=1, max_size=12))]


@st.composite
def files(draw: st.DrawFn) -> tuple[list[list[str]], str, dict, bytes]:
    language = draw(st.sampled_from(sorted(WORDS)))
    rows = draw(tables(cells(language)))
    encoding = draw(st.sampled_from(ENCODINGS[language]))
    delimiter = draw(st.sampled_from(DELIMITERS))
    quoting = draw(st.sampled_from(QUOTINGS))
    ends = draw(st.sampled_from(["\n", "\r\n"]))
    text = io.StringIO(newline="")
    options = {"delimiter": delimiter, "lineterminator": ends, **quoting}
    csv.writer(text, **options).writerows(rows)
    truth = {
        "encoding": encoding,
        "delimiter": delimiter if len(rows[0]) > 1 else "",
        "escape": quoting.get("escapechar", ""),
        "has_header": "true",
    }
    return rows, text.getvalue(), truth, text.getvalue().encode(encoding)


def same_text(data: bytes, name: str, other: str) -> bool:
    try:
        return data.decode(name).lstrip("\ufeff") == data.decode(other).lstrip("\ufeff")
    except UnicodeDecodeError:
        return False


@RELAXED
@given(file=files(), packing=st.sampled_from(["", "gzip", "zip"]))
def test_a_table_comes_back_or_what_is_doubtful_is_asked(file, packing, tmp_path):
    rows, _text, truth, data = file
    packed = {
        "": data,
        "gzip": gzip.compress(data),
        "zip": zipped({"file.csv": data}),
    }[packing]
    path = written(tmp_path / "file", packed)
    chosen: dict = {}
    found = reading.detect(path)
    while found.doubts:  # answered as a person would who knows the file
        for name, asked in found.doubts.items():
            if name == "encoding":
                assert any(same_text(data, each, truth[name]) for each in asked)
            else:
                assert truth[name] in asked
            chosen[name] = truth[name]
        found = reading.detect(path, chosen)
    reader, got = read_as(path, found.layout)
    assert [reader.headers, *got] == rows
    assert not reader.ragged


LEGAL = st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")
ANY_CODEC = ["utf-8", "utf-16", "gb18030", "gbk", "big5", "cp932", "cp1252", "latin-1"]


@RELAXED
@given(
    rows=tables(st.text(LEGAL, max_size=12)),
    encoding=st.sampled_from(ANY_CODEC),
    delimiter=st.sampled_from(DELIMITERS),
    quoting=st.sampled_from(QUOTINGS),
)
def test_any_text_comes_back_when_its_writing_is_chosen(
    rows, encoding, delimiter, quoting, tmp_path
):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, **quoting).writerows(rows)
    data = text.getvalue().encode(encoding, "ignore")
    assume(data.decode(encoding) == text.getvalue())
    chosen = {
        "format": "csv",
        "encoding": encoding,
        "delimiter": delimiter,
        "quote": '"',
        "escape": quoting.get("escapechar", ""),
        "has_header": True,
    }
    path = written(tmp_path / "file.csv", data)
    _reader, got = read_as(path, reading.detect(path, chosen).layout)
    assert got == rows[1:]


@RELAXED
@given(rows=tables(st.text(LEGAL, max_size=12)), is_array=st.booleans())
def test_json_comes_back_whatever_the_text(rows, is_array, tmp_path):
    names, *body = rows
    objects = [dict(zip(names, row, strict=True)) for row in body]
    lines = "\n".join(map(json.dumps, objects))
    path = written(tmp_path / "file", json.dumps(objects) if is_array else lines)
    _reader, got = read_as(path, reading.detect(path).layout)
    assert got == body


@settings(RELAXED, max_examples=40)
@given(rows=tables(cells("zh")))
def test_a_workbook_comes_back(rows, tmp_path):
    assume(all(any(row) for row in rows))
    path = written(tmp_path / "file.xlsx", workbook(Data=rows))
    _reader, got = read_as(path, reading.detect(path, {"has_header": True}).layout)
    width = len(rows[0])
    plain = [[cell.replace("\r\n", "\n") for cell in row] for row in rows[1:]]
    assert [row[:width] for row in got] == plain


@pytest.mark.parametrize("language", sorted(WORDS))
def test_enough_text_is_never_asked_about(language, tmp_path):
    lines = [f"c-{n},{word}" for n, word in enumerate(WORDS[language] * 3)]
    text = "\n".join(["customer,item", *lines])
    for encoding in ENCODINGS[language]:
        path = written(tmp_path / "file.csv", text.encode(encoding))
        assert not reading.detect(path).doubts, encoding

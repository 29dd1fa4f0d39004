"""Which encoding a file is in: decided where it is plain, asked where it is not."""

from __future__ import annotations

import pytest

from segmentation.services.importing import reading
from tests.segmentation.services.importing.files import read, refusal, written

WESTERN = "customer,item,amount\nJürgen,Grüner Tee,3.5\nZoë,Crème brûlée,2\n"
SIMPLIFIED = "客户,商品,数量\n张三,红茶,3\n李四,全脂牛奶 1 升,2\n"
TRADITIONAL = "客戶,商品,數量\n張三,紅茶,3\n李四,全脂牛奶 1 公升,2\n"
JAPANESE = "顧客,商品,数量\n佐藤,紅茶のカップ,3\n鈴木,ミルク,2\n"
KANA = "id,name\n1,ｶﾌﾞｼｷｶﾞｲｼｬ ｻﾄｳ\n2,ﾐﾙｸ ﾁｮｺﾚｰﾄ\n"
KOREAN = "번호,이름\n1,홍차 상품\n2,우유 주문\n"
GERMAN = "Kunde;Artikel\nJürgen Müller;Grüner Tee, süß\nBjörn Weiß;Käse für Jäger\n"
FRENCH = "client;article\nHélène;crème brûlée à la française\nFrançois;thé glacé\n"
RUSSIAN = "id,имя\n1,Чай чёрный\n2,Молоко\n"

CERTAIN = [
    *[(WESTERN, name) for name in ("utf-8", "utf-8-sig", "latin-1", "cp1252")],
    *[(SIMPLIFIED, name) for name in ("utf-8", "utf-8-sig", "gbk", "gb18030")],
    *[(TRADITIONAL, name) for name in ("utf-8", "big5", "cp950", "gb18030")],
    *[(JAPANESE, name) for name in ("utf-8", "shift_jis", "cp932", "euc_jp")],
    (KANA, "cp932"),
    (JAPANESE, "iso2022_jp"),
    (KOREAN, "euc_kr"),
    (RUSSIAN, "cp1251"),
    ("name,note\nZoë,“10 €” – old\n", "cp1252"),
    *[(GERMAN, name) for name in ("utf-8", "cp1252", "cp850")],
    (FRENCH, "cp850"),
    ("name,qty\nJürgen,2\n", "utf-8"),
    ("name,qty\nJürgen,2\n", "latin-1"),
]
WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32")


def cells(text: str) -> list[list[str]]:
    mark = ";" if ";" in text else ","
    return [line.split(mark) for line in text.splitlines()]


@pytest.mark.parametrize(("text", "encoding"), CERTAIN)
def test_a_text_is_read_in_the_encoding_it_was_written_in(text, encoding, tmp_path):
    path = written(tmp_path / "file.csv", text.encode(encoding))
    reader, rows = read(path)
    assert [reader.headers, *rows] == cells(text)
    assert reading.detect(path).reasons["encoding"]


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("text", [WESTERN, SIMPLIFIED, JAPANESE])
def test_wide_encodings_are_seen_with_and_without_a_mark(text, encoding, tmp_path):
    path = written(tmp_path / "file.csv", text.encode(encoding))
    reader, rows = read(path)
    assert [reader.headers, *rows] == cells(text)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("name,qty\n中文,2\n", "gbk"),
        ("name,qty\n手機,2\n", "big5"),
        ("name,qty\n茶,2\n", "shift_jis"),
        ("name,qty\nJürgen,2\n", "cp850"),
        ("id,name\n" + "1,thé à la menthe\n" * 40, "latin-1"),
    ],
)
def test_too_few_letters_are_asked_about_and_the_answer_holds(text, encoding, tmp_path):
    path = written(tmp_path / "file.csv", text.encode(encoding))
    found = reading.detect(path)
    asked = found.doubts["encoding"]
    assert len(asked) > 1
    assert "Choose for it: encoding" in found.ask()
    assert text in [path.read_bytes().decode(name) for name in asked]
    reader, rows = read(path, {"encoding": encoding})
    assert [reader.headers, *rows] == cells(text)


def test_letters_at_the_far_end_of_a_file_count(tmp_path):
    plain = "c-1,tea\n" * 50_000
    path = written(
        tmp_path / "file.csv",
        f"customer,item\n{plain}Zoë,Crème brûlée\n".encode("cp1252"),
    )
    _reader, rows = read(path)
    assert rows[-1] == ["Zoë", "Crème brûlée"]


def test_an_encoding_that_does_not_fit_is_told_with_its_line(tmp_path):
    lines = ["customer,item", *["c-1,tea"] * 300_000, "Jürgen,tea"]
    path = written(tmp_path / "file.csv", "\n".join(lines).encode("latin-1"))
    told = refusal(path, {"encoding": "utf-8"})
    assert told.startswith("The file is not in utf-8: line 300002 has a byte")
    path = written(tmp_path / "file.csv", "\n".join(lines).encode("latin-1"))
    assert "not in shift_jis: line 300002" in refusal(path, {"encoding": "shift_jis"})


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("สวัสดีชาวโลก", "cp874"), ("Cr\x8fme br\x9el\x8fe", "latin-1")],
)
def test_an_encoding_that_nobody_foresaw_is_asked_about(text, encoding, tmp_path):
    path = written(tmp_path / "file.csv", f"id,name\n1,{text}\n".encode(encoding))
    assert len(reading.detect(path).doubts["encoding"]) > 1


@pytest.mark.parametrize("name", ["klingon", "base64", "rot13", "idna"])
def test_what_is_no_encoding_of_text_is_refused(name, tmp_path):
    path = written(tmp_path / "file.csv", WESTERN)
    assert f"“{name}” is no encoding" in refusal(path, {"encoding": name})

"""Files of more than 100,000 rows, made by whole columns."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tests.segmentation.files.cases import Case
from tests.segmentation.files.catalogues import GOOGLE
from tests.segmentation.files.logs import GA4, REES46, ga4
from tests.segmentation.files.people import HM, LASTFM, ML_1M
from tests.segmentation.files.research import (
    KUAIREC,
    RATINGS,
    RETAIL_II,
    RETAILROCKET,
    REVIEWS,
    TAOBAO,
    YOOCHOOSE,
    review,
)
from tests.segmentation.files.taste import LISTEN

N = 100_500
MOVIELENS = "https://vincentarelbundock.github.io/Rdatasets/doc/dslabs/movielens.html"
ROW = np.arange(N)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def _texts(pattern: str, numbers: Any) -> pa.Array:
    return pa.array([pattern % number for number in np.asarray(numbers).tolist()])


def _words(words: tuple[str, ...]) -> pa.Array:
    """The words in turn."""
    return pa.array(words).take(pa.array(ROW % len(words)))


def _stamps(seconds: Any, pattern: str) -> pa.Array:
    """Seconds since 1970 as texts."""
    times = pa.array(np.asarray(seconds), pa.int64()).cast(pa.timestamp("s"))
    return pa.compute.strftime(times, pattern)


def _csv(
    path: Path, columns: dict[str, Any], delimiter: str = ",", **options: Any
) -> None:
    written = pa.csv.WriteOptions(
        delimiter=delimiter, quoting_style=options.pop("quoting", "needed"), **options
    )
    pa.csv.write_csv(pa.table(columns), path, written)


def _bare(path: Path, columns: list[Any], delimiter: str = ",") -> None:
    """Without a header and without quotes."""
    named = {str(n): column for n, column in enumerate(columns)}
    _csv(path, named, delimiter, include_header=False, quoting="none")


def _movielens(path: Path) -> None:
    rating = np.where(ROW % 1000 == 0, -1, 0.5 + ROW % 10 / 2)
    columns = {"userId": 1 + ROW % 610, "movieId": ROW % 9724}
    _csv(path, columns | {"rating": rating, "timestamp": 964_982_703 + ROW})


def _retailrocket(path: Path) -> None:
    event = _words(("view", "view", "view", "addtocart", "transaction"))
    bought = pa.array(ROW, mask=ROW % 5 != 4)
    columns = {
        "timestamp": 1_433_221_332_117 + 1000 * (ROW % (N - 500)),
        "visitorid": ROW % (N - 500) % 30_000,
        "event": event,
        "itemid": ROW % (N - 500) % 9000,
        "transactionid": bought,
    }
    _csv(path, columns)


def _yoochoose(path: Path) -> None:
    _bare(
        path,
        [
            ROW // 3,
            _stamps(1_396_776_669 + ROW, "%Y-%m-%dT%H:%M:%S.277Z"),
            214_536_502 + ROW % 5000,
            _words(("0", "S", "12", "brand")),
        ],
    )


def _rees46(path: Path) -> None:
    plain = path.with_suffix(".csv")
    _csv(
        plain,
        {
            "event_time": _stamps(1_569_888_000 + ROW, "%Y-%m-%d %H:%M:%S UTC"),
            "event_type": _words(("view", "cart", "view", "purchase")),
            "product_id": 1_004_237 + ROW % 4000,
            "category_id": 2_053_013_555_631_882_655 + ROW % 90,
            "category_code": _words(("electronics.smartphone", "")),
            "brand": _words(("apple", "", "samsung")),
            "price": np.round(10 + ROW % 5000 / 7, 2),
            "user_id": 535_871_217 + ROW % 9000,
            "user_session": _texts("c6bd7419-2748-4c56-95b4-%012x", ROW // 4),
        },
    )
    path.write_bytes(gzip.compress(plain.read_bytes(), 1))


def _kuairec(path: Path) -> None:
    watched = pa.array(np.round(ROW % 300 / 100, 4), mask=ROW % 100 == 0)
    seconds = 1_593_878_903 + ROW
    columns = {
        "user_id": ROW % 7176,
        "video_id": ROW % 10728,
        "play_duration": ROW % 60_000,
        "video_duration": 10867 + ROW % 99,
        "time": _stamps(seconds, "%Y-%m-%d %H:%M:%S.438"),
        "date": _stamps(seconds, "%Y%m%d"),
        "timestamp": seconds + 0.438,
        "watch_ratio": watched,
    }
    _csv(path, columns)


def _taobao(path: Path) -> None:
    words = _words(("pv", "pv", "cart", "fav", "buy"))
    known = [1 + ROW % 9000, 2_268_318 + ROW % 6000, 2_520_377 + ROW % 90]
    _bare(path, [*known, words, 1_511_544_070 + ROW])


def _hm(path: Path) -> None:
    table = pa.table(
        {
            "t_dat": _stamps(1_537_401_600 + ROW // 400 * 86_400, "%Y-%m-%d"),
            "customer_id": _texts("%064x", ROW % 9000),
            "article_id": 663_713_001 + ROW % 5000,
            "price": 0.0508 + ROW % 7,
            "sales_channel_id": 1 + ROW % 2,
        }
    )
    pq.write_table(table, path)


def _lastfm(path: Path) -> None:
    track = _texts("f1b1cf71-bd35-4e99-8624-%012x", ROW % 20_000)
    track = pa.compute.if_else(pa.array(ROW % 10 == 0), "", track)
    names = _words(("The Dogs D'Amour", "Sigur Rós", "東京事変", "M.I.A."))
    who = _texts("user_%06d", ROW % 992)
    when = _stamps(1_239_155_867 - ROW, "%Y-%m-%dT%H:%M:%SZ")
    _bare(path, [who, when, names, names, track, names], "\t")


def _ratings(path: Path) -> None:
    _bare(
        path,
        [
            _texts("A%013d", ROW % 30_000),
            _texts("%010d", ROW % 9000),
            _words(("5.0", "1.0", "4.0")),
            1_390_000_000 + ROW // 20_000 * 86_400,
        ],
    )


def _ml_1m(path: Path) -> None:
    text = [
        f"{n % 6040}::{n % 3952}::{1 + n % 5}::{978_300_760 + n}\n" for n in range(N)
    ]
    path.write_text("".join(text))


def _jsonl(path: Path, row: Any) -> None:
    path.write_text("".join(json.dumps(row(n)) + "\n" for n in range(N)))


def _google(path: Path) -> None:
    kinds = ("in_stock", "out_of_stock", "preorder")
    columns = {
        "id": _texts("SKU-%06d", ROW % (N - 250)),
        "title": _texts("Polo “Pique” %d, blau", ROW % (N - 250)),
        "link": _texts("http://www.example.com/%d", ROW % (N - 250)),
        "availability": _words(kinds),
        "price": _texts("%d.00 EUR", 5 + ROW % 90),
        "brand": _words(("Gügel", "Other & Co")),
        "item_group_id": ROW % (N - 250) // 4,
    }
    _csv(path, columns, "\t")


def _sheet() -> str:
    """Rows as a program writes them that says nothing of the sheet's size."""
    header = (
        ("A", "Invoice"),
        ("B", "StockCode"),
        ("C", "Description"),
        ("D", "Quantity"),
        ("E", "InvoiceDate"),
        ("F", "Price"),
        ("G", "Customer ID"),
        ("H", "Country"),
    )
    cells = "".join(_cell(f"{letter}1", text) for letter, text in header)
    rows = [f'<row r="1">{cells}</row>']
    for n in range(N):
        r = n + 2
        who = "" if n % 10 == 0 else f'<c r="G{r}"><v>{12346 + n % 5000}</v></c>'
        rows.append(
            f'<row r="{r}"><c r="A{r}"><v>{489434 + n // 20}</v></c>'
            f"{_cell(f'B{r}', f'{85048 + n % 4000}A')}"
            f"{_cell(f'C{r}', 'PINK CHERRY LIGHTS &amp; CO')}"
            f'<c r="D{r}"><v>{-2 if n % 50 == 1 else 12}</v></c>'
            f'<c r="E{r}" s="1"><v>{40148 + n / 1440:.9f}</v></c>'
            f'<c r="F{r}"><v>6.95</v></c>{who}{_cell(f"H{r}", "United Kingdom")}</row>'
        )
    return "".join(rows)


def _cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def _retail(path: Path) -> None:
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
        'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxml'
        'formats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship '
        f'Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="Year 2009-2010" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{OFFICE}/worksheet" '
        f'Target="worksheets/sheet1.xml"/><Relationship Id="rId2" '
        f'Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><cellStyleXfs count="1">'
        '<xf numFmtId="0"/></cellStyleXfs><cellXfs count="2">'
        '<xf numFmtId="0"/>'
        '<xf numFmtId="22"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" '
        'xfId="0" builtinId="0"/></cellStyles></styleSheet>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{_sheet()}'
        "</sheetData></worksheet>",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


RATING = {
    "customer": "column 1",
    "item": "column 2",
    "value": "column 3",
    "occurred_at": {"column": "column 4", "date": "epoch_s"},
    "kind": "=rating",
}
CASES = [
    Case(
        "movielens latest ratings, large",
        MOVIELENS,
        "events",
        _movielens,
        read=N,
        new=N,
        stored={"occurred_at": "2000-07-30T18:45:03Z"},
    ),
    Case("movielens 1m, large", ML_1M, "events", _ml_1m, by_hand=RATING, read=N, new=N),
    Case(
        "retailrocket, large",
        RETAILROCKET,
        "events",
        _retailrocket,
        rules={"identical_lines": "one"},
        read=N,
        new=N - 400,
        duplicate=400,
    ),
    Case(
        "yoochoose clicks, large",
        YOOCHOOSE,
        "events",
        _yoochoose,
        by_hand={
            "visitor": "column 1",
            "session": "column 1",
            "occurred_at": "column 2",
            "item": "column 3",
            "kind": "=click",
        },
        read=N,
        new=N,
    ),
    Case("rees46 in gzip, large", REES46, "events", _rees46, read=N, new=N),
    Case(
        "kuairec watches, large",
        KUAIREC,
        "events",
        _kuairec,
        by_hand={"kind": "=view", "value": "watch_ratio"},
        read=N,
        new=N,
    ),
    Case(
        "taobao user behavior, large",
        TAOBAO,
        "events",
        _taobao,
        mapping="taobao-user-behavior",
        read=N,
        new=N,
    ),
    Case(
        "h&m transactions in parquet, large",
        HM,
        "events",
        _hm,
        read=N,
        new=N,
    ),
    Case(
        "last.fm listens, large",
        LASTFM,
        "events",
        _lastfm,
        layout={"has_header": False},
        by_hand=LISTEN,
        read=N,
        new=N - N // 10,
        rejected=N // 10,
    ),
    Case(
        "amazon ratings, large",
        RATINGS,
        "events",
        _ratings,
        by_hand=RATING,
        read=N,
        new=N,
    ),
    Case(
        "amazon reviews 2023, large",
        REVIEWS,
        "events",
        lambda path: _jsonl(path, review),
        read=N,
        new=N,
    ),
    Case(
        "ga4 events, large",
        GA4,
        "events",
        lambda path: _jsonl(path, ga4),
        read=N,
        new=N - N // 4,
        rejected=N // 4,
    ),
    Case(
        "google product feed, large",
        GOOGLE,
        "items",
        _google,
        read=N,
        new=N - 250,
        updated=0,
        duplicate=250,
    ),
    Case(
        "online retail ii in xlsx, large",
        RETAIL_II,
        "events",
        _retail,
        currency="GBP",
        read=N,
        new=N - N // 10,
        rejected=N // 10,
    ),
]

"""Files that are no table, or not whole: each gets one sentence."""

from __future__ import annotations

import bz2
import gzip
import io
import sqlite3
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.segmentation.files.cases import Case, content, jsonl, lines, table
from tests.segmentation.files.logs import COLUMNS, GA4, REES46, ga4
from tests.segmentation.files.people import LASTFM
from tests.segmentation.files.research import REVIEWS, TAOBAO, review
from tests.segmentation.files.shops import SHOPIFY, SQUARE
from tests.segmentation.files.taste import LISTEN
from tests.segmentation.services.importing.files import workbook

SIGNATURES = "http://en.wikipedia.org/wiki/List_of_file_signatures"
PDF = (
    "https://git.in-ulm.de/cbiedl/file/src/de8dcb9b0b272490f3fa9a7f7f6110d04d99fdfe/"
    "magic/Magdir/pdf"
)
SPREADSHEET_ML = "https://gist.github.com/chuyihuang/e4039b9259186f50e36233a4fc0c5455"
FABRIC = (
    "https://knowledgebase.fabric.inc/v3/guides/orders/order-management/"
    "exporting-orders"
)
EVENTS = table(
    COLUMNS,
    [
        {
            "event_time": f"2019-10-01 00:{n % 60:02}:00 UTC",
            "event_type": "view",
            "product_id": n,
            "user_id": n % 7,
        }
        for n in range(2000)
    ],
).encode()
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def _zipped(*names: str, data: bytes = EVENTS) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return file.getvalue()


def _database(path: Path) -> None:
    with sqlite3.connect(path) as rows:
        rows.execute("CREATE TABLE orders (id)")
    rows.close()


def _parquet_cut(path: Path) -> None:
    pq.write_table(pa.table({"user_id": list(range(5000))}), path)
    path.write_bytes(path.read_bytes()[:-100])


def _xlsx_cut() -> bytes:
    whole = workbook(Orders=[["order", "item"], *[[n, "tea"] for n in range(500)]])
    return whole[: len(whole) * 2 // 3]


def _ole(stream: str) -> bytes:
    """What an old workbook, or one with a password, begins with."""
    return OLE + bytes(504) + stream.encode("utf-16-le") + bytes(2048)


CASES = [
    Case(
        "a page of the shop instead of its export",
        SHOPIFY,
        "events",
        content(
            "\n\n<!DOCTYPE html>\n<html lang=en><head><title>Log in</title></head>"
            "<body><form>Email, Password</form></body></html>"
        ),
        says="The file is a web page, not a table",
    ),
    Case(
        "an old workbook as xml",
        SPREADSHEET_ML,
        "events",
        content(
            '<?xml version="1.0"?>\n<Workbook xmlns="urn:schemas-microsoft-com:office:'
            'spreadsheet"><Worksheet ss:Name="Sheet1"><Table><Row><Cell>'
            '<Data ss:Type="String">建立時間</Data></Cell></Row></Table></Worksheet>'
        ),
        says="The file is XML, not a table",
    ),
    Case(
        "a workbook of old excel",
        SIGNATURES,
        "events",
        content(_ole("Workbook")),
        says="a workbook of an old Excel (.xls) or one with a password",
    ),
    Case(
        "a workbook with a password",
        SIGNATURES,
        "events",
        content(_ole("EncryptedPackage")),
        says="a workbook of an old Excel (.xls) or one with a password",
    ),
    Case(
        "an invoice as pdf",
        PDF,
        "events",
        content(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\n"),
        says="a file of the kind PDF, not a table",
    ),
    Case(
        "a screenshot",
        SIGNATURES,
        "items",
        content(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0"),
        says="a file of the kind PNG, not a table",
    ),
    Case(
        "a table packed with bzip2",
        "https://wiki.bitarus.org/MagicNumbers?action=raw",
        "events",
        content(bz2.compress(EVENTS)),
        says="a file of the kind bzip2, not a table",
    ),
    Case(
        "a database",
        SIGNATURES,
        "events",
        _database,
        says="a file of the kind SQLite, not a table",
    ),
    Case("nothing at all", REES46, "events", content(b""), says="The file is empty."),
    Case(
        "column names only",
        SHOPIFY,
        "events",
        content(COLUMNS + "\n"),
        says="column names but no rows",
    ),
    Case(
        "an export that broke off in NUL bytes",
        TAOBAO,
        "events",
        content(b"1,2268318,2520377,pv,1511544070\n" * 99 + bytes(4096)),
        says="The file holds NUL bytes",
    ),
    Case(
        "a quote that nobody closes",
        LASTFM,
        "events",
        content(
            lines(
                [
                    (
                        f"u{n}",
                        "2009-04-08T01:57:47Z",
                        "MBID",
                        "\"'"[n < 8] + "Heroes",
                        "t",
                        "",
                    )
                    for n in range(9)
                ],
                "\t",
            )
        ),
        layout={"has_header": False},
        by_hand=LISTEN,
        says="a quote is opened and never closed",
    ),
    Case(
        "a zip of several tables",
        FABRIC,
        "events",
        content(_zipped("orders.csv", "payments.csv", "shipInfo.csv")),
        says="holds 3 files; pack one table alone",
    ),
    Case(
        "a zip that would unpack into far too much",
        REES46,
        "events",
        content(_zipped("a.csv", data=EVENTS * 50)),
        limits={"MAX_EXPANDED_MB": 2},
        says="Unpacked, the file has more than 2 MB",
    ),
    Case(
        "a gzip that was not downloaded whole",
        REES46,
        "events",
        content(gzip.compress(EVENTS)[:-500]),
        says="damaged or cut off",
    ),
    Case(
        "a workbook that was not downloaded whole",
        SIGNATURES,
        "events",
        content(_xlsx_cut()),
        says="damaged",
    ),
    Case(
        "a parquet file that was not downloaded whole",
        "https://huggingface.co/datasets/valeriol29/KuaiRec",
        "events",
        _parquet_cut,
        says="The Parquet file is damaged",
    ),
    Case(
        "a json array that breaks off",
        GA4,
        "events",
        content(jsonl([[ga4(0), ga4(1)]])[:-40]),
        says="breaks off or is broken in element 2",
    ),
    Case(
        "json lines in which some are none",
        REVIEWS,
        "events",
        content(
            jsonl(map(review, range(20)))
            + '{"rating": 5.0, "asin": "B0\n'
            + jsonl(map(review, range(20, 40)))
        ),
        new=40,
        rejected=1,
        reasons=("is not a JSON object",),
    ),
    Case(
        "a short file in chinese",
        "https://help.shopify.com/zh-CN/manual/fulfillment/managing-orders/"
        "exporting-orders",
        "customers",
        content("id,name\n1,中文\n", "gbk"),
        says="Choose for it: encoding",
    ),
    Case(
        "more rows than are allowed",
        REES46,
        "events",
        content(EVENTS),
        limits={"MAX_ROWS": 1000},
        says="The file has more than 1000 rows",
    ),
    Case(
        "two columns of one name",
        SQUARE,
        "events",
        content("Date,Item,Item,Quantity\n2/5/14,Espresso,Coffee,1\n"),
        says="Two columns are called Item",
    ),
]

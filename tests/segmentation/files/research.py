"""Data sets that recommenders are tried on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.segmentation.files.cases import Case, content, jsonl, lines, moment, table
from tests.segmentation.services.importing.files import workbook

TAOBAO = "https://tianchi.aliyun.com/dataset/649"
RETAIL = "https://cran.r-project.org/web/packages/onlineretail/refman/onlineretail.html"
RETAIL_II = "https://github.com/allanvc/onlineretail2"
RETAILROCKET = "http://thetazero.com/datasets/retailrocket-recommender-system-dataset"
YOOCHOOSE = "https://code84.com/14268.html"
OTTO = "https://github.com/otto-de/recsys-dataset"
MIND = "https://docs.microsoft.com/en-us/azure/open-datasets/dataset-microsoft-news"
REVIEWS = "https://github.com/s234829/-02467_Project"
RATINGS = "https://dagshub.com/Dean/Bookdata-tools/src/master/docs/data/amazon.md"
OPEN_BANDIT = (
    "https://raw.githubusercontent.com/st-tech/zr-obp/"
    "8cbd5fa4558b7ad2ba4781546d6604e4cc3e07c4/obd/random/all/all.csv"
)
KUAIREC = "https://huggingface.co/datasets/valeriol29/KuaiRec"
CLICKS = "https://huggingface.co/datasets/chagu13/is_click_data"
INVOICES = ["StockCode", "Description", "Quantity", "InvoiceDate"]


def retail(n: int) -> list[Any]:
    """Invoice, code, name, quantity, price and customer of the n-th line."""
    invoice = f"C{536365 + n // 3}" if n % 20 == 0 else 536365 + n // 3
    code = f"{85123 + n % 30}{'A' if n % 3 == 0 else ''}"
    name = ("WHITE HANGING HEART T-LIGHT HOLDER", 'POPPY\'S "PLAYHOUSE"', None)[n % 3]
    customer = 17850 + n % 13 if n % 10 else None
    quantity = -1 if n % 20 == 0 else 6
    return [invoice, code, name, quantity, 2.55, customer]


def _retail_csv() -> str:
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID"
    rows = []
    for n in range(100):
        invoice, code, name, quantity, price, customer = retail(n)
        rows.append(
            {
                "InvoiceNo": invoice,
                "StockCode": code,
                "Description": name or "£10 VOUCHER",
                "Quantity": quantity,
                "InvoiceDate": moment(n, "{m}/{d}/{y} {h}:{i:02}"),
                "UnitPrice": price,
                "CustomerID": f"{customer}.0" if customer else "",
                "Country": "United Kingdom",
            }
        )
    return table(header + ",Country", rows)


def _retail_book() -> bytes:
    header = ["Invoice", *INVOICES, "Price", "Customer ID", "Country"]
    start = datetime(2009, 12, 1, 7, 45)  # noqa: DTZ001 - as a sheet has it
    rows = []
    for n in range(60):
        invoice, code, name, quantity, price, customer = retail(n)
        when = start + timedelta(minutes=n)
        rows.append([invoice, code, name, quantity, when, price, customer, "UK"])
    sheets = {"Year 2009-2010": [header, *rows], "Year 2010-2011": [header, *rows[:9]]}
    return workbook(**sheets)


def _retailrocket() -> str:
    words = ("view", "view", "addtocart", "transaction")
    rows = [
        {
            "timestamp": 1_439_694_000_000 + n,
            "visitorid": n % 9,
            "event": words[n % 4],
            "itemid": 355908 + n % 7,
            "transactionid": n if n % 4 == 3 else "",
        }
        for n in range(60)
    ]
    return table("timestamp,visitorid,event,itemid,transactionid", rows)


def _yoochoose_buys() -> str:
    rows = [
        (
            420374 + n % 9,
            f"2014-04-06T18:{n % 60:02}:58.277Z",
            214537888 + n % 5,
            12462,
            1,
        )
        for n in range(60)
    ]
    return lines(rows)


def _otto() -> str:
    kinds = ("clicks", "carts", "orders")
    events = [
        {"aid": n, "ts": 1_661_200_010_000 + n, "type": kinds[n % 3]} for n in range(5)
    ]
    return jsonl({"session": n, "events": events} for n in range(20))


def _otto_apart() -> str:
    """The same, one line an event."""
    kinds = ("clicks", "carts", "orders")
    return jsonl(
        {
            "session": n % 7,
            "aid": n % 9,
            "ts": 1_661_200_010_000 + n,
            "type": kinds[n % 3],
        }
        for n in range(60)
    )


def _mind_behaviors() -> str:
    rows = [
        (n, f"U{n % 9}", "11/15/2019 9:55:12 AM", "N1 N2", f"N{n}-1 N26703-0")
        for n in range(20)
    ]
    return lines(rows, "\t")


def review(n: int) -> dict[str, Any]:
    return {
        "rating": 1.0 + n % 5,
        "title": "Such a lovely scent",
        "text": 'Smells good,\nworks "fine" \u2764',
        "images": [],
        "asin": f"B00YQ6{n % 50:04}",
        "parent_asin": f"B00YQ6{n % 25:04}",
        "user_id": f"AGKHLEW2SOWHNMFQIJGBECAF7INQ{n % 977}",
        "timestamp": 1_588_687_728_923 + 1000 * n,
        "helpful_vote": 0,
        "verified_purchase": True,
    }


def _open_bandit() -> str:
    header = ",timestamp,item_id,position,click,propensity_score,user_feature_0"
    rows = [
        {
            "": n,
            "timestamp": "2019-11-24 00:00:21.411858+00:00",
            "item_id": n % 80,
            "position": 3,
            "click": 0,
            "propensity_score": 0.0125,
            "user_feature_0": "81ce123cbb5bd8ce818f60fb3586bba5",
        }
        for n in range(20)
    ]
    return table(header, rows)


def _kuairec() -> str:
    header = (
        "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio"
    )
    rows = [
        {
            "user_id": n % 9,
            "video_id": 3649 + n % 7,
            "play_duration": 13838,
            "video_duration": 10867,
            "time": f"2020-07-05 00:08:{n % 60:02}.438",
            "date": 20200705,
            "timestamp": 1593878903.438 + n,
            "watch_ratio": 1.2733965215790926,
        }
        for n in range(60)
    ]
    return table(header, rows)


def _clicks() -> str:
    header = (
        "session_id,DateTime,user_id,product,campaign_id,webpage_id,"
        "product_category_1,product_category_2,user_group_id,gender,age_level,"
        "user_depth,city_development_index,var_1,is_click"
    )
    rows = [
        {
            "session_id": 140690 + n,
            "DateTime": f"2017-07-02 00:{n % 60:02}",
            "user_id": 858557 + n % 9,
            "product": "CDEFGHI"[n % 7],
            "campaign_id": 359520,
            "gender": "Female" if n % 3 else "",
            "is_click": n % 2,
        }
        for n in range(60)
    ]
    return table(header, rows)


CASES = [
    Case(
        "taobao user behavior",
        TAOBAO,
        "events",
        content(
            lines(
                (n % 9, 2268318 + n, 2520377, ("pv", "cart", "fav", "buy")[n % 4], when)
                for n, when in enumerate(range(1511544070, 1511544130))
            )
        ),
        mapping="taobao-user-behavior",
        new=60,
    ),
    Case(
        "online retail",
        RETAIL,
        "events",
        content(_retail_csv(), "latin-1"),
        currency="GBP",
        stored={"occurred_at": "2024-06-08T11:17:00Z"},
        new=90,
        rejected=10,
        reasons=("nobody did this",),
    ),
    Case(
        "online retail ii, a sheet a year",
        RETAIL_II,
        "events",
        content(_retail_book()),
        says="Choose for it: sheet: “Year 2009-2010” or “Year 2010-2011”",
    ),
    Case(
        "online retail ii, one sheet of it",
        RETAIL_II,
        "events",
        content(_retail_book()),
        layout={"sheet": "Year 2009-2010"},
        currency="GBP",
        stored={"occurred_at": "2009-12-01T07:46:00Z"},
        new=54,
        rejected=6,
    ),
    Case(
        "retailrocket events", RETAILROCKET, "events", content(_retailrocket()), new=60
    ),
    Case(
        "retailrocket properties of items",
        RETAILROCKET,
        "events",
        content(
            table(
                "timestamp,itemid,property,value",
                [{"timestamp": 1439694000000, "itemid": 1, "value": "n1000"}] * 9,
            )
        ),
        says="The mapping says nothing about",
    ),
    Case(
        "yoochoose buys",
        YOOCHOOSE,
        "events",
        content(_yoochoose_buys()),
        by_hand={
            "visitor": "column 1",
            "session": "column 1",
            "occurred_at": "column 2",
            "item": "column 3",
            "price": "column 4",
            "quantity": "column 5",
            "kind": "=purchase",
        },
        new=60,
    ),
    Case(
        "otto sessions with their events in lists",
        OTTO,
        "events",
        content(_otto()),
        says="The mapping says nothing about",
    ),
    Case(
        "otto sessions, one line an event",
        OTTO,
        "events",
        content(_otto_apart()),
        by_hand={"visitor": "session", "item": "aid"},
        new=60,
    ),
    Case(
        "mind impressions, what was clicked first",
        MIND,
        "events",
        content(_mind_behaviors()),
        layout={"has_header": False},
        by_hand={
            "customer": "column 2",
            "occurred_at": {"column": "column 3", "date": "mdy"},
            "item": {"column": "column 5", "split": {"by": "-", "part": 1}},
            "kind": "=click",
        },
        new=20,
    ),
    Case(
        "amazon reviews 2023",
        REVIEWS,
        "events",
        content(jsonl(map(review, range(60)))),
        stored={"occurred_at": "2020-05-05T14:08:48.923Z"},
        new=60,
    ),
    Case(
        "amazon ratings without a header",
        RATINGS,
        "events",
        content(
            lines((f"A{n}", f"00{n:08}", "5.0", 1390000000 + n) for n in range(60))
        ),
        by_hand={
            "customer": "column 1",
            "item": "column 2",
            "value": "column 3",
            "occurred_at": {"column": "column 4", "date": "epoch_s"},
            "kind": "=rating",
        },
        new=60,
    ),
    Case(
        "open bandit impressions without users",
        OPEN_BANDIT,
        "events",
        content(_open_bandit()),
        says="The mapping says nothing about",
    ),
    Case(
        "kuairec watches",
        KUAIREC,
        "events",
        content(_kuairec()),
        by_hand={"kind": "=view", "value": "watch_ratio"},
        stored={"occurred_at": "2020-07-04T16:08:23.438Z"},
        new=60,
    ),
    Case(
        "clicks on advertisements",
        CLICKS,
        "events",
        content(_clicks()),
        by_hand={
            "kind": {"column": "is_click", "map": {"1": "click", "0": "ignore"}},
        },
        new=30,
        ignored=30,
    ),
]

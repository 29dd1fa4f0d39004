"""What customers did, as analytics write it."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import Any

from tests.segmentation.files.cases import Case, content, jsonl, moment, price, table

GA4 = "https://developers.google.cn/analytics/bigquery/event-schema"
OTTO = "https://github.com/otto-de/recsys-dataset"
SEGMENT = "https://www.twilio.com/docs/segment/connections/spec/ecommerce/v2"
REES46 = (
    "https://www.selectdataset.com/dataset/f71284c1cf228018920d9bcdf43628e7/"
    "eCommerce%20Events%20History%20in%20Cosmetics%20Shop"
)
COLUMNS = (
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id"
)


def ga4(n: int) -> dict[str, Any]:
    """One event of a query that unnests the items."""
    name = ("view_item", "add_to_cart", "purchase", "session_start")[n % 4]
    row: dict[str, Any] = {
        "event_date": "20240131",
        "event_timestamp": str(1_706_700_000_000_000 + 1_000_003 * n),
        "event_name": name,
        "user_pseudo_id": f"{n % 977}.{1_700_000_000 + n % 977}",
        "device": {"category": "mobile", "operating_system": "iOS"},
        "geo": {"country": "Germany"},
    }
    if name != "session_start":
        row["items"] = {"item_id": f"SKU_{n % 50}", "price": 9.99, "quantity": 1}
    return row


def _nested(n: int) -> dict[str, Any]:
    """One event as it is exported, its items in a list."""
    row = ga4(n)
    item = row.pop("items", None)
    row["items"] = [item, item | {"item_id": "SKU_X"}][: 1 + n % 2] if item else []
    page = {"key": "page_title", "value": {"string_value": "Tea"}}
    return row | {"event_params": [page]}


def _otto(n: int) -> dict[str, Any]:
    """A session and all that was done in it."""
    events = [
        {
            "aid": 59_625 + i % 11,
            "ts": 1_661_724_000_278 + 1000 * n + i,
            "type": ("clicks", "carts", "orders")[i % 3],
        }
        for i in range(1 + n % 5)
    ]
    return {"session": 12_899_779 + n, "events": events}


def _segment(n: int) -> dict[str, Any]:
    name = ("Product Viewed", "Product Added", "Order Completed", "Products Searched")
    return {
        "type": "track",
        "event": name[n % 4],
        "messageId": f"ajs-next-{n}",
        "userId": f"u-{n % 9}" if n % 2 else None,
        "anonymousId": f"anon-{n % 9}",
        "timestamp": f"2024-01-31T10:{n % 60:02}:00.{n % 1000:03}Z",
        "properties": {
            "product_id": f"507f1f77bcf86cd7994390{n % 11:02}" if n % 4 < 3 else None,
            "price": 18.99,
            "quantity": 1,
        },
    }


def _rees46() -> str:
    words = ("view", "cart", "remove_from_cart", "purchase")
    rows = [
        {
            "event_time": moment(n) + " UTC",
            "event_type": words[n % 4],
            "product_id": 5_773_203 + n % 9,
            "category_id": 1_487_580_005_134_238_553,
            "brand": "runail" if n % 2 else "",
            "price": price(n),
            "user_id": 463_240_011 + n % 7,
            "user_session": f"26dd6e6e-4dac-4778-8d2c-92e149dab{n % 5:03}",
        }
        for n in range(80)
    ]
    return table(COLUMNS + ",user_session", rows)


def _zipped(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("2019-Oct.csv", text)
    return file.getvalue()


CASES = [
    Case(
        "ga4 events, one line an item",
        GA4,
        "events",
        content(jsonl(map(ga4, range(80)))),
        rejected=20,
        reasons=("kind is none of",),
        stored={"occurred_at": "2024-01-31T11:20:00Z"},
        new=60,
    ),
    Case(
        "ga4 events, what is no shopping left aside",
        GA4,
        "events",
        content(jsonl(map(ga4, range(80)))),
        by_hand={
            "kind": {
                "column": "event_name",
                "map": {
                    "view_item": "view",
                    "add_to_cart": "cart",
                    "session_start": "ignore",
                },
            }
        },
        new=60,
        ignored=20,
    ),
    Case(
        "ga4 events with their items in lists",
        GA4,
        "events",
        content(jsonl(map(_nested, range(80)))),
        rejected=20,
        reasons=("kind is none of",),
        new=80,
    ),
    Case(
        "otto sessions, their events in lists",
        OTTO,
        "events",
        content(jsonl(map(_otto, range(50)))),
        by_hand={"visitor": "session", "item": "events.aid"},
        stored={"occurred_at": "2022-08-28T22:00:00.278Z"},
        new=150,
    ),
    Case(
        "segment tracks",
        SEGMENT,
        "events",
        content(jsonl(map(_segment, range(80)))),
        new=80,
    ),
    Case(
        "rees46 events in a zip",
        REES46,
        "events",
        content(_zipped(_rees46())),
        stored={"occurred_at": "2024-01-01T00:00:00Z"},
        new=80,
    ),
    Case(
        "rees46 events in gzip",
        REES46,
        "events",
        content(gzip.compress(_rees46().encode())),
        new=80,
    ),
]

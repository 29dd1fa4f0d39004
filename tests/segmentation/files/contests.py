"""Data sets of contests and papers: some hold no table of what happened when."""

from __future__ import annotations

from tests.segmentation.files.cases import Case, content, table

INSTACART = "https://github.com/krajeshj/InstacartMBA"
CRITEO = "https://huggingface.co/datasets/criteo/criteo-attribution-dataset"
TMALL = ""  # its page shows the columns to who signed in only


def _products() -> str:
    rows = [
        {
            "product_id": n + 1,
            "product_name": 'Tea, "Golden" Oolong',
            "aisle_id": 94,
            "department_id": 7,
        }
        for n in range(50)
    ]
    return table("product_id,product_name,aisle_id,department_id", rows)


def _order_products() -> str:
    rows = [
        {
            "order_id": 1 + n // 3,
            "product_id": 49_302 - n,
            "add_to_cart_order": 1 + n % 3,
            "reordered": n % 2,
        }
        for n in range(60)
    ]
    return table("order_id,product_id,add_to_cart_order,reordered", rows)


def _criteo() -> str:
    """Clicks on ads; their times count seconds from the first, on no known day."""
    rows = [
        {
            "timestamp": n * 37,
            "uid": 20_073_966 + n % 9,
            "campaign": 22_589_171 + n % 4,
            "conversion": 0,
            "click": n % 2,
            "cost": 0.00001,
        }
        for n in range(40)
    ]
    header = "timestamp,uid,campaign,conversion,click,cost"
    return table(header, rows, delimiter="\t")


def _tmall() -> str:
    """Months and days of a year that is told elsewhere."""
    rows = [
        {
            "user_id": 328_862,
            "item_id": 323_294 + n,
            "cat_id": 833,
            "seller_id": 2882,
            "brand_id": 2661,
            "time_stamp": f"{5 + n % 7:02}{1 + n % 28:02}",
            "action_type": n % 4,
        }
        for n in range(40)
    ]
    return table(list(rows[0]), rows)


CASES = [
    Case(
        "instacart products",
        INSTACART,
        "items",
        content(_products()),
        stored={"external_id": "7", "title": 'Tea, "Golden" Oolong'},
        new=50,
    ),
    Case(
        "instacart order lines without customer and time",
        INSTACART,
        "events",
        content(_order_products()),
        says="The mapping says nothing about",
    ),
    Case(
        "criteo clicks at seconds of no day",
        CRITEO,
        "events",
        content(_criteo()),
        by_hand={
            "customer": "uid",
            "item": "campaign",
            "kind": "=click",
            "occurred_at": {"column": "timestamp", "date": "epoch_s"},
        },
        rejected=40,
        reasons=("is not a time in seconds since 1970",),
    ),
    Case(
        "tmall log with days of no year",
        TMALL,
        "events",
        content(_tmall()),
        by_hand={
            "kind": {
                "column": "action_type",
                "map": {"0": "click", "1": "cart", "2": "purchase", "3": "favourite"},
            },
            "occurred_at": "time_stamp",
        },
        rejected=40,
        reasons=("is only a year",),
    ),
]

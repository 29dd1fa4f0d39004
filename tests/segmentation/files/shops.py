"""Orders as shops and market places export them."""

from __future__ import annotations

from typing import Any

from tests.segmentation.engine import exports
from tests.segmentation.files.cases import (
    Case,
    content,
    moment,
    price,
    table,
)

SHOPIFY = (
    "https://help.shopify.com/en/manual/fulfillment/managing-orders/exporting-orders"
)
WOO_ORDERS = (
    "https://woocommerce.com/document/ordercustomer-csv-export-developer-documentation"
)
WOO_ADVANCED = "https://wordpress.org/plugins/woo-order-export-lite"
SQUARESPACE = "https://docs.rs/crate/sales/0.2.3/source/testdata/squarespace.csv"
SQUARE = "https://gist.github.com/bengolder/9299152"
BIGCOMMERCE = "https://docs.shift.hypaapps.com/docs/guides/orders/template"
SPRYKER = (
    "https://docs.spryker.com/docs/pbc/all/order-management-system/latest/marketplace/"
    "import-and-export-data/export-file-details-merchant-order-items.csv.html"
)
VOUCHERIFY = "https://docs.voucherify.io/reference/create-order-export"
OLIST = (
    "https://huggingface.co/spaces/betterdataai/IRG/blob/main/datasets/bec/"
    "processor.json"
)

GOODS = ("Grüner Tee", "Kaffee “Crema”, 1 kg", "Cup & saucer", "Tea\nin bags")


def _shopify(order: str) -> list[dict[str, Any]]:
    """60 orders of two lines, the second one without the head of its order."""
    rows = []
    for n in range(60):
        status = {0: "voided", 1: "refunded", 2: "pending"}.get(n % 20, "paid")
        head = {
            order: f"#{1001 + n}",
            "Email": f"buyer{n % 25}@example.com",
            "Financial Status": status,
            "Currency": "EUR",
            "Total": price(n),
            "Created at": moment(n) + " +0100",
            "Billing Name": "Zoë Müller",
        }
        for line in range(2):
            rows.append(
                (head if line == 0 else {order: head[order]})
                | {
                    "Lineitem quantity": 1 + n % 3,
                    "Lineitem name": GOODS[(n + line) % 4],
                    "Lineitem price": price(n + line),
                    "Lineitem sku": f"00{n % 7}-{line}" if n % 10 else "",
                }
            )
    return rows


def _shopify_mess() -> str:
    foreign = {"Name": "#2001", "Email": "x@example.com", "Financial Status": "paid"}
    foreign |= {"Currency": "USD", "Created at": "2024-03-03 10:00:00 +0100"}
    foreign |= {"Lineitem price": "9.90", "Lineitem quantity": "1"}
    unreadable = foreign | {"Name": "#2002", "Currency": "EUR"}
    odd = [
        foreign | {"Lineitem sku": "T-1"},
        unreadable | {"Lineitem sku": "T-1", "Lineitem price": "n.b."},
        unreadable | {"Lineitem name": "", "Lineitem sku": ""},
        unreadable | {"Name": "#2003", "Email": "", "Lineitem sku": "T-2"},
    ]
    return table(exports.SHOPIFY_ORDERS, [*_shopify("Name"), *odd])


def _squarespace() -> str:
    header = (
        '"Order ID","Email","Financial Status","Paid at","Fulfillment Status",'
        '"Fulfilled at","Currency","Subtotal","Shipping","Taxes","Amount Refunded",'
        '"Total","Discount Code","Discount Amount","Shipping Method","Created at",'
        '"Lineitem quantity","Lineitem name","Lineitem price","Lineitem sku",'
        '"Lineitem variant","Lineitem requires shipping","Lineitem taxable",'
        '"Lineitem fulfillment status","Billing Name","Billing Address1",'
        '"Billing City","Billing Zip","Billing Country","Cancelled at",'
        '"Private Notes","Channel Type","Channel Name","Payment Method"'
    )
    rows = _shopify("Order ID")
    for row in rows:
        row["Order ID"] = f"0{row['Order ID'].strip('#')}"
        if "Financial Status" in row:
            row["Financial Status"] = row["Financial Status"].upper()
    return table(header, rows, quoting=1)


def _woo_orders() -> str:
    rows = []
    for n in range(40):
        status = {0: "cancelled", 1: "refunded", 2: "on-hold"}.get(n % 10, "completed")
        for line in range(1 + n % 3):
            rows.append(
                {
                    "order_id": 7000 + n,
                    "order_number": 7000 + n,
                    "order_date": moment(n),
                    "status": status,
                    "order_currency": "EUR",
                    "billing_email": f"b{n % 9}@example.com",
                    "item_id": 100 * n + line,
                    "item_product_id": 40 + line,
                    "item_name": GOODS[line],
                    "item_sku": f"W-{line}" if n % 2 else "",
                    "item_quantity": 1 + line,
                    "item_total": price(n),
                }
            )
    return table(exports.WOO_ORDERS, rows)


def _woo_advanced() -> str:
    rows = []
    for n in range(30):
        head = {
            "Order Number": 500 + n,
            "Order Status": "Completed" if n % 6 else "Cancelled",
            "Order Date": moment(n, "{y}-{m:02}-{d:02} {h:02}:{i:02}"),
            "Email (Billing)": f"b{n % 9}@example.com",
        }
        for line in range(2):
            rows.append(
                (head if line == 0 else {"Order Number": 500 + n})
                | {
                    "SKU": f"W-{line}",
                    "Item #": line + 1,
                    "Item Name": GOODS[line],
                    "Quantity (- Refund)": 1,
                    "Item Cost": price(n),
                }
            )
    return table(exports.WOO_ADVANCED, rows)


def _square() -> str:
    header = (
        "Date,Time,Category,Item,Quantity,Price Point Name,SKU,Modifiers Applied,"
        "Gross Sales,Discounts,Net Sales,Payment ID,Device Name,Notes,Details"
    )
    rows = [
        {
            "Date": moment(n, "{m}/{d}/24"),
            "Time": moment(n, "{h:02}:{i:02}:{s:02}"),
            "Category": "Coffee",
            "Item": "Espresso",
            "Quantity": 1,
            "Gross Sales": f"${price(n)}",
            "Discounts": "$0.00",
            "Net Sales": f"${price(n)}",
            "Payment ID": f"A47ND{n}",
        }
        for n in range(50)
    ]
    return table(header, rows)


def _bigcommerce() -> str:
    header = (
        "Order ID,Status,Date Created,Subtotal Ex Tax,Subtotal Inc Tax,Date Modified,"
        "Date Shipped,Cart ID,Subtotal Tax,Shipping Cost Tax,Customer ID,Billing email"
    )
    rows = [
        {
            "Order ID": 100 + n,
            "Status": "Completed" if n % 5 else "Cancelled",
            "Date Created": "Mon, 23 Sep 2024 14:21:24 +0000",
            "Subtotal Inc Tax": price(n),
            "Customer ID": n % 6,
            "Billing email": f"b{n % 6}@example.com",
        }
        for n in range(20)
    ]
    return table(header, rows)


def _spryker() -> str:
    header = (
        "merchant_order_reference,marketplace_order_reference,product_name,"
        "merchant_order_item_reference,product_sku,canceled_amount,order_item_note,"
        "gross_price,net_price,price,quantity"
    )
    rows = [{"product_sku": f"s-{n}", "price": 995, "quantity": 1} for n in range(10)]
    return table(header, rows)


def _voucherify() -> str:
    rows = [
        {
            "id": f"ord_{n}",
            "source_id": 8638 + n,
            "status": "PAID",
            "created_at": "2022-03-09T09:16:32.521Z",
            "amount": 7700,
            "customer_id": f"cust_{n % 3}",
        }
        for n in range(10)
    ]
    return table("id,source_id,created_at,status,amount,customer_id", rows)


CASES = [
    Case(
        "shopify orders",
        SHOPIFY,
        "events",
        content(_shopify_mess(), "utf-8-sig"),
        mapping="shopify-orders",
        new=114,
        ignored=6,
        rejected=4,
        reasons=("currency is not EUR", "price is not", "item is missing", "nobody"),
    ),
    Case(
        "shopify orders in another money",
        SHOPIFY,
        "events",
        content(_shopify_mess()),
        mapping="shopify-orders",
        currency="GBP",
        rejected=118,
        ignored=6,
        reasons=("currency is not GBP",),
    ),
    Case(
        "squarespace orders",
        SQUARESPACE,
        "events",
        content(_squarespace()),
        mapping="squarespace-orders",
        new=114,
        ignored=6,
    ),
    Case(
        "woocommerce orders",
        WOO_ORDERS,
        "events",
        content(_woo_orders()),
        mapping="woocommerce-orders",
        new=63,
        ignored=16,
    ),
    Case(
        "woocommerce advanced orders",
        WOO_ADVANCED,
        "events",
        content(_woo_advanced(), "utf-16"),
        mapping="woocommerce-orders-advanced",
        new=50,
        ignored=10,
    ),
    Case(
        "square tills without customers",
        SQUARE,
        "events",
        content(_square()),
        says="The mapping says nothing about customer or visitor",
    ),
    Case(
        "square tills, each payment a visitor",
        SQUARE,
        "events",
        content(_square()),
        by_hand={"visitor": "Payment ID", "item": "Item"},
        currency="USD",
        new=50,
    ),
    Case(
        "bigcommerce orders without their lines",
        BIGCOMMERCE,
        "events",
        content(_bigcommerce()),
        rejected=16,
        ignored=4,
        reasons=("item is missing",),
    ),
    Case(
        "spryker order items without their order",
        SPRYKER,
        "events",
        content(_spryker()),
        says="The mapping says nothing about occurred_at, customer or visitor",
    ),
    Case(
        "voucherify orders without their lines",
        VOUCHERIFY,
        "events",
        content(_voucherify()),
        rejected=10,
        reasons=("item is missing",),
    ),
    Case(
        "olist order items without their order",
        OLIST,
        "events",
        content(
            table(
                "order_id,order_item_id,product_id,seller_id,shipping_limit_date,"
                "price,freight_value",
                [{"order_id": "a" * 32, "product_id": "b" * 32, "price": "58.90"}] * 5,
            )
        ),
        says="The mapping says nothing about",
    ),
]

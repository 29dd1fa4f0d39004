"""What market places and shop builders export."""

from __future__ import annotations

from tests.segmentation.files.cases import Case, content, moment, price, table

AMAZON = "https://developer-docs.amazon.com/sp-api/docs/order-reports-attributes"
AMAZON_ALL = "https://app.unpkg.com/amazon-sp-api@1.1.6/files/lib/typings/download.ts"
EBAY = (
    "https://developer.ebay.com/api-docs/user-guides/static/mip-user-guide/"
    "mip-definitions-active-inventory-report.html"
)
WIX = "https://wixsync.com/blog/wix-csv-import-format"
LIGHTSPEED = "https://help.dmws.nl/en/articles/5980493-product-column-titles"


def _amazon(*, is_report: bool) -> str:
    if is_report:
        header = (
            "amazon-order-id,merchant-order-id,purchase-date,last-updated-date,"
            "order-status,fulfillment-channel,sales-channel,order-channel,"
            "ship-service-level,product-name,sku,asin,number-of-items,item-status,"
            "quantity,currency,item-price,item-tax,shipping-price,ship-city,"
            "ship-state,ship-postal-code,ship-country,promotion-ids,is-business-order"
        )
    else:
        header = (
            "order-id,order-item-id,purchase-date,payments-date,reporting-date,"
            "promise-date,days-past-promise,buyer-email,buyer-phone-number,sku,"
            "product-name,quantity-purchased,quantity-shipped,quantity-to-ship,"
            "ship-service-level,recipient-name,ship-address-1,ship-city,ship-state,"
            "ship-postal-code,ship-country,is-business-order,is-prime"
        )
    rows = [
        {
            ("amazon-" if is_report else "") + "order-id": f"303-{n // 2:07}-1",
            "purchase-date": moment(n // 2, "{y}-{m:02}-{d:02}T{h:02}:{i:02}:00+00:00"),
            "sku": f"0{n % 11}",
            "product-name": f"Tee “Nr. {n}” 'klein'",
            "ship-city": "Köln",
        }
        | (
            {"order-status": "Shipped", "quantity": 1, "item-price": price(n)}
            if is_report
            else {
                "order-item-id": 40_000_000_000 + n,
                "buyer-email": f"{n // 2 % 20}abc@marketplace.example",
                "quantity-purchased": 1 + n % 2,
            }
        )
        for n in range(80)
    ]
    return table(header, rows, delimiter="\t", lineterminator="\r\n")


def _etsy() -> str:
    header = (
        "Sale Date,Item Name,Buyer,Quantity,Price,Coupon Code,Coupon Details,"
        "Discount Amount,Shipping Discount,Order Shipping,Order Sales Tax,Item Total,"
        "Currency,Transaction ID,Listing ID,Date Paid,Date Shipped,Ship Name,Order ID"
    )
    rows = [
        {
            "Sale Date": moment(n, "{m:02}/{d:02}/24"),
            "Item Name": "Sticker, fox &quot;Rusty&quot;",
            "Buyer": f"buyer_{n % 7}",
            "Quantity": 1,
            "Price": price(n),
            "Item Total": price(n),
            "Currency": "EUR",
            "Transaction ID": 9_000 + n,
            "Listing ID": 70 + n % 4,
            "Order ID": 3311 + n,
        }
        for n in range(35)
    ]
    return table(header, rows)


def _ebay() -> str:
    rows = [
        {
            "SKU": f"00{n}-A",
            "ItemID": 110_000_000_000 + n,
            "Channel": "EBAY_DE",
            "Currency": "EUR" if n % 10 else "GBP",
            "Price": price(n),
        }
        for n in range(40)
    ]
    return table("SKU,ItemID,Channel,Currency,Price", rows)


def _wix() -> str:
    """Products of two variants each: only the product's own line says what it is."""
    rows = []
    for n in range(20):
        key = {"handleId": f"product_{n}"}
        rows.append(
            key
            | {
                "fieldType": "Product",
                "name": f"Tee {n}",
                "description": "<p>Grün</p>",
                "productImageUrl": f"https://static.example/{n}.jpg",
                "sku": f"T-{n}",
                "price": price(n),
            }
        )
        rows += [key | {"fieldType": "Variant", "sku": f"T-{n}-{i}"} for i in "ab"]
    return table("handleId,fieldType,name,description,productImageUrl,sku,price", rows)


def _lightspeed() -> str:
    rows = [
        {
            "Product - Product-ID": 900 + n // 2,
            "Variant - Variant-ID": 7000 + n,
            "Product - Visibility": "visible",
            "Product - Brand": "Gabor",
            "Product - Title - DE Language": f"Stiefel {n // 2}",
            "Variant - Price": price(n).replace(".", ","),
            "Variant - Stock keeping unit (SKU)": f"0{n}",
        }
        for n in range(30)
    ]
    return table(list(rows[0]), rows, delimiter=";")


CASES = [
    Case(
        "amazon unshipped orders",
        AMAZON,
        "events",
        content(_amazon(is_report=False), "cp1252"),
        new=80,
    ),
    Case(
        "amazon all orders",
        AMAZON_ALL,
        "events",
        content(_amazon(is_report=True), "cp1252"),
        says="The mapping says nothing about customer or visitor",
    ),
    Case(
        "etsy sold items",
        "",
        "events",
        content(_etsy()),
        new=35,
    ),
    Case(
        "ebay active inventory",
        EBAY,
        "items",
        content(_ebay()),
        by_hand={"item": "SKU"},
        stored={"external_id": "007-A", "currency": "EUR"},
        new=40,
    ),
    Case(
        "wix products and their variants",
        WIX,
        "items",
        content(_wix(), "utf-8-sig"),
        by_hand={"item": "sku", "group": "handleId", "image": "productImageUrl"},
        rules={"shape": "variant_lines"},
        stored={"external_id": "T-3-b", "group": "product_3", "title": "Tee 3"},
        new=60,
    ),
    Case(
        "lightspeed products",
        LIGHTSPEED,
        "items",
        content(_lightspeed()),
        by_hand={
            "item": "Variant - Variant-ID",
            "group": "Product - Product-ID",
            "title": "Product - Title - DE Language",
            "brand": "Product - Brand",
            "price": {"column": "Variant - Price", "number": "1.234,56"},
        },
        stored={"external_id": "7003", "group": "901", "price": 24.39},
        new=30,
    ),
]

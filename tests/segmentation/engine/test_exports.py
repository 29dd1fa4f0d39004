"""Files of known shops, by their real header lines: from the guess to the rows."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from segmentation.engine import mapping
from tests.segmentation.engine import exports

KINDS = {"view": 1, "cart": 3, "favourite": 4, "purchase": 5, "return": 6}


def read(kind: str, name: str, *chunks: pa.Table) -> list[mapping.Canonical]:
    """What the built-in mapping makes of the chunks of a file."""
    known, headers = mapping.BUILTIN[name], chunks[0].column_names
    assert known.kind == kind
    plan = mapping.plan(
        kind,
        known.fitted(headers),
        headers,
        time_zone=ZoneInfo("Europe/Berlin"),
        kinds=KINDS,
        shape=known.shape,
    )
    found = [mapping.canonical(chunk, plan) for chunk in chunks]
    assert [c for part in found for c in part.rejects.reasons] == []
    return found


def rows(found: list[mapping.Canonical], *columns: str) -> list[tuple]:
    parts = [part.table.select(columns).to_pylist() for part in found]
    return [tuple(row.values()) for part in parts for row in part]


@pytest.mark.parametrize(
    "header, kind, name",
    [
        (exports.SHOPIFY_ORDERS, "events", "shopify-orders"),
        (exports.SHOPIFY_PRODUCTS, "items", "shopify-products"),
        (exports.SHOPIFY_PRODUCTS_2025, "items", "shopify-products"),
        (exports.WOO_PRODUCTS, "items", "woocommerce-products"),
        (exports.WOO_ORDERS, "events", "woocommerce-orders"),
        (exports.WOO_ADVANCED, "events", "woocommerce-orders-advanced"),
        (exports.MAGENTO_PRODUCTS, "items", "magento2-products"),
        ("customer,item,kind,occurred_at", "events", ""),
        ("sku,name,price", "items", ""),
    ],
)
def test_an_export_is_known_by_its_headers(header, kind, name):
    file = exports.table(header, {})
    assert mapping.recognised(kind, file.column_names) == name
    assert mapping.recognised("customers", file.column_names) == ""
    if name:
        reasons = {one.reason for one in _guess(kind, file).values()}
        assert all(mapping.BUILTIN[name].label in reason for reason in reasons)


def _guess(kind, file):
    return mapping.guess_columns(kind, file.column_names, file)


@pytest.mark.parametrize("name", mapping.BUILTIN)
def test_a_built_in_mapping_is_a_mapping(name):
    known = mapping.BUILTIN[name]
    read_ = mapping.read_columns(known.columns)
    assert all(mapping.role_of(known.kind, target) for target in read_)
    kinds = set(read_["kind"].map.values()) if "kind" in read_ else set()
    assert kinds <= {*KINDS, mapping.IGNORE}


def test_the_head_of_a_shopify_order_is_that_of_all_its_lines():
    head = {
        "Name": "#1001",
        "Email": "ada@example.com",
        "Financial Status": "paid",
        "Currency": "EUR",
        "Created at": "2025-10-07 09:50:26 +0200",
    }
    line = {"Lineitem quantity": "1", "Lineitem price": "10.00"}
    found = read(
        "events",
        "shopify-orders",
        exports.table(
            exports.SHOPIFY_ORDERS,
            head | line | {"Lineitem sku": "T-1"},
            {"Name": "#1001", **line, "Lineitem name": "Tea - loose"},
            head
            | line
            | {"Name": "#1002", "Financial Status": "refunded"}
            | {"Lineitem sku": "T-1", "Email": "", "Phone": "+491"},
            head | line | {"Name": "#1003", "Financial Status": "voided"},
            {"Name": "#1003", **line, "Lineitem sku": "T-2"},
        ),
    )
    assert rows(found, "order", "customer", "item", "kind", "amount", "currency") == [
        ("#1001", "ada@example.com", "T-1", 5, 10.0, "EUR"),
        ("#1001", "ada@example.com", "Tea - loose", 5, 10.0, "EUR"),
        ("#1002", "+491", "T-1", 6, 10.0, "EUR"),
    ]
    assert found[0].ignored == 2
    assert len({row[0] for row in rows(found, "occurred_at")}) == 1


@pytest.mark.parametrize("is_new", [False, True])
def test_more_lines_of_a_shopify_product_are_variants_or_pictures(is_new):
    names = {
        "Handle": "URL handle",
        "Body (HTML)": "Description",
        "Variant SKU": "SKU",
        "Variant Price": "Price",
        "Image Src": "Product image URL",
        "Option1 Value": "Option1 value",
        "Product Category": "Product category",
    }
    lines = [
        {
            "Handle": "shirt",
            "Title": "Shirt",
            "Vendor": "Ada",
            "Product Category": "Clothing",
            "Option1 Value": "S",
            "Variant SKU": "S-1",
            "Variant Price": "20.00",
            "Image Src": "https://x/1.jpg",
            "Status": "active",
        },
        {
            "Handle": "shirt",
            "Option1 Value": "M",
            "Variant SKU": "S-2",
            "Variant Price": "22.00",
            "Image Src": "https://x/2.jpg",
        },
        {"Handle": "shirt", "Image Src": "https://x/3.jpg"},
        {
            "Handle": "mug",
            "Title": "Mug",
            "Option1 Value": "Default Title",
            "Variant Price": "9.00",
            "Status": "draft",
        },
    ]
    header = exports.SHOPIFY_PRODUCTS
    if is_new:
        header = exports.SHOPIFY_PRODUCTS_2025
        lines = [{names.get(k, k): v for k, v in line.items()} for line in lines]
    found = read("items", "shopify-products", exports.table(header, *lines))
    columns = ("item", "title", "group", "category", "price", "image", "available")
    assert rows(found, *columns, "attributes.variant") == [
        ("S-1", "Shirt", "shirt", "Clothing", 20.0, "https://x/1.jpg", True, "S"),
        ("S-2", "Shirt", "shirt", "Clothing", 22.0, "https://x/1.jpg", True, "M"),
        ("mug", "Mug", "mug", None, 9.0, None, False, None),
    ]
    assert found[0].ignored == 1


def test_woocommerce_products():
    shirt = {"ID": "44", "Type": "variable", "SKU": "tee", "Name": "Tee"}
    found = read(
        "items",
        "woocommerce-products",
        exports.table(
            exports.WOO_PRODUCTS,
            shirt
            | {"In stock?": "backorder", "Images": "https://x/a.jpg, https://x/b.jpg"}
            | {"Categories": "Clothing > Tees, Sale"},
            {"ID": "45", "Type": "variation", "Parent": "tee", "In stock?": "0"}
            | {"Sale price": "8", "Regular price": "10"},
        ),
    )
    columns = ("item", "group", "category", "price", "image", "available")
    assert rows(found, *columns) == [
        ("tee", None, "Clothing > Tees", None, "https://x/a.jpg", True),
        ("45", "tee", None, 8.0, None, False),
    ]


def test_woocommerce_orders_of_both_exporters():
    line = {"order_number": "7", "order_date": "2024-05-01 10:00:00"}
    line |= {"billing_email": "ada@example.com", "order_currency": "EUR"}
    line |= {"item_sku": "T-1", "item_quantity": "2", "item_total": "9.00"}
    found = read(
        "events",
        "woocommerce-orders",
        exports.table(
            exports.WOO_ORDERS,
            line | {"status": "completed", "item_id": "1"},
            line | {"status": "wc-refunded", "item_id": "2", "order_number": "8"},
            line | {"status": "on-hold", "item_id": "3", "order_number": "9"},
        ),
    )
    assert rows(found, "order", "kind", "price", "event_id") == [
        ("7", 5, 4.5, "1"),
        ("8", 6, 4.5, "2"),
    ]
    found += read(
        "events",
        "woocommerce-orders-advanced",
        exports.table(
            exports.WOO_ADVANCED,
            {"Order Number": "7", "Order Status": "Processing"}
            | {"Order Date": "2024-05-01 10:00", "Email (Billing)": "ada@example.com"}
            | {"SKU": "T-1", "Quantity (- Refund)": "2", "Item Cost": "4.5"},
            {"Order Number": "7", "Item Name": "Mug", "Quantity (- Refund)": "1"},
        ),
    )
    assert rows(found[1:], "customer", "item", "kind", "amount") == [
        ("ada@example.com", "T-1", 5, 9.0),
        ("ada@example.com", "Mug", 5, None),
    ]


def test_magento_products_without_the_lines_of_store_views():
    bag = {"sku": "24-MB01", "product_type": "simple", "name": "Bag", "price": "34"}
    found = read(
        "items",
        "magento2-products",
        exports.table(
            exports.MAGENTO_PRODUCTS,
            bag
            | {"categories": "Default Category/Gear,Default Category/Gear/Bags"}
            | {"special_price": "30", "product_online": "1", "is_in_stock": "1"},
            {"sku": "24-MB01", "store_view_code": "de", "name": "Tasche"},
            bag | {"sku": "24-MB02", "product_online": "2"},
        ),
    )
    assert rows(found, "item", "title", "category", "price", "available") == [
        ("24-MB01", "Bag", "Default Category/Gear/Bags", 30.0, True),
        ("24-MB02", "Bag", None, 34.0, False),
    ]
    assert found[0].ignored == 1


def test_taobao_behaviour_has_no_header_and_is_known_by_its_words():
    headers = [f"column {n}" for n in range(1, 6)]
    cells = [["1"], ["2268318"], ["2520377"], ["fav"], ["1511544070"]]
    file = pa.table(dict(zip(headers, cells, strict=True)))
    assert mapping.recognised("events", headers) == ""
    assert mapping.recognised("events", headers, file) == "taobao-user-behavior"
    other = file.set_column(3, "column 4", pa.array(["x"]))
    assert mapping.recognised("events", headers, other) == ""
    found = read("events", "taobao-user-behavior", file)
    assert rows(found, "customer", "item", "kind") == [("1", "2268318", 4)]
    assert str(rows(found, "occurred_at")[0][0]) == "2017-11-24 17:21:10+00:00"


def test_a_saved_mapping_fits_a_file_that_writes_its_headers_otherwise():
    saved = {"item": "Item_ID", "title": {"columns": ["Name", "Size"], "join": " "}}
    saved |= {"price": "Price", "currency": "=EUR"}
    assert mapping.fitted("items", saved, ["item id", "NAME"]) == {
        "item": "item id",
        "title": "NAME",
        "currency": "=EUR",
    }
    assert mapping.fitted("items", saved, ["other"])["item"] == "Item_ID"


def test_a_signature_is_that_of_the_headers_in_any_order():
    first = mapping.signature("items", ["Item_ID", "Titel"])
    assert first == mapping.signature("items", ["titel", " item id "])
    assert first != mapping.signature("events", ["Item_ID", "Titel"])
    assert first != mapping.signature("items", ["Item_ID"])
    assert len(first) == 32 and int(first, 16)

"""Mappings of common exports, under their names.

Each names the public page that its columns were read on. A file may have fewer of
them, or write them with other capitals: `Builtin.fitted` keeps what is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine.cleaning import texts
from segmentation.engine.mapping.names import normal
from segmentation.engine.mapping.plans import fitted
from segmentation.engine.mapping.specs import Spec, read_columns


@dataclass(frozen=True)
class Builtin:
    """A known export: how its columns are read, and by which of them it is known.

    ``headers`` are sets of names; a file with all of one set is such an export.
    """

    label: str
    kind: str
    columns: dict[str, Spec]
    headers: tuple[tuple[str, ...], ...]
    shape: str = ""
    layout: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)

    def fits(self, headers: list[str], sample: pa.Table | None = None) -> bool:
        """Whether the file has the columns that such an export is known by.

        Without names of its own it is known by its kinds of events, in the sample.
        """
        there = {normal(header) for header in headers}
        names = any({normal(name) for name in names} <= there for names in self.headers)
        if not names or self.layout.get("has_header", True):
            return names
        kinds = read_columns(self.columns)["kind"]
        if sample is None or not sample.num_rows or len(headers) > len(self.headers[0]):
            return False
        words = texts.trimmed(sample.column(kinds.headers[0]).combine_chunks())
        return set(pc.unique(words).to_pylist()) <= set(kinds.map)

    def fitted(self, headers: list[str]) -> dict[str, Spec]:
        """The columns that this file has, by the names that they have in it."""
        return fitted(self.kind, self.columns, headers)


# help.shopify.com/en/manual/fulfillment/managing-orders/exporting-orders; that only the
# first line of an order has its head: docs.xbp.app/…/integrations/shopify/order-format
_SHOPIFY_ORDERS = Builtin(
    "Shopify: orders",
    "events",
    {
        "customer": {"columns": ["Email", "Phone"]},
        "item": {"columns": ["Lineitem sku", "Lineitem name"]},
        "kind": {
            "column": "Financial Status",
            "map": {
                "paid": "purchase",
                "pending": "purchase",  # ordered; to be paid on delivery, for example
                "authorized": "purchase",
                "partially_paid": "purchase",
                "partially_refunded": "purchase",
                "refunded": "return",
                "voided": "ignore",
                "expired": "ignore",
            },
        },
        "occurred_at": "Created at",
        "quantity": "Lineitem quantity",
        "price": "Lineitem price",
        "currency": "Currency",
        "order": "Name",
    },
    (("Name", "Financial Status", "Lineitem quantity", "Created at"),),
    shape="order_lines",
)
# docs.rs/crate/sales/…/testdata/squarespace.csv: as Shopify's, with an id.
_SQUARESPACE_ORDERS = replace(
    _SHOPIFY_ORDERS,
    label="Squarespace: orders",
    columns=_SHOPIFY_ORDERS.columns
    | {"customer": {"columns": ["Email", "Billing Phone"]}, "order": "Order ID"},
    headers=(("Order ID", "Financial Status", "Lineitem quantity", "Created at"),),
)
# help.shopify.com/en/manual/products/import-export/using-csv; the columns were renamed
# in 2025 (Handle → URL handle, Variant SKU → SKU, …), so both names stand here.
_SHOPIFY_PRODUCTS = Builtin(
    "Shopify: products",
    "items",
    {
        "item": {"columns": ["Variant SKU", "SKU", "Handle", "URL handle"]},
        "title": "Title",
        "group": {"columns": ["Handle", "URL handle"]},
        "category": {"columns": ["Type", "Product Category"]},
        "brand": "Vendor",
        "price": {"columns": ["Variant Price", "Price"]},
        "image": {"columns": ["Image Src", "Product image URL"]},
        "available": {
            "columns": ["Status", "Published", "Published on online store"],
            "map": {"active": "yes", "draft": "no", "archived": "no", "unlisted": "no"},
        },
        "description": {"columns": ["Body (HTML)", "Description"]},
        "attributes.variant": {
            "columns": ["Option1 Value", "Option2 Value", "Option3 Value"],
            "join": " / ",
            "map": {"Default Title": ""},
        },
    },
    (("Handle", "Variant SKU", "Variant Price"), ("URL handle", "SKU", "Vendor")),
    shape="variant_lines",
)
# github.com/woocommerce/woocommerce/wiki/Product-CSV-Import-Schema
_WOO_PRODUCTS = Builtin(
    "WooCommerce: products",
    "items",
    {
        "item": {"columns": ["SKU", "ID"]},
        "title": "Name",
        "group": "Parent",
        "category": {"column": "Categories", "split": {"by": ",", "part": 1}},
        "brand": "Brands",
        "price": {"columns": ["Sale price", "Regular price"]},
        "image": {"column": "Images", "split": {"by": ",", "part": 1}},
        "available": {"column": "In stock?", "map": {"backorder": "yes"}},
        "description": {"columns": ["Short description", "Description"]},
    },
    (("Type", "SKU", "Name", "In stock?", "Regular price"),),
)
_WOO_STATUS = {
    "completed": "purchase",
    "processing": "purchase",
    "refunded": "return",
    "on hold": "ignore",
    "pending": "ignore",
    "pending payment": "ignore",
    "cancelled": "ignore",
    "failed": "ignore",
    "draft": "ignore",
    "checkout-draft": "ignore",
    "trash": "ignore",
}
_WOO_STATUS |= {
    f"wc-{status.replace(' ', '-')}": kind for status, kind in _WOO_STATUS.items()
}
_WOO_STATUS["on-hold"] = "ignore"
# woocommerce.com/document/ordercustomer-csv-export-developer-documentation (one row per
# item) and woocommerce.com/document/import-and-export-of-woocommerce-orders, which call
# their columns alike. WooCommerce itself exports no lines of orders.
_WOO_ORDERS = Builtin(
    "WooCommerce: orders, one row per item",
    "events",
    {
        "customer": {"columns": ["customer_email", "billing_email"]},
        "item": {"columns": ["item_sku", "item_product_id", "item_name"]},
        "kind": {"column": "status", "map": _WOO_STATUS},
        "occurred_at": {"columns": ["order_date", "date"]},
        "quantity": "item_quantity",
        "amount": "item_total",
        "currency": {"columns": ["order_currency", "currency"]},
        "order": {"columns": ["order_number", "order_id"]},
        "event_id": "item_id",
    },
    (("status", "item_quantity", "item_total", "billing_email"),),
    shape="order_lines",
)
# wordpress.org/plugins/woo-order-export-lite (Advanced Order Export), as it is set at
# first; the head of an order may stand on each of its lines or on the first only.
_WOO_ADVANCED = Builtin(
    "WooCommerce: Advanced Order Export",
    "events",
    {
        "customer": "Email (Billing)",
        "item": {"columns": ["SKU", "Item Name", "Name"]},
        "kind": {"column": "Order Status", "map": _WOO_STATUS},
        "occurred_at": "Order Date",
        "quantity": {"columns": ["Quantity (- Refund)", "Quantity"]},
        "price": "Item Cost",
        "currency": "Currency",
        "order": "Order Number",
    },
    (("Order Number", "Order Status", "Order Date", "Item Cost"),),
    shape="order_lines",
)
# experienceleague.adobe.com/docs/commerce-admin/systems/data-transfer/data-attributes-
# product; lines of store views repeat the sku and say only what differs. Its export of
# orders has no lines of products, so there is nothing to map.
_MAGENTO_PRODUCTS = Builtin(
    "Magento 2: products",
    "items",
    {
        "item": "sku",
        "title": "name",
        "group": "sku",
        "category": {"column": "categories", "split": {"by": ",", "part": -1}},
        "price": {"columns": ["special_price", "price"]},
        "available": {
            "columns": ["is_in_stock", "product_online"],
            "map": {"2": "no"},  # of product_online: disabled
        },
        "description": {"columns": ["short_description", "description"]},
    },
    (("sku", "attribute_set_code", "product_type", "product_websites"),),
    shape="variant_lines",
)
# tianchi.aliyun.com/dataset/649; described on guozizhun.com/…/Taobao_Behavior_Analysis_
# Intro: user, item, category, behaviour and seconds since 1970, no header.
_TAOBAO = Builtin(
    "Taobao: UserBehavior",
    "events",
    {
        "customer": "column 1",
        "item": "column 2",
        "kind": {
            "column": "column 4",
            "map": {
                "pv": "view",
                "cart": "cart",
                "fav": "favourite",
                "buy": "purchase",
            },
        },
        "occurred_at": {"column": "column 5", "date": "epoch_s"},
    },
    (("column 1", "column 2", "column 3", "column 4", "column 5"),),
    layout={"format": "csv", "delimiter": ",", "has_header": False},
)

BUILTIN = {
    "shopify-orders": _SHOPIFY_ORDERS,
    "shopify-products": _SHOPIFY_PRODUCTS,
    "squarespace-orders": _SQUARESPACE_ORDERS,
    "woocommerce-orders": _WOO_ORDERS,
    "woocommerce-orders-advanced": _WOO_ADVANCED,
    "woocommerce-products": _WOO_PRODUCTS,
    "magento2-products": _MAGENTO_PRODUCTS,
    "taobao-user-behavior": _TAOBAO,
}


def recognised(kind: str, headers: list[str], sample: pa.Table | None = None) -> str:
    """The name of the built-in mapping for such a file of this kind, or “”."""
    for name, known in BUILTIN.items():
        if known.kind == kind and known.fits(headers, sample):
            return name
    return ""

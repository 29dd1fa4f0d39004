"""Header lines of real exports, as their public pages and files give them."""

from __future__ import annotations

import csv
import io

import pyarrow as pa

SHOPIFY_ORDERS = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,"
    "Accepts Marketing,Currency,Subtotal,Shipping,Taxes,Total,Discount Code,"
    "Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,"
    "Lineitem price,Lineitem compare at price,Lineitem sku,"
    "Lineitem requires shipping,Lineitem taxable,Lineitem fulfillment status,"
    "Billing Name,Billing Street,Billing City,Billing Zip,Billing Country,"
    "Billing Phone,Notes,Cancelled at,Payment Method,Refunded Amount,Vendor,Id,Tags,"
    "Risk Level,Source,Lineitem discount,Phone"
)
SHOPIFY_PRODUCTS = (
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,"
    "Option1 Name,Option1 Value,Option2 Name,Option2 Value,Option3 Name,"
    "Option3 Value,Variant SKU,Variant Grams,Variant Inventory Tracker,"
    "Variant Inventory Qty,Variant Price,Variant Compare At Price,Image Src,"
    "Image Position,Image Alt Text,Gift Card,SEO Title,Variant Image,Status"
)
SHOPIFY_PRODUCTS_2025 = (
    "Title,URL handle,Description,Vendor,Product category,Type,Tags,"
    "Published on online store,Status,SKU,Barcode,Option1 name,Option1 value,"
    "Option2 name,Option2 value,Option3 name,Option3 value,Price,Compare-at price,"
    "Cost per item,Inventory quantity,Product image URL,Image position,"
    "Image alt text,Variant image URL,Gift card,SEO title"
)
WOO_PRODUCTS = (
    'ID,Type,SKU,Name,Published,"Is featured?","Visibility in catalog",'
    '"Short description",Description,"Date sale price starts",'
    '"Date sale price ends","Tax status","Tax class","In stock?",Stock,'
    '"Low stock amount","Backorders allowed?","Sold individually?","Weight (kg)",'
    '"Allow customer reviews?","Purchase note","Sale price","Regular price",'
    'Categories,Tags,"Shipping class",Images,"Download limit",Parent,Upsells,'
    "Cross-sells,Position"
)
WOO_ORDERS = (
    "order_id,order_number,order_date,status,shipping_total,tax_total,"
    "discount_total,order_total,order_currency,payment_method,customer_id,"
    "billing_first_name,billing_last_name,billing_email,billing_phone,customer_note,"
    "item_id,item_product_id,item_name,item_sku,item_quantity,item_subtotal,"
    "item_total,item_total_tax,item_refunded,item_refunded_qty,item_meta,order_notes"
)
WOO_ADVANCED = (
    '"Order Number","Order Status","Order Date","Customer Note",'
    '"First Name (Billing)","Last Name (Billing)","Company (Billing)",'
    '"City (Billing)","Country Code (Billing)","Email (Billing)",'
    '"Phone (Billing)","Payment Method Title","Order Subtotal Amount",'
    '"Order Total Amount",SKU,"Item #","Item Name","Quantity (- Refund)",'
    '"Item Cost","Coupon Code","Discount Amount"'
)
MAGENTO_PRODUCTS = (
    "sku,store_view_code,attribute_set_code,product_type,categories,"
    "product_websites,name,description,short_description,weight,product_online,"
    "tax_class_name,visibility,price,special_price,special_price_from_date,"
    "url_key,base_image,created_at,updated_at,additional_attributes,qty,is_in_stock"
)


def table(header: str, *rows: dict[str, str]) -> pa.Table:
    """A file of text columns with these cells, all others blank."""
    names = next(csv.reader(io.StringIO(header)))
    unknown = {name for row in rows for name in row} - set(names)
    assert not unknown, unknown
    return pa.table(
        {name: pa.array([row.get(name, "") for row in rows]) for name in names}
    )

"""Products as shops, feeds and data sets write them."""

from __future__ import annotations

from tests.segmentation.engine import exports
from tests.segmentation.files.cases import Case, content, jsonl, lines, price, table

SHOPIFY = "https://help.shopify.com/en/manual/products/import-export/using-csv"
WOO = "https://gist.github.com/manutheblacker/c7fe4d407c85994b2d5d431c313b65f2"
MAGENTO = (
    "https://raw.githubusercontent.com/wix/skills/main/wix-replatform/resources/"
    "rp-source-csv/vendors/magento.json"
)
PRESTASHOP = (
    "http://38.142.81.21:8001/manual/prestashop/prestashop-1-4/user-guide-english/"
    "page-265.html"
)
SPREE = (
    "https://spreecommerce.org/docs/user/manage-products/product-import-file-template"
)
SHOFY = "https://docs.botble.com/shofy/usage-product-import-export.html"
GOOGLE = (
    "https://support.google.com/merchants/answer/7052112/product-data-specification"
)
HM = "https://fast.hugflare.com/datasets/microsoft/hnm-search-data/blob/main/README.md"
MIND = "https://docs.microsoft.com/en-us/azure/open-datasets/dataset-microsoft-news"
ML_1M = (
    "https://github.com/YJiangcm/Movielens1M-movie-recommendation-system/blob/"
    "31fd1922f6d566ea879387a1fbc12c29943c323d/ml-1m/README"
)
ML_100K = (
    "https://github.com/erkansirin78/datasets/blob/"
    "6001f5e0baa42192c1d58930964a73eed815072e/ml-100k/README"
)
GENRES = ("Animation", "Children's", "Comedy")


def _shopify(*, is_new: bool) -> str:
    """15 products of 3 lines: itself, a variant, and one more picture."""
    handle, sku, image = (
        ("URL handle", "SKU", "Product image URL")
        if is_new
        else ("Handle", "Variant SKU", "Image Src")
    )
    cost = "Price" if is_new else "Variant Price"
    text = "Description" if is_new else "Body (HTML)"
    rows = []
    for n in range(15):
        key = {handle: f"tea-{n}"}
        rows += [
            key
            | {
                "Title": f"Tee Nr. {n}, “fein”",
                text: '<p class="x">Line one,\nline two</p>',
                "Vendor": "Müller & Co",
                "Type": "Tea",
                "Status": "active" if n % 3 else "draft",
                sku: f"T-{n}-S",
                cost: price(n),
                image: f"https://cdn.example.com/{n}.jpg",
            },
            key | {sku: f"T-{n}-L", cost: price(n + 1)},
            key | {image: f"https://cdn.example.com/{n}-b.jpg"},
        ]
    header = exports.SHOPIFY_PRODUCTS_2025 if is_new else exports.SHOPIFY_PRODUCTS
    return table(header, rows)


def _shopify_ragged() -> str:
    """A line that somebody cut by hand, and one with a comma too many."""
    cut = "tea-x,Tea\n"
    long = "tea-y" + "," * len(exports.SHOPIFY_PRODUCTS.split(",")) + ",too much\n"
    return _shopify(is_new=False).replace("\r\n", "\n") + cut + long


def _woo() -> str:
    rows = []
    for n in range(20):
        rows.append(
            {
                "ID": n,
                "Type": "variable",
                "SKU": f"p-{n}",
                "Name": f"Schal {n}",
                "Published": 1,
                "In stock?": n % 2,
                "Regular price": price(n),
                "Categories": "Kleidung > Schals, Neu",
                "Images": "https://x.example/1.jpg, https://x.example/2.jpg",
            }
        )
        rows.append(
            {
                "ID": 100 + n,
                "Type": "variation",
                "SKU": f"p-{n}-rot" if n else "p-1",
                "Name": f"Schal {n} - rot",
                "In stock?": "backorder" if n % 5 == 0 else 1,
                "Regular price": price(n),
                "Sale price": "1.50",
                "Parent": f"p-{n}",
            }
        )
    return table(exports.WOO_PRODUCTS, rows)


def _magento() -> str:
    rows = []
    for n in range(25):
        rows.append(
            {
                "sku": f"24-MB{n:02}",
                "attribute_set_code": "Bag",
                "product_type": "simple",
                "categories": "Default Category/Gear,Default Category/Gear/Bags",
                "product_websites": "base",
                "name": f"Bag {n}",
                "price": f"{n + 10}.000000",
                "product_online": 1,
                "qty": "100.0000",
                "is_in_stock": 1,
                "created_at": "9/7/16, 7:21 AM",
                "additional_attributes": "activity=Gym|Hiking,material=Canvas",
            }
        )
        if n % 5 == 0:  # what the second store view calls it
            rows.append(
                {
                    "sku": f"24-MB{n:02}",
                    "store_view_code": "german",
                    "name": f"Tasche {n}",
                }
            )
    return table(exports.MAGENTO_PRODUCTS, rows)


def _prestashop() -> str:
    header = (
        "Enabled,Name,Categories,Price,Tax rule ID,Buying price,On sale,Reference,"
        "Weight,Quantity,Short desc.,Long desc,Images URL"
    )
    rows = [
        {
            "Enabled": n % 2,
            "Name": f"Thé à la menthe n°{n}",
            "Categories": "1,2,3",
            "Price": f"{10 + n},50",
            "Reference": f"PROD-{n:03}",
            "Short desc.": "'Tis a short; but quoted, desc.",
            "Images URL": f"http://shop.example/images/{n}.gif",
        }
        for n in range(30)
    ]
    return table(header, rows, delimiter=";", quoting=2)


def _spree() -> str:
    header = (
        "sku,name,slug,status,description,meta_title,meta_description,meta_keywords,"
        "tags,price,compare_at_price,currency,width,height,depth,dimensions_unit"
    )
    rows = [
        {
            "sku": f"SP-{n}" if n != 7 else "",
            "name": f"Chair {n}",
            "slug": f"chair-{n // 2}",
            "status": "active",
            "price": price(n),
            "currency": "EUR",
        }
        for n in range(20)
    ]
    return table(header, rows)


def _shofy() -> str:
    header = (
        "id,name,description,slug,sku,categories,status,is_featured,brand,price,"
        "product_attributes,import_type,quantity"
    )
    rows = []
    for n in range(12):
        name = {"name": f"Lamp {n}"}
        rows.append(
            name
            | {"id": n, "sku": f"L-{n}", "slug": f"lamp-{n}", "import_type": "product"}
            | {"categories": "Light", "brand": "Lux", "price": "99.99"}
        )
        rows.append(
            name
            | {"sku": f"L-{n}-RED", "import_type": "variation", "price": "109.99"}
            | {"product_attributes": "Size:Large|Color:Red"}
        )
    return table(header, rows)


def _google() -> str:
    header = (
        "id,title,description,link,image_link,availability,price,brand,gtin,"
        "google_product_category,item_group_id,condition"
    )
    stock = ("in_stock", "out_of_stock", "preorder", "backorder")
    rows = [
        {
            "id": f"A2B{n}",
            "title": f"Mens Pique Polo Shirt {n}",
            "description": "Made from 100% organic cotton",
            "link": f"http://www.example.com/asp/sp.asp?id={n}",
            "image_link": f"http://www.example.com/image{n}.jpg",
            "availability": stock[n % 4],
            "price": f"{15 + n}.00 EUR",
            "brand": "Google",
            "google_product_category": "Apparel & Accessories > Clothing",
            "item_group_id": f"AB{n // 3}",
            "condition": "new",
        }
        for n in range(40)
    ]
    return table(header, rows, delimiter="\t")


def _hm() -> str:
    header = (
        "article_id,product_code,prod_name,product_type_no,product_type_name,"
        "product_group_name,graphical_appearance_no,colour_group_name,"
        "department_no,department_name,index_code,index_name,section_name,"
        "garment_group_name,detail_desc"
    )
    rows = [
        {
            "article_id": f"0{108775015 + n}",
            "product_code": "0108775",
            "prod_name": "Strap top",
            "product_type_name": "Vest top",
            "product_group_name": "Garment Upper body",
            "department_name": "Jersey Basic",
            "detail_desc": "Jersey top with narrow shoulder straps." if n % 5 else "",
        }
        for n in range(50)
    ]
    return table(header, rows)


def _movies(rows: int, delimiter: str) -> str:
    names = ("Toy Story (1995)", "Misérables, Les (1995)", "Cité des enfants (1995)")
    return lines(
        [(n + 1, names[n % 3], "|".join(GENRES[: 1 + n % 3])) for n in range(rows)],
        delimiter,
    )


def _u_item() -> str:
    url = "http://us.imdb.com/M/title-exact?Toy%20Story%20(1995)"
    name = ("Toy Story (1995)", "Misérables, Les (1995)")
    flags = "0|1|0" * 6 + "|0"
    rows = [
        f"{n + 1}|{name[n % 2]}|{1 + n % 28:02}-Jan-1995||{url}|{flags}\n"
        for n in range(30)
    ]
    return "".join(rows)


def _mind_news() -> str:
    rows = []
    for n in range(40):
        title = f'The "brand" new {n}' if n % 7 else '"Quoted" from the first'
        page = f"https://assets.msn.com/labs/mind/AAGH{n}.html"
        rows.append((f"N{n}", "lifestyle", "royals", title, "Text", page, "[]", "[]"))
    return lines(rows, "\t")


def _amazon_meta() -> str:
    return jsonl(
        {
            "main_category": "All Beauty",
            "title": f"Howard LC0008 {n}",
            "average_rating": 4.8,
            "price": [None, "10.99", "—", 7.5][n % 4],
            "images": [{"thumb": "https://m.example/1.jpg", "variant": "MAIN"}],
            "store": "Howard Products",
            "parent_asin": f"B01CUP{n:04}",
        }
        for n in range(40)
    )


MOVIE = {"item": "column 1", "title": "column 2", "category": "column 3"}
CASES = [
    Case(
        "shopify products",
        SHOPIFY,
        "items",
        content(_shopify(is_new=False), "utf-8-sig"),
        mapping="shopify-products",
        new=30,
        ignored=15,
    ),
    Case(
        "shopify products since 2025",
        SHOPIFY + ".md",
        "items",
        content(_shopify(is_new=True)),
        mapping="shopify-products",
        new=30,
        ignored=15,
    ),
    Case(
        "shopify products with ragged lines",
        SHOPIFY,
        "items",
        content(_shopify_ragged()),
        mapping="shopify-products",
        new=30,
        ignored=15,
        rejected=2,
        reasons=("more or fewer cells",),
    ),
    Case(
        "woocommerce products",
        WOO,
        "items",
        content(_woo(), "utf-8-sig"),
        mapping="woocommerce-products",
        new=39,
        duplicate=1,
    ),
    Case(
        "magento 2 products",
        MAGENTO,
        "items",
        content(_magento()),
        mapping="magento2-products",
        new=25,
        ignored=5,
    ),
    Case(
        "prestashop products",
        PRESTASHOP,
        "items",
        content(_prestashop(), "latin-1"),
        layout={"encoding": "latin-1"},
        stored={"title": "Thé à la menthe n°3", "price": 13.5},
        new=30,
    ),
    Case(
        "spree products",
        SPREE,
        "items",
        content(_spree()),
        new=19,
        rejected=1,
        reasons=("item is missing",),
    ),
    Case("shofy products and variations", SHOFY, "items", content(_shofy()), new=24),
    Case("google product feed", GOOGLE, "items", content(_google()), new=40),
    Case(
        "google product feed in another money",
        GOOGLE + "?hl=en-GB",
        "items",
        content(_google(), "utf-16-le"),
        currency="GBP",
        rejected=40,
        reasons=("price is in another currency than the item",),
    ),
    Case("h&m articles", HM, "items", content(_hm()), new=50),
    Case(
        "movielens 1m movies",
        ML_1M,
        "items",
        content(_movies(40, "::"), "latin-1"),
        by_hand=MOVIE,
        new=40,
    ),
    Case(
        "movielens 100k items",
        ML_100K,
        "items",
        content(_u_item(), "latin-1"),
        by_hand={"item": "column 1", "title": "column 2"},
        new=30,
    ),
    Case(
        "mind news",
        MIND,
        "items",
        content(_mind_news()),
        layout={"quote": "", "has_header": False},
        by_hand={
            "item": "column 1",
            "title": "column 4",
            "category": "column 2",
            "description": "column 5",
        },
        new=40,
    ),
]

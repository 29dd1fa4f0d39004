"""Proposed mappings: by names in two languages, by what the cells look like."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from segmentation.engine import mapping

INSTANT = pa.timestamp("us", "UTC")
KINDS = {
    **{"view": 1, "click": 2, "cart": 3, "favourite": 4, "purchase": 5, "return": 6},
    **{"rating": 7, "search": 8, "remove_from_cart": 9},
}


def guess(kind: str, **columns: list) -> dict[str, mapping.Guessed]:
    file = pa.table(columns)
    guessed = mapping.guess_columns(kind, file.column_names, file)
    for one in guessed.values():
        assert one.reason.endswith(".")
        mapping.read_column("x", one.spec)
    return guessed


def specs(kind: str, **columns: list) -> dict:
    return {target: one.spec for target, one in guess(kind, **columns).items()}


@pytest.mark.parametrize(
    "kind, headers, expected",
    [
        (
            "events",
            "用户ID 商品编号 下单时间 数量 单价 金额 订单编号",
            {
                "customer": "用户ID",
                "item": "商品编号",
                "kind": "=purchase",
                "occurred_at": "下单时间",
                "quantity": "数量",
                "price": "单价",
                "amount": "金额",
                "order": "订单编号",
            },
        ),
        (
            "events",
            "InvoiceNo StockCode Description Quantity InvoiceDate UnitPrice CustomerID",
            {
                "customer": "CustomerID",
                "item": "StockCode",
                "kind": "=purchase",
                "occurred_at": "InvoiceDate",
                "quantity": "Quantity",
                "price": "UnitPrice",
                "order": "InvoiceNo",
            },
        ),
        (
            "events",
            "timestamp visitorid itemid transactionid",
            {
                "visitor": "visitorid",
                "item": "itemid",
                "kind": "=purchase",
                "occurred_at": "timestamp",
                "order": "transactionid",
            },
        ),
        (
            "events",
            "userId movieId rating timestamp",
            {
                "customer": "userId",
                "item": "movieId",
                "value": "rating",
                "kind": "=rating",
                "occurred_at": "timestamp",
            },
        ),
        (
            "items",
            "商品编码 商品名称 类目 品牌 价格(元) 图片链接",
            {
                "item": "商品编码",
                "title": "商品名称",
                "category": "类目",
                "brand": "品牌",
                "price": "价格(元)",
                "image": "图片链接",
            },
        ),
        (
            "customers",
            "会员编号 邮箱 手机号 姓名 注册时间",
            {
                "customer": "会员编号",
                "email": "邮箱",
                "phone": "手机号",
                "name": "姓名",
                "created_at": "注册时间",
            },
        ),
        (
            "events",
            "Kundennummer Artikelnummer Bestelldatum Menge Einzelpreis Währung "
            "Bestellnummer",
            {
                "customer": "Kundennummer",
                "item": "Artikelnummer",
                "kind": "=purchase",
                "occurred_at": "Bestelldatum",
                "quantity": "Menge",
                "price": "Einzelpreis",
                "currency": "Währung",
                "order": "Bestellnummer",
            },
        ),
        (
            "events",
            "N°|client Référence Date|de|commande Qte Prix|unitaire N°|commande",
            {
                "customer": "N° client",
                "item": "Référence",
                "kind": "=purchase",
                "occurred_at": "Date de commande",
                "quantity": "Qte",
                "price": "Prix unitaire",
                "order": "N° commande",
            },
        ),
        (
            "events",
            "Cliente Código|de|producto Fecha Cantidad Precio Número|de|pedido",
            {
                "customer": "Cliente",
                "item": "Código de producto",
                "kind": "=purchase",
                "occurred_at": "Fecha",
                "quantity": "Cantidad",
                "price": "Precio",
                "order": "Número de pedido",
            },
        ),
        (
            "events",
            "会員番号 商品番号 注文日時 個数 単価 注文番号",
            {
                "customer": "会員番号",
                "item": "商品番号",
                "kind": "=purchase",
                "occurred_at": "注文日時",
                "quantity": "個数",
                "price": "単価",
                "order": "注文番号",
            },
        ),
        (
            "events",
            "會員編號 商品編號 訂購日期 數量 單價 訂單編號",
            {
                "customer": "會員編號",
                "item": "商品編號",
                "kind": "=purchase",
                "occurred_at": "訂購日期",
                "quantity": "數量",
                "price": "單價",
                "order": "訂單編號",
            },
        ),
        (
            "items",
            "Artikelnr Bezeichnung Warengruppe Hersteller Preis Verfuegbarkeit",
            {
                "item": "Artikelnr",
                "title": "Bezeichnung",
                "category": "Warengruppe",
                "brand": "Hersteller",
                "price": "Preis",
                "available": "Verfuegbarkeit",
            },
        ),
        (
            "customers",
            "Kundennr Vorname Nachname E-Mail-Adresse Telefon",
            {
                "customer": "Kundennr",
                "email": "E-Mail-Adresse",
                "phone": "Telefon",
                "name": {"columns": ["Vorname", "Nachname"], "join": " "},
            },
        ),
        (
            "customers",
            "First|Name Last|Name Email",
            {
                "customer": "Email",
                "email": "Email",
                "name": {"columns": ["First Name", "Last Name"], "join": " "},
            },
        ),
    ],
)
def test_columns_are_known_by_their_names(kind, headers, expected):
    names = [name.replace("|", " ") for name in headers.split()]
    assert specs(kind, **{name: [""] for name in names}) == expected


@pytest.mark.parametrize(
    "words, kinds",
    [
        ("pv cart fav buy", "view cart favourite purchase"),
        ("view addtocart transaction", "view cart purchase"),
        ("浏览 加购 收藏 购买 退货", "view cart favourite purchase return"),
        ("purchase refund", "purchase return"),
        ("completed wc-refunded on-hold", "purchase return ignore"),
        ("交易成功 已退款 交易关闭", "purchase return ignore"),
        ("Bezahlt Retoure Storniert", "purchase return ignore"),
        ("payée remboursée annulée", "purchase return ignore"),
        ("Enviado devuelto cancelado", "purchase return ignore"),
        ("購入 返品 キャンセル", "purchase return ignore"),
        ("view_item add_to_cart remove_from_cart", "view cart remove_from_cart"),
    ],
)
def test_the_words_of_a_file_are_kinds(words, kinds):
    file = pa.table({"event": words.split(), "user_id": ["u"] * len(words.split())})
    file = file.append_column("item_id", file["user_id"])
    file = file.append_column("time", pa.array(["2024-01-01"] * file.num_rows))
    guessed = mapping.guess_columns("events", file.column_names, file)
    columns = {target: one.spec for target, one in guessed.items()}
    plan = mapping.plan(
        "events", columns, file.column_names, time_zone=ZoneInfo("UTC"), kinds=KINDS
    )
    found = mapping.canonical(file, plan)
    assert not found.rejects.reasons
    expected = [KINDS[kind] for kind in kinds.split() if kind != "ignore"]
    assert found.table["kind"].to_pylist() == expected
    assert found.ignored == kinds.split().count("ignore")


def test_a_field_within_a_field_is_known_by_its_end():
    sample = {"event": ["Product Viewed"], "userId": ["u"], "timestamp": ["2024-01-01"]}
    inner = {"properties.product_id": ["p"], "properties.price": ["1"]}
    found = specs("events", **sample, **inner)
    assert (found["item"], found["price"]) == tuple(inner)
    twice = specs("events", **sample, **{"a.product_id": ["p"], "b.product_id": ["q"]})
    assert "item" not in twice


def test_a_name_stands_for_the_item_where_no_column_has_its_id():
    columns = {"buyer": ["b"], "Sale Date": ["2024-01-31"], "Quantity": ["1"]}
    named = guess("events", **columns, **{"Item Name": ["Fox"]})
    assert named["item"].spec == "Item Name"
    assert "stands for them" in named["item"].reason
    known = specs("events", **columns, **{"Item Name": ["Fox"], "SKU": ["f-1"]})
    assert known["item"] == "SKU"


def test_of_two_ids_of_a_table_of_items_the_one_that_differs_is_its_own():
    columns = {"product_code": ["1", "1"], "article_id": ["11", "12"]}
    assert specs("items", **columns)["item"] == "article_id"
    assert (
        specs("items", product_code=["1", "2"], x=["1", "1"])["item"] == "product_code"
    )


def test_a_vague_name_is_a_kind_only_if_its_words_are():
    known = specs("events", user=["u"], type=["pv"], item=["i"], time=["2024-01-01"])
    assert known["kind"] == {"column": "type", "map": {"pv": "view"}}
    strange = specs("events", user=["u"], type=["simple"], item=["i"], qty=["1"])
    assert strange["kind"] == "=purchase"
    new = specs("events", user=["u"], event=["pv", "zoom"][:1], item=["i"])
    assert new["kind"] == {"column": "event", "map": {"pv": "view"}}


def test_what_nothing_names_is_known_by_its_cells():
    found = guess(
        "events",
        a=["ada@example.com", "bob@example.com"],
        b=["2024-01-31 10:00", "2024-02-01 11:00"],
        c=["EUR", "EUR"],
        d=["pv", "buy"],
        e=["x", "y"],
    )
    assert {target: one.spec for target, one in found.items()} == {
        "customer": "a",
        "kind": {"column": "d", "map": {"pv": "view", "buy": "purchase"}},
        "occurred_at": "b",
        "currency": "c",
    }
    assert found["customer"].samples == ["ada@example.com", "bob@example.com"]
    assert "“a” holds addresses of e-mail" in found["customer"].reason
    pictures = specs("items", x=["https://s/1.jpg"], y=["https://s/1"])
    assert pictures == {"image": "x", "url": "y"}


def test_how_numbers_and_dates_are_written_is_part_of_the_guess():
    found = guess(
        "events",
        user_id=["1", "2"],
        item_id=["1", "2"],
        price=["1.234,50", "7,00"],
        date=["31.01.2024", "01.02.2024"],
    )
    assert found["price"].spec == {"column": "price", "number": "1.234,56"}
    assert found["occurred_at"].spec == {"column": "date", "date": "dmy"}
    assert found["occurred_at"].doubts == []


def test_a_day_and_month_that_may_be_either_are_asked_about():
    found = guess("events", user_id=["1"], item_id=["1"], date=["01/02/2024"])
    assert found["occurred_at"].doubts == [
        {"column": "date", "date": "dmy"},
        {"column": "date", "date": "mdy"},
    ]
    assert found["occurred_at"].spec == found["occurred_at"].doubts[0]


def test_a_date_and_a_time_in_two_columns_are_joined():
    columns = {"user": ["1"], "item": ["1"], "Date": ["2024-01-31"]}
    joined = {"columns": ["Date", "Time"], "join": " "}
    assert specs("events", **columns, Time=["10:30"])["occurred_at"] == joined
    assert specs("events", **columns, Time=["3 h"])["occurred_at"] == "Date"


def test_a_sample_of_no_rows_and_of_any_types_is_guessed_by_names():
    file = pa.table(
        {
            "user_id": pa.array([], pa.int64()),
            "price": pa.array([], pa.float64()),
            "timestamp": pa.array([], pa.timestamp("us")),
            "list": pa.array([], pa.list_(pa.string())),
            "raw": pa.array([], pa.binary()),
        }
    )
    guessed = mapping.guess_columns("events", file.column_names, file)
    assert {target: one.spec for target, one in guessed.items()} == {
        "customer": "user_id",
        "kind": "=purchase",
        "occurred_at": "timestamp",
        "price": "price",
    }

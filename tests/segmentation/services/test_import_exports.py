"""A shop's own export, brought in under the name of its built-in mapping."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from segmentation.models import Customer, Event, ImportJob, Item, Kind
from tests.segmentation.engine import exports
from tests.segmentation.services import imports

pytestmark = pytest.mark.django_db

HEAD = {
    "Name": "#1001",
    "Email": "ada@example.com",
    "Financial Status": "paid",
    "Currency": "EUR",
    "Created at": "2025-10-07 09:50:26 +0200",
}
LINE = {"Lineitem quantity": "1", "Lineitem price": "10.00", "Lineitem sku": "T-1"}


def written(header: str, *rows: dict[str, str]) -> str:
    table = exports.table(header, *rows)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(table.column_names)
    columns = [column.to_pylist() for column in table.columns]
    writer.writerows(zip(*columns, strict=True))
    return file.getvalue()


def bring_in(kind, path, name, capsys, **options) -> dict:
    call_command("import_data", kind, str(path), mapping=name, json=True, **options)
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture(autouse=True)
def in_euros(settings):
    settings.STRATA_CURRENCY = "EUR"


def test_a_refused_line_of_an_order_is_mended_alone(tmp_path, capsys):
    path = imports.write(
        tmp_path,
        written(
            exports.SHOPIFY_ORDERS,
            HEAD | LINE,
            {"Name": "#1001"} | LINE | {"Lineitem price": "ten", "Lineitem sku": "T-2"},
            HEAD | LINE | {"Name": "#1002", "Financial Status": "voided"},
        ),
    )
    first = bring_in("events", path, "shopify-orders", capsys)
    assert [first[f"rows_{name}"] for name in ("new", "rejected", "ignored")] == [1] * 3
    job = ImportJob.objects.get(pk=first["job_id"])
    [refused] = imports.rejects(job)
    assert (refused["Email"], refused["value"]) == ("ada@example.com", "ten")
    text = Path(first["rejects_path"]).read_text(encoding="utf-8-sig")
    mended = imports.write(tmp_path, text.replace("ten", "12.00", 1))
    assert bring_in("events", mended, "shopify-orders", capsys)["rows_new"] == 1
    assert Customer.objects.count() == 1
    found = Event.objects.order_by("amount").values_list("kind", "amount", "currency")
    assert list(found) == [(Kind.PURCHASE, 10.0, "EUR"), (Kind.PURCHASE, 12.0, "EUR")]
    assert Event.objects.values("order_key").distinct().count() == 1


def test_products_come_in_by_the_columns_that_the_file_has(tmp_path, capsys):
    path = imports.write(
        tmp_path,
        written(
            exports.SHOPIFY_PRODUCTS_2025,
            {"URL handle": "tea", "Title": "Tea", "SKU": "T-1", "Price": "4.50"},
            {"URL handle": "tea", "SKU": "T-2", "Price": "9.00"},
            {"URL handle": "tea", "Product image URL": "https://x/2.jpg"},
        ),
    )
    told = bring_in("items", path, "shopify-products", capsys)
    assert (told["rows_new"], told["rows_ignored"]) == (2, 1)
    items = Item.objects.order_by("external_id").values_list("external_id", "title")
    assert list(items) == [("T-1", "Tea"), ("T-2", "Tea")]


def test_taobao_needs_no_header(tmp_path, capsys):
    lines = "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n"
    path = imports.write(tmp_path, lines)
    told = bring_in("events", path, "taobao-user-behavior", capsys)
    assert (told["rows_read"], told["rows_new"]) == (2, 2)
    assert set(Event.objects.values_list("kind", flat=True)) == {
        Kind.VIEW,
        Kind.PURCHASE,
    }


def test_what_is_no_table_is_said_before_a_job_is_made(tmp_path):
    path = imports.write(tmp_path, "")
    with pytest.raises(CommandError, match="empty"):
        call_command("import_data", "items", str(path), mapping="magento2-products")
    assert not ImportJob.objects.exists()

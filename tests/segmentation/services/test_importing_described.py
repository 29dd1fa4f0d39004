"""Items and customers that files describe: new, changed, equal, and blank cells."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from segmentation.models import Category, Customer, Item, ItemChange
from segmentation.models.fields import fingerprint
from tests.segmentation.services.imports import LINES, SALES, bring_in, counts, write

pytestmark = pytest.mark.django_db


def test_items_are_new_updated_unchanged_or_duplicate(tmp_path):
    first = write(tmp_path, "item,title,price\na,Tea,2\nb,Milk,1\nb,Milk,1.5\n")
    assert counts(bring_in("items", first)) == (2, 0, 0, 1, 0, 0)
    assert Item.objects.get(external_id="b").price == 1.5  # the last line wins
    second = write(tmp_path, "item,title,price\na,Tea,2\nb,Milk,1.2\nc,Cake,3\n")
    assert counts(bring_in("items", second)) == (1, 1, 1, 0, 0, 0)


def test_what_a_file_does_not_describe_stays_as_it_is(tmp_path):
    bring_in(
        "items",
        write(tmp_path, "item,title,brand,size\na,Tea,Best,L\n"),
        {"item": "item", "title": "title", "brand": "brand", "attributes.size": "size"},
    )
    bring_in("items", write(tmp_path, "item,available\na,no\n"))
    tea = Item.objects.get()
    assert (tea.title, tea.brand, tea.available) == ("Tea", "Best", False)
    assert tea.attributes == {"size": "L"}


def test_a_blank_cell_takes_nothing_back_from_an_item(tmp_path):
    columns = {name: name for name in ("item", "title", "price", "brand", "category")}
    columns |= {
        "available": "there",
        "attributes.size": "size",
        "attributes.hue": "hue",
    }
    header = "item,title,price,brand,category,there,size,hue\n"
    bring_in("items", write(tmp_path, header + "a,Tea,2,X,Hot,no,L,red\n"), columns)
    before = Item.objects.values().get()
    job = bring_in("items", write(tmp_path, header + "a,,,,,,,\n"), columns)
    assert counts(job) == (0, 0, 1, 0, 0, 0)
    assert Item.objects.values().get() == before
    path = write(tmp_path, header + "a,Green tea,,,,,,blue\nb,,,,,,,\n")
    tried = bring_in("items", path, columns, dry_run=True)
    job = bring_in("items", path, columns)
    assert counts(job) == counts(tried) == (1, 1, 0, 0, 0, 0)
    after, fresh = Item.objects.order_by("external_id").values()
    assert after.pop("title") == "Green tea"
    assert after.pop("attributes") == {"size": "L", "hue": "blue"}
    assert before.items() >= {n: v for n, v in after.items() if n[-3:] != "_at"}.items()
    assert (fresh["title"], fresh["available"], fresh["attributes"]) == ("", True, {})
    assert ItemChange.objects.count() == 1
    changed = {row[1] for row in job.findings["changes"]}
    assert changed == {"title", "attributes"}


def test_an_item_that_events_named_first_is_described_later(tmp_path):
    bring_in("events", write(tmp_path, LINES), SALES)
    job = bring_in(
        "items", write(tmp_path, "item,title,price\ntea,Tea,2\ncake,Cake,3\n")
    )
    assert counts(job) == (1, 1, 0, 0, 0, 0)
    assert Item.objects.get(external_id="tea").title == "Tea"


def test_prices_and_stock_are_kept_with_their_time(tmp_path):
    for text in ("a,2,yes", "a,2,yes", "a,3,yes", "a,3,no"):
        bring_in("items", write(tmp_path, f"item,price,available\n{text}\n"))
    history = ItemChange.objects.order_by("changed_at")
    assert list(history.values_list("price", "available")) == [
        (2.0, True),
        (3.0, True),
        (3.0, False),
    ]


def test_every_new_item_begins_a_history_of_its_own(tmp_path):
    for name in ("a", "b"):
        bring_in("items", write(tmp_path, f"item,price\n{name},2\n"))
    assert ItemChange.objects.count() == 2


def test_categories_are_made_once(tmp_path):
    bring_in("items", write(tmp_path, "item,category\na,Tea\nb,Tea\nc,\n"))
    bring_in("items", write(tmp_path, "item,category\nd,Tea\n"))
    assert list(Category.objects.values_list("name", flat=True)) == ["Tea"]
    assert Item.objects.get(external_id="c").category is None


PEOPLE = (
    "customer,email,name,phone,created_at\nc-1,Ada@Example.com,Ada,+49 1,2017-01-01\n"
)


def test_what_names_a_person_is_encrypted_and_can_be_found_by_a_hash(tmp_path):
    bring_in("customers", write(tmp_path, PEOPLE))
    ada = Customer.objects.get()
    assert (ada.email, ada.name, ada.phone) == ("Ada@Example.com", "Ada", "+49 1")
    assert ada.email_hash == fingerprint("ada@example.com")
    assert ada.created_at.isoformat() == "2017-01-01T00:00:00+00:00"
    with connection.cursor() as cursor:
        cursor.execute("SELECT email, name, phone FROM segmentation_customer")
        stored = " ".join(cursor.fetchone())
    assert "Ada" not in stored and "49" not in stored.split()


def test_unchanged_customers_are_not_rewritten(tmp_path):
    path = write(tmp_path, PEOPLE)
    bring_in("customers", path)
    before = Customer.objects.values().get()
    assert counts(bring_in("customers", path)) == (0, 0, 1, 0, 0, 0)
    assert Customer.objects.values().get() == before
    changed = write(tmp_path, PEOPLE.replace("Ada,", "Ada L.,"))
    assert counts(bring_in("customers", changed)) == (0, 1, 0, 0, 0, 0)
    ada = Customer.objects.get()
    assert (ada.name, ada.email) == ("Ada L.", "Ada@Example.com")


def test_a_blank_date_takes_none_back(tmp_path):
    bring_in("customers", write(tmp_path, PEOPLE))
    job = bring_in("customers", write(tmp_path, "customer,created_at\nc-1,\nc-2,\n"))
    assert counts(job) == (1, 0, 1, 0, 0, 0)
    known = Customer.objects.get(identities__external_id="c-1")
    assert known.created_at.year == 2017


def test_a_dry_run_of_customers_makes_nobody_and_counts_the_same(tmp_path):
    bring_in("customers", write(tmp_path, PEOPLE))
    bring_in("customers", write(tmp_path, "customer,name\nc-2,Bob\nc-3,Cy\n"))
    text = (
        "customer,name,email\nc-1,Ada,Ada@Example.com\nc-2,Rob,\nc-3,Cy,c@x.example\n"
    )
    path = write(tmp_path, text + "c-4,Di,\nc-5,Ed,e@x.example\nc-4,Dora,\n")
    before = list(Customer.objects.order_by("pk").values())
    with CaptureQueriesContext(connection) as asked:
        tried = bring_in("customers", path, dry_run=True)
    made = [q["sql"] for q in asked if "INSERT INTO segmentation_identity" in q["sql"]]
    assert made == []
    assert list(Customer.objects.order_by("pk").values()) == before
    assert counts(tried) == (2, 2, 1, 1, 0, 0)
    job = bring_in("customers", path)
    assert counts(job) == counts(tried)
    assert job.findings["changes"] == tried.findings["changes"]
    assert ["c-3", "email", "", "•••"] in job.findings["changes"]

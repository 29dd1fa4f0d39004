"""Names become ids, once each, also when several writers meet."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest
from django.db import IntegrityError, connection

from segmentation.models import Customer, Identity, Item, Source
from segmentation.services import catalog, newcomers

pytestmark = pytest.mark.django_db


def names(*texts) -> pa.Array:
    return pa.array(texts, pa.string())


def test_ids_are_aligned_with_the_names_and_nothing_has_none():
    found = catalog.items(names("tea", "milk"))
    ids = dict(Item.objects.values_list("external_id", "pk"))
    told = found.of(names("milk", None, "tea", "milk", "unknown")).to_pylist()
    assert told == [ids["milk"], None, ids["tea"], ids["milk"], None]


def test_known_names_create_nothing():
    catalog.items(names("tea"))
    catalog.items(names("tea", "milk", "tea", None))
    assert Item.objects.count() == 2


def test_many_new_names_are_made_in_sets_and_in_their_order(monkeypatch):
    monkeypatch.setattr(catalog, "NEW_ROWS", 2)
    create, sizes = newcomers.create_items, []

    def counted(some, **by):
        sizes.append(len(some))
        create(some, **by)

    monkeypatch.setattr(newcomers, "create_items", counted)
    wanted = names("tea", "茶", "ale", "Milk", "éclair")
    found = catalog.items(wanted).of(wanted).to_pylist()
    assert sizes == [2, 2, 1] and None not in found
    by_id = Item.objects.order_by("pk").values_list("external_id", flat=True)
    assert list(by_id) == ["Milk", "ale", "tea", "éclair", "茶"]


@pytest.mark.parametrize("few", [0, 10_000])
def test_few_and_many_names_are_found_alike(few, monkeypatch):
    monkeypatch.setattr(catalog, "FEW", few)
    wanted = [f"c-{i}" for i in range(50)]
    shop = Source.objects.create(name="shop")
    first = catalog.identities(shop, names(*wanted)).of(names(*wanted))
    again = catalog.identities(shop, names(*wanted)).of(names(*wanted))
    assert first == again and first.null_count == 0
    assert Identity.objects.count() == Customer.objects.count() == 50


def test_the_same_id_in_two_sources_is_two_people():
    shop, tills = (Source.objects.create(name=name) for name in ("shop", "tills"))
    one = catalog.identities(shop, names("7")).of(names("7"))
    other = catalog.identities(tills, names("7")).of(names("7"))
    assert one != other
    assert Customer.objects.count() == 2


def test_a_visitor_is_an_identity_without_a_source():
    catalog.visitors(names("v-1", "v-1"))
    visitor = Identity.objects.get()
    assert (visitor.visitor_id, visitor.source, visitor.external_id) == (
        "v-1",
        None,
        None,
    )


def test_new_customers_get_their_ids_in_the_order_of_their_names():
    shop = Source.objects.create(name="shop")
    catalog.identities(shop, names("b", "ä", "C", "a", "10", "9"))
    order = Identity.objects.order_by("customer_id").values_list(
        "external_id", flat=True
    )
    assert list(order) == sorted(order) == ["10", "9", "C", "a", "b", "ä"]


def test_an_import_knows_the_customers_it_created():
    shop = Source.objects.create(name="shop")
    catalog.identities(shop, names("a"))
    found = catalog.customers(shop, names("a", "b"), import_id=3).of(names("a", "b"))
    made = dict(Customer.objects.values_list("pk", "import_id"))
    assert [made[pk] for pk in found.to_pylist()] == [None, 3]


@pytest.mark.django_db(transaction=True)
def test_a_set_that_cannot_be_written_leaves_no_customer():
    shop = Source.objects.create(name="shop")
    with pytest.raises(IntegrityError):
        newcomers.create_identities(names("a", "b", "b"), shop)
    assert not Customer.objects.exists() and not Identity.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["identities", "visitors", "items"])
def test_writers_who_meet_make_each_name_once_and_no_orphan(kind):
    shop = Source.objects.create(name="shop")
    wanted = [f"n-{i:03}" for i in range(400)]
    together, wrong = threading.Barrier(4), []

    def create(mine: list[str]) -> None:
        try:
            together.wait()
            if kind == "identities":
                found = catalog.identities(shop, names(*mine))
            elif kind == "visitors":
                found = catalog.visitors(names(*mine))
            else:
                found = catalog.items(names(*mine))
            assert found.of(names(*mine)).null_count == 0
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    orders = (wanted, wanted[::-1], wanted[100:], wanted[200:] + wanted[:200])
    threads = [threading.Thread(target=create, args=(mine,)) for mine in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    if kind == "items":
        assert Item.objects.count() == 400
        return
    assert Identity.objects.count() == Customer.objects.count() == 400
    assert not Customer.objects.filter(identities=None).exists()

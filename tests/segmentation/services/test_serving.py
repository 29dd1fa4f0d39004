"""Lists as they are given out: personal ones, filtered, or what is popular."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest

from segmentation.models import (
    Category,
    Customer,
    Event,
    ImportJob,
    Item,
    ServedList,
)
from segmentation.services import events, serving
from segmentation.services.serving import many, people
from tests import storefront
from tests.storefront import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _afresh():
    storefront.start_afresh()


@pytest.fixture
def items() -> list[Item]:
    return storefront.make_items("tea", "milk", "cake", "jam")


@pytest.fixture
def ada():
    return storefront.make_customer("ada").customer


def names(answer) -> list[str]:
    return [item.external_id for item in answer.items]


def discover(customer_id, n=4, purpose="discover", **options):
    """The list of a customer, with what is known of them looked up as the API does."""
    wish = serving.Wish(n, purpose, **options)
    person = None
    if customer_id is not None:
        customer = Customer.objects.filter(pk=customer_id).first()
        person = customer and people.of_customer(customer, purpose)
    return serving.recommend_for(person, wish, now=NOW)


def beside(find, item: Item, n=5, **options):
    return find(item.external_id, serving.Wish(n, "similar", **options), now=NOW)


def lists_for(ids, n, purpose="discover"):
    return serving.lists_for(np.array(ids), n, purpose, now=NOW)


def test_a_customer_gets_the_list_of_the_live_run(items, ada):
    run = storefront.make_live("discover", {ada.pk: items[::-1]}, items)
    answer = discover(ada.pk)
    assert (answer.run_id, answer.source) == (run.pk, "personal")
    assert names(answer) == ["jam", "cake", "milk", "tea"]
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True)
    assert answer.items[0].reason_code == "taste"
    assert answer.items[0].reason_text


@pytest.mark.parametrize("stranger", [None, 10**9])
def test_a_stranger_gets_what_is_popular(stranger, items, ada):
    run = storefront.make_live("discover", {ada.pk: items}, items[1:3])
    answer = discover(stranger)
    assert (answer.run_id, answer.source) == (run.pk, "popular")
    assert names(answer) == ["milk", "cake"]


def test_without_any_run_what_was_bought_most_is_popular(items):
    rows = [
        {"customer": f"c-{i}", "item": name, "kind": "purchase"}
        for name, times in (("cake", 3), ("tea", 1), ("jam", 2))
        for i in range(times)
    ]
    events.record_events(rows, source=storefront.source(), now=storefront.NOW)
    assert Event.objects.count() == 6
    answer = discover(None, n=2)
    assert (answer.run_id, names(answer)) == (None, ["cake", "jam"])


def test_before_any_run_purchases_are_not_counted_on_every_call(
    items, django_assert_num_queries
):
    buy("cake")
    assert names(discover(None, n=1)) == ["cake"]
    for _more in range(2):
        buy("jam")
    with django_assert_num_queries(0):
        assert names(discover(None, n=1)) == ["cake"]
    serving.forget()
    assert names(discover(None, n=1)) == ["jam"]


def test_what_an_unfinished_import_brought_is_not_popular_yet(items):
    buy("cake")
    for _more in range(2):
        buy("jam")
    job = ImportJob.objects.create(
        kind="events",
        source=storefront.source(),
        path="x",
        status="failed",
        chunks_applied=1,
    )
    jam = Item.objects.get(external_id="jam")
    Event.objects.filter(item_id=jam.pk).update(import_id=job.pk)
    assert names(discover(None)) == ["cake"]


def buy(item: str) -> None:
    row = {"customer": "c", "item": item, "kind": "purchase", "event_id": uuid4().hex}
    events.record_events([row], source=storefront.source(), now=storefront.NOW)


def test_nothing_known_at_all_is_an_empty_list_and_no_error():
    assert discover(1).items == []
    assert discover(None).items == []
    bulk = lists_for([1, 2], 3)
    assert bulk.item_ids.tolist() == [[-1] * 3] * 2


def test_what_cannot_be_had_is_never_served(items, ada):
    storefront.make_live("discover", {ada.pk: items}, items)
    storefront.make_live("similar", {items[0].pk: items[1:]})
    Item.objects.filter(external_id="milk").update(available=False)
    serving.forget()
    assert names(discover(ada.pk)) == ["tea", "cake", "jam"]
    assert names(discover(None)) == ["tea", "cake", "jam"]
    assert names(beside(serving.similar_to, items[0], 5)) == ["cake", "jam"]
    bulk = lists_for([ada.pk, 0], 4)
    wanted = [items[0].pk, items[2].pk, items[3].pk, -1]
    assert bulk.item_ids.tolist() == [wanted, wanted]
    # Unless a shop asks for what is out of stock, too.
    assert "milk" in names(discover(ada.pk, in_stock=False))


def test_filters_are_applied_before_the_list_is_cut(items, ada):
    storefront.make_live("discover", {ada.pk: items}, items)
    sweet = Category.objects.create(name="Sweet")
    Item.objects.filter(external_id__in=("cake", "jam")).update(category=sweet)
    Item.objects.filter(external_id="jam").update(price=2)
    Item.objects.filter(external_id="tea").update(price=5)
    assert names(discover(ada.pk, n=1, category="Sweet")) == ["cake"]
    assert names(discover(ada.pk, max_price=4)) == ["jam"]
    assert names(discover(ada.pk, n=2, exclude=["tea", "cake"])) == ["milk", "jam"]
    assert names(discover(ada.pk, category="Nothing")) == []


def test_lists_for_many_are_aligned_with_who_was_asked_for(items, ada):
    bob = storefront.make_customer("bob").customer
    run = storefront.make_live(
        "discover", {ada.pk: items[:2], bob.pk: items[2:3]}, items[3:]
    )
    asked = np.array([bob.pk, 10**9, ada.pk])
    lists = lists_for(asked, 2)
    tea, milk, cake, jam = (item.pk for item in items)
    assert lists.run_id == run.pk
    assert lists.item_ids.tolist() == [[cake, -1], [jam, -1], [tea, milk]]


def test_blocks_of_customers_give_the_same_lists(items, monkeypatch):
    monkeypatch.setattr(many, "BLOCK_ROWS", 2)
    customers = [storefront.make_customer(f"c-{i}").customer_id for i in range(5)]
    storefront.make_live(
        "discover", {pk: items[i % 4 :] for i, pk in enumerate(customers)}
    )
    lists = lists_for(customers, 1)
    assert lists.item_ids.ravel().tolist() == [items[i % 4].pk for i in range(5)]


def test_similar_items_are_those_of_the_item(items):
    run = storefront.make_live("similar", {items[0].pk: items[2:]})
    answer = beside(serving.similar_to, items[0], 1)
    assert (answer.run_id, answer.source, names(answer)) == (
        run.pk,
        "similar",
        ["cake"],
    )
    assert beside(serving.similar_to, items[1], 1).items == []


def test_a_list_takes_no_query_whatever_its_length(
    items, ada, django_assert_num_queries
):
    storefront.make_live("discover", {ada.pk: items}, items)
    person = people.of_customer(ada, "discover")
    serving.recommend_for(person, serving.Wish(1), now=NOW)
    for n in (1, 4):
        with django_assert_num_queries(0):
            answer = serving.recommend_for(person, serving.Wish(n), now=NOW)
        assert len(answer.items) == n


def test_a_served_list_is_remembered(items, ada):
    run = storefront.make_live("discover", {ada.pk: items}, items)
    answer = discover(ada.pk, n=2)
    named = serving.log_served(answer, 7, "discover", "home")
    served = ServedList.objects.get(recommendation_id=named)
    assert (served.run, served.identity_id, served.placement) == (run, 7, "home")
    assert served.item_ids == [items[0].pk, items[1].pk]
    assert served.list_source == "personal"

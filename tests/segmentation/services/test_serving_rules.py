"""What the operator says, one variant each, diversity and caps."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from segmentation.models import Category, Item, ListRule
from segmentation.services import serving
from segmentation.services.serving import looking, people
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
def ada(items):
    who = storefront.make_customer("ada").customer
    storefront.make_live("discover", {who.pk: items}, items[::-1])
    return who


def shown(customer, n=4, **wanted) -> list[str]:
    serving.forget()
    person = people.of_customer(customer, "discover")
    answer = serving.recommend_for(person, serving.Wish(n, **wanted), now=NOW)
    return [item.external_id for item in answer.items]


def in_bulk(customer, n=4) -> list[str]:
    ids = serving.lists_for(np.array([customer.pk]), n, "discover", now=NOW).item_ids
    names = dict(Item.objects.values_list("pk", "external_id"))
    return [names[pk] for pk in ids[0].tolist() if pk > 0]


def rule(action: str, item: Item | None = None, **fields) -> ListRule:
    return ListRule.objects.create(action=action, item=item, **fields)


def test_a_pin_stands_at_its_place_in_every_list(items, ada):
    rule("pin", items[3], place=1)
    rule("pin", items[2], place=3)
    assert shown(ada) == ["jam", "tea", "cake", "milk"] == in_bulk(ada)
    assert shown(ada, n=2) == ["jam", "tea"] == in_bulk(ada, 2)
    other = storefront.make_items("new")[0]
    rule("pin", other, place=2)
    assert shown(ada, n=3) == ["jam", "new", "cake"] == in_bulk(ada, 3)


def test_a_pinned_item_says_that_the_shop_chose_it(items, ada):
    rule("pin", items[3], place=1)
    person = people.of_customer(ada, "discover")
    first, second = serving.recommend_for(person, serving.Wish(2), now=NOW).items
    assert (first.step, first.reason_code) == ("rules", "chosen")
    assert (second.step, second.reason_code) == ("personal", "taste")


def test_what_is_pinned_still_has_to_be_there(items, ada):
    rule("pin", items[3], place=1)
    assert shown(ada, exclude=["jam"]) == ["tea", "milk", "cake"]
    Item.objects.filter(pk=items[3].pk).update(available=False)
    assert shown(ada) == ["tea", "milk", "cake"] == in_bulk(ada)


def test_two_pins_for_one_place_come_one_after_the_other(items, ada):
    rule("pin", items[3], place=1)
    rule("pin", items[2], place=1)
    assert shown(ada) == ["jam", "cake", "tea", "milk"] == in_bulk(ada)


def test_boost_and_bury_move_all_of_a_category_or_brand(items, ada):
    sweet = Category.objects.create(name="Sweet")
    Item.objects.filter(external_id__in=("cake", "jam")).update(category=sweet)
    boost = rule("boost", category=sweet, factor=20)
    assert shown(ada) == ["cake", "jam", "tea", "milk"] == in_bulk(ada)
    boost.delete()
    Item.objects.filter(external_id="tea").update(brand="Leaf")
    rule("bury", brand="Leaf", factor=0.01)
    assert shown(ada) == ["milk", "cake", "jam", "tea"] == in_bulk(ada)


def test_what_is_blocked_is_in_no_list_not_even_the_popular_one(items, ada):
    rule("block", items[0])
    rule("pin", items[0], place=1)
    assert shown(ada) == ["milk", "cake", "jam"] == in_bulk(ada)
    serving.forget()
    answer = serving.recommend_for(None, serving.Wish(9), now=NOW)
    assert [item.external_id for item in answer.items] == ["jam", "cake", "milk"]


@pytest.mark.parametrize(
    ("fields", "holds"),
    [
        ({"starts_at": NOW}, True),
        ({"starts_at": NOW + timedelta(seconds=1)}, False),
        ({"ends_at": NOW}, False),
        ({"ends_at": NOW + timedelta(seconds=1)}, True),
        ({"purpose": "discover"}, True),
        ({"purpose": "again"}, False),
        ({"placement": "home"}, True),
        ({"placement": "cart"}, False),
        ({"enabled": False}, False),
    ],
)
def test_a_rule_holds_in_its_time_and_place_only(items, ada, fields, holds):
    rule("block", items[0], **fields)
    assert ("tea" not in shown(ada, placement="home")) is holds


def test_one_variant_of_a_product_is_shown(items, ada):
    Item.objects.filter(external_id__in=("tea", "cake")).update(group="mug")
    assert shown(ada) == ["tea", "milk", "jam"]
    assert in_bulk(ada) == ["tea", "milk", "jam"]
    assert shown(ada, exclude=["tea"]) == ["milk", "cake", "jam"]


def test_diversity_puts_what_is_unlike_between_what_is_alike(items, ada):
    sweet = Category.objects.create(name="Sweet")
    Item.objects.filter(external_id__in=("tea", "milk")).update(category=sweet)
    assert shown(ada, diversity=0.0) == ["tea", "milk", "cake", "jam"]
    assert shown(ada, diversity=0.9)[:2] == ["tea", "cake"]
    assert sorted(shown(ada, diversity=1.0)) == ["cake", "jam", "milk", "tea"]


def test_only_so_many_of_a_category_or_brand(items, ada):
    sweet = Category.objects.create(name="Sweet")
    Item.objects.filter(external_id__in=("tea", "milk", "jam")).update(category=sweet)
    Item.objects.filter(external_id__in=("cake", "jam")).update(brand="Home")
    assert shown(ada, max_per_category=2) == ["tea", "milk", "cake"]
    assert shown(ada, max_per_brand=1) == ["tea", "milk", "cake"]
    assert shown(ada, n=1, max_per_category=1) == ["tea"]


def test_the_effect_of_a_rule_is_seen_before_it_is_switched_on(items, ada):
    blocked = rule("block", items[0], enabled=False)
    pair = looking.with_and_without(ada, blocked, serving.Wish(4), now=NOW)
    before, after = ([item.external_id for item in answer.items] for answer in pair)
    assert before == ["tea", "milk", "cake", "jam"]
    assert after == ["milk", "cake", "jam"]
    assert shown(ada) == before

"""Calls for lists beyond one person's: batches, baskets, segments, and bad input."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from segmentation.models import Category, ServedList
from tests import storefront

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _afresh(settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    }
    storefront.start_afresh()


@pytest.fixture
def shop():
    """Customer c-1 with a list of four; tea with what is like it and goes with it."""
    food = Category.objects.create(name="food")
    tea, jam, rye, pan = storefront.make_items(
        "tea", "jam", "rye", "pan", category=food
    )
    known = storefront.make_customer("c-1")
    storefront.make_live(
        "discover", {known.customer_id: [tea, jam, rye, pan]}, popular=[pan, rye]
    )
    together = np.array([[pan.pk, rye.pk, 0]])
    storefront.make_live(
        "similar",
        {tea.pk: [jam, rye, pan]},
        together_ids=together,
        together_scores=np.array([[0.5, 0.2, 0.0]]),
    )
    return known


def ids(body) -> list[str]:
    return [item["item_id"] for item in body["items"]]


def batch(caller, *widgets, **more):
    return caller.post("/recommendations/batch/", {"widgets": list(widgets), **more})


def test_a_batch_answers_every_widget_and_no_item_twice(shop):
    answer = batch(
        storefront.server(),
        {"name": "top", "n": 2},
        {"name": "more", "n": 2, "placement": "foot"},
        {"name": "like", "kind": "similar", "item_id": "tea", "n": 5},
        customer_id="c-1",
        exclude=["rye"],
    )
    assert answer.status_code == 200
    top, more, like = answer.json()["widgets"]
    assert (top["name"], ids(top)) == ("top", ["tea", "jam"])
    assert (more["name"], ids(more)) == ("more", ["pan"])
    assert (like["source"], ids(like)) == ("similar", [])
    served = ServedList.objects.get(recommendation_id=more["recommendation_id"])
    assert (served.placement, served.identity_id) == ("foot", shop.pk)
    assert ServedList.objects.count() == 3


def test_an_item_that_is_not_known_yet_empties_its_own_widget_only(shop):
    answer = batch(
        storefront.browser(),
        {"name": "with", "kind": "bought_together", "item_id": "brand new"},
        {"name": "top"},
    )
    first, second = answer.json()["widgets"]
    assert (ids(first), ids(second)) == ([], ["pan", "rye"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "widgets"),
        ({"widgets": []}, "widgets"),
        ({"widgets": [{"n": 1}]}, "widgets.0.name"),
        ({"widgets": [{"name": "a"}, {"name": "a"}]}, "widgets"),
        ({"widgets": [{"name": "a", "kind": "similar"}]}, "widgets.0.item_id"),
        ({"widgets": [{"name": "a", "n": 51}]}, "widgets.0.n"),
        ({"widgets": [{"name": "a"}], "exclude": "tea"}, "exclude"),
        ({"widgets": [{"name": str(i)} for i in range(11)]}, "widgets"),
    ],
)
def test_what_is_wrong_in_a_batch_is_named(body, field):
    answer = storefront.server().post("/recommendations/batch/", body)
    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_a_browser_asks_in_a_batch_about_nobody_else(shop):
    answer = batch(storefront.browser(), {"name": "top"}, customer_id="c-1")
    assert answer.status_code == 403
    answer = batch(storefront.browser("c-1"), {"name": "top"})
    assert answer.json()["widgets"][0]["source"] == "personal"


def test_what_is_bought_together_is_listed(shop):
    answer = storefront.browser().get("/items/tea/bought-together/", {"n": 5})
    body = answer.json()
    assert (body["source"], ids(body)) == ("bought_together", ["pan", "rye"])
    reason = body["items"][0]["reason"]
    assert reason == {
        "code": "bought_together",
        "text": "Often bought together with tea",
        "item_id": "tea",
    }
    assert uuid.UUID(body["recommendation_id"])
    assert storefront.server().get("/items/none/bought-together/").status_code == 404


def test_a_segment_has_a_list_if_it_is_large_enough(shop, settings):
    large = storefront.make_segment("tea lovers", shop.customer, size=20)
    small = storefront.make_segment("few", shop.customer, size=3)
    path = "/segments/{}/recommendations/"
    body = storefront.server().get(path.format(large.pk), {"n": 2}).json()
    assert (body["source"], ids(body)) == ("segment", ["tea", "jam"])
    assert body["items"][0]["reason"]["text"] == "Popular among tea lovers"
    for pk in (small.pk, 10**9):
        assert storefront.server().get(path.format(pk)).status_code == 404
    assert storefront.browser().get(path.format(large.pk)).status_code == 403


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"diversity": "1.1"}, "diversity"),
        ({"diversity": "much"}, "diversity"),
        ({"max_per_brand": 0}, "max_per_brand"),
        ({"visitor_id": "v\0"}, "visitor_id"),
        ({"in_stock": "perhaps"}, "in_stock"),
        ({"placement": "x" * 61}, "placement"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_every_time(query, field):
    caller = storefront.server()
    for _again in range(2):
        answer = caller.get("/recommendations/", query)
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_one_widgets_answer_is_not_anothers(shop):
    """What is validated once is kept by the whole of the call."""
    caller = storefront.server()
    who = {"customer_id": "c-1"}
    lengths = [
        len(ids(caller.get("/recommendations/", {**query}).json()))
        for query in (
            {**who, "n": 3},
            {**who, "n": 1},
            {"n": 3},
            {**who, "n": 3, "exclude": "tea,jam"},
            {**who, "n": 3, "category": "none"},
            {**who, "n": 3},
        )
    ]
    assert lengths == [3, 1, 2, 2, 0, 3]


def test_a_list_says_of_each_item_where_it_came_from(shop):
    body = storefront.server().get("/recommendations/", {"customer_id": "c-1"}).json()
    assert {item["step"] for item in body["items"]} == {"personal"}

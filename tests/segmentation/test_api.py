"""What a storefront reads: lists, segments, tokens."""

from __future__ import annotations

import uuid

import pytest

from segmentation.models import Category, Customer, Identity, Item, ServedList
from segmentation.services import access, identities, serving
from tests import storefront

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _afresh(settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    }
    storefront.start_afresh()


@pytest.fixture
def live():
    """Customer c-1 has a list of their own; everybody else what is popular."""
    food = Category.objects.create(name="food")
    tea, jam, rye = storefront.make_items("tea", "jam", "rye", category=food, price=3)
    pan = storefront.make_items("pan", price=40)[0]
    known = storefront.make_customer("c-1")
    run = storefront.make_live(
        "discover", {known.customer_id: [pan, jam, tea]}, popular=[rye, tea, pan]
    )
    return known, run


def ids(answer) -> list[str]:
    return [item["item_id"] for item in answer.json()["items"]]


def test_a_customer_gets_their_own_list(live):
    known, run = live
    answer = storefront.server().get("/recommendations/", {"customer_id": "c-1"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["source"] == "personal"
    assert body["model_run"] == run.pk
    assert ids(answer) == ["pan", "jam", "tea"]
    first = body["items"][0]
    assert first["reason"] == {
        "code": "taste",
        "text": "Chosen by customers with a taste like yours",
        "item_id": None,
    }
    assert first["score"] > body["items"][1]["score"]


def test_the_served_list_is_kept_under_its_id(live):
    known, run = live
    answer = storefront.server().get(
        "/recommendations/", {"customer_id": "c-1", "placement": "home", "n": 2}
    )
    served = ServedList.objects.get(
        recommendation_id=answer.json()["recommendation_id"]
    )
    assert (served.identity_id, served.run_id) == (known.pk, run.pk)
    assert (served.placement, served.purpose) == ("home", "discover")
    assert len(served.item_ids) == 2


@pytest.mark.parametrize(
    "who", [{}, {"customer_id": "nobody"}, {"visitor_id": "v-9"}, {"customer_id": ""}]
)
def test_somebody_unknown_gets_what_is_popular(live, who):
    answer = storefront.server().get("/recommendations/", who)
    assert answer.status_code == 200
    assert answer.json()["source"] == "popular"
    assert ids(answer) == ["rye", "tea", "pan"]
    assert Identity.objects.count() == 1, "reading creates nobody"


def test_without_any_model_there_is_still_an_answer():
    answer = storefront.server().get("/recommendations/")
    assert answer.status_code == 200
    assert answer.json()["items"] == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"n": 1}, ["pan"]),
        ({"category": "food"}, ["jam", "tea"]),
        ({"exclude": "pan,tea"}, ["jam"]),
        ({"exclude": ["pan", "jam"]}, ["tea"]),
        ({"exclude": "pan,\0"}, ["jam", "tea"]),
        ({"max_price": "3.5"}, ["jam", "tea"]),
    ],
)
def test_a_list_can_be_narrowed(live, query, expected):
    query = {"customer_id": "c-1"} | query
    assert ids(storefront.server().get("/recommendations/", query)) == expected


def test_what_is_sold_out_is_left_out_unless_asked_for(live):
    Item.objects.filter(external_id="jam").update(available=False)
    serving.forget()  # a server sees it within seconds
    caller, who = storefront.server(), {"customer_id": "c-1"}
    assert ids(caller.get("/recommendations/", who)) == ["pan", "tea"]
    who["in_stock"] = "false"
    assert "jam" in ids(caller.get("/recommendations/", who))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"n": "0"}, "n"),
        ({"n": "many"}, "n"),
        ({"n": 51}, "n"),
        ({"purpose": "taste"}, "purpose"),
        ({"max_price": "cheap"}, "max_price"),
        ({"customer_id": "x" * 121}, "customer_id"),
        ({"category": "a\x00b"}, "category"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(query, field):
    answer = storefront.server().get("/recommendations/", query)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_lists_are_never_kept_by_a_cache_on_the_way(live):
    answer = storefront.server().get("/recommendations/", {"customer_id": "c-1"})
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_the_hot_path_takes_few_queries(live, django_assert_max_num_queries):
    caller = storefront.server()
    caller.get("/recommendations/", {"customer_id": "c-1"})
    # The person; and the log with its savepoint, which here is not behind the request.
    with django_assert_max_num_queries(4):
        caller.get("/recommendations/", {"customer_id": "c-1"})


def test_similar_items_are_listed(live):
    tea, jam = storefront.make_items("green-tea", "honey")
    storefront.make_live("similar", {tea.pk: [jam]})
    answer = storefront.browser().get("/items/green-tea/similar/", {"n": 5})
    assert answer.status_code == 200
    assert ids(answer) == ["honey"]
    assert uuid.UUID(answer.json()["recommendation_id"])
    assert answer.json()["items"][0]["reason"]["code"] == "similar"


def test_an_id_with_a_slash_can_be_asked_about(live):
    mug, cup = storefront.make_items("mug/blue", "cup")
    storefront.make_live("similar", {mug.pk: [cup]})
    assert ids(storefront.server().get("/items/mug%2Fblue/similar/")) == ["cup"]


def test_an_item_that_does_not_exist_has_no_similar_ones():
    answer = storefront.server().get("/items/none/similar/")
    assert answer.status_code == 404
    assert answer.json()["type"].endswith(":not-found")


def test_segments_are_named_only_when_they_are_large_enough(settings):
    storefront.make_segment("tea lovers", size=20)
    storefront.make_segment("three people", size=19)
    storefront.make_segment("draft", size=500, live=False)
    answer = storefront.server().get("/segments/")
    assert [segment["name"] for segment in answer.json()["segments"]] == ["tea lovers"]
    settings.STRATA_MIN_SEGMENT_SIZE = 10
    assert len(storefront.server().get("/segments/").json()["segments"]) == 2


def test_a_customer_has_the_segments_they_are_in():
    known, other = (storefront.make_customer(name) for name in ("c-1", "c-2"))
    large = storefront.make_segment("tea lovers", known.customer, size=100)
    storefront.make_segment("three people", known.customer, size=3)
    storefront.make_segment("bakers", other.customer, size=100)
    answer = storefront.server().get("/customers/c-1/segments/")
    assert answer.json() == {
        "segments": [
            {"id": large.pk, "name": "tea lovers", "size": 100, "method": "kmeans"}
        ]
    }


def test_a_customer_of_another_source_is_unknown():
    storefront.make_customer("c-1", storefront.source("tills"))
    answer = storefront.server().get("/customers/c-1/segments/")
    assert answer.status_code == 404


def test_a_token_opens_its_own_customers_list_in_a_browser(live):
    issued = storefront.server().post("/customers/c-1/token/")
    assert issued.status_code == 201
    page = storefront.browser()
    page.token = issued.json()["customer_token"]
    for who in ({"customer_id": "c-1"}, {}):
        answer = page.get("/recommendations/", who)
        assert answer.json()["source"] == "personal"


def test_a_token_cannot_be_asked_for_longer_than_an_hour():
    answer = storefront.server().post("/customers/c-1/token/", {"seconds": 3601})
    assert answer.status_code == 400


def test_a_browser_reads_about_nobody_else(live):
    for caller in (storefront.browser(), storefront.browser("c-2")):
        answer = caller.get("/recommendations/", {"customer_id": "c-1"})
        assert answer.status_code == 403
        assert answer.json()["type"].endswith(":other-customer")


def test_an_expired_token_is_told_apart_from_none(live, monkeypatch):
    page = storefront.browser("c-1")
    page.token = page.token[:-3] + "xyz"
    answer = page.get("/recommendations/", {"customer_id": "c-1"})
    assert answer.status_code == 401
    assert answer.json()["type"].endswith(":bad-token")


def test_a_visitor_id_does_not_open_the_list_of_who_logged_in(live):
    known, _run = live
    identities.link_visitor("v-1", Customer.objects.get(pk=known.customer_id))
    answer = storefront.browser().get("/recommendations/", {"visitor_id": "v-1"})
    assert answer.json()["source"] == "popular"
    served = ServedList.objects.get(
        recommendation_id=answer.json()["recommendation_id"]
    )
    assert served.identity_id is None
    answer = storefront.server().get("/recommendations/", {"visitor_id": "v-1"})
    assert answer.json()["source"] == "personal", "the shop itself may ask"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/segments/"),
        ("get", "/customers/c-1/segments/"),
        ("post", "/customers/c-1/token/"),
    ],
)
def test_what_only_servers_may_is_refused_to_a_browser(method, path):
    answer = getattr(storefront.browser("c-1"), method)(path)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith(":server-key-needed")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("get", "/recommendations/", "lists"),
        ("get", "/items/tea/similar/", "lists"),
        ("post", "/events/", "events"),
        ("get", "/segments/", "segments"),
        ("get", "/customers/c-1/segments/", "segments"),
        ("post", "/customers/c-1/token/", "tokens"),
    ],
)
def test_a_key_needs_the_scope_of_the_call(method, path, scope):
    others = [name for name in access.Scope.values if name != scope]
    answer = getattr(storefront.server(scopes=others), method)(path)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith(":missing-scope")
    assert scope in answer.json()["detail"]
    allowed = getattr(storefront.server(scopes=[scope]), method)(path)
    assert allowed.status_code != 403

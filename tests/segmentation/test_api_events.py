"""POST /events/: every row is recorded once or refused with its reason."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from segmentation.models import Event, EventDetail, Identity, Kind, RefKind
from tests import storefront

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _afresh(settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    }
    storefront.start_afresh()


def view(number: int = 1, **changes) -> dict:
    row = {"kind": "view", "customer_id": "c-1", "item_id": "tea"}
    return row | {"event_id": f"e-{number}"} | changes


def post(caller, *rows):
    return caller.post("/events/", {"events": list(rows)})


def test_an_event_is_recorded_in_our_own_ids():
    tea = storefront.make_items("tea")[0]
    known = storefront.make_customer("c-1")
    answer = post(
        storefront.server(),
        view(kind="purchase", quantity=2, price=1.5, occurred_at="2025-11-01T10:00Z"),
    )
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "duplicate": 0, "errors": []}
    event = Event.objects.get()
    assert (event.identity_id, event.item_id) == (known.pk, tea.pk)
    assert (event.kind, event.amount) == (Kind.PURCHASE, 3.0)
    assert event.occurred_at.isoformat() == "2025-11-01T10:00:00+00:00"


def test_the_same_call_again_adds_nothing():
    caller = storefront.server()
    rows = [view(number) for number in range(3)]
    post(caller, *rows)
    again = post(caller, *rows, view(99))
    assert again.json() == {"accepted": 1, "duplicate": 3, "errors": []}
    assert Event.objects.count() == 4


def test_an_event_without_a_time_happened_now():
    post(storefront.server(), view())
    assert Event.objects.get().occurred_at is not None


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (view(kind="juggle"), "kind"),
        (view(kind=None), "kind"),
        (view(kind="ad_clicked"), "kind"),
        (view(item_id=None), "item_id"),
        (view(item_id=""), "item_id"),
        (view(item_id="x" * 121), "item_id"),
        (view(customer_id=None), "customer_id"),
        (view(customer_id="undefined"), "customer_id"),
        (view(customer_id=None, visitor_id="null"), "visitor_id"),
        (view(quantity="two"), "quantity"),
        (view(price={"amount": 3}), "price"),
        (view(occurred_at="yesterday"), "occurred_at"),
        (view(page="nul\x00"), "page"),
        (view(item_id="half a pair \ud800"), "item_id"),
        (view(launch="one"), "launch"),
        (view(ad=2**70), "ad"),
        (view(launch="9" * 5000), "launch"),
        (view(occurred_at="2100-01-01T00:00:00Z"), "occurred_at"),
        ("not an object", ""),
        (None, ""),
    ],
)
def test_a_bad_row_is_named_and_stops_no_other(bad, field):
    answer = post(storefront.server(), view(1), bad, view(2))
    assert answer.status_code == 207
    body = answer.json()
    assert (body["accepted"], body["duplicate"]) == (2, 0)
    assert [(error["index"], error["field"]) for error in body["errors"]] == [
        (1, field)
    ]
    assert body["errors"][0]["message"]
    assert Event.objects.count() == 2


def test_every_bad_row_keeps_its_place_in_the_call():
    rows = ["no object", view(1), view(2, quantity="two"), None, view(3, price="x")]
    errors = post(storefront.server(), *rows).json()["errors"]
    assert [(error["index"], error["field"]) for error in errors] == [
        (0, ""),
        (2, "quantity"),
        (3, ""),
        (4, "price"),
    ]


@pytest.mark.parametrize(
    "body",
    [{}, {"events": []}, {"events": "all"}, [1], {"events": [view(1)] * 1001}],
)
def test_a_call_has_one_to_a_thousand_events(body):
    answer = storefront.server().post("/events/", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "events"
    assert Event.objects.count() == 0


def test_a_thousand_events_take_few_queries(django_assert_max_num_queries):
    caller = storefront.server()
    post(caller, view(1000))
    rows = [
        view(number, customer_id=f"c-{number % 50}", item_id=f"i-{number % 40}")
        for number in range(1000)
    ]
    with django_assert_max_num_queries(40):
        assert post(caller, *rows).json()["accepted"] == 1000


def test_names_of_import_files_are_read_as_well():
    answer = post(
        storefront.server(), {"kind": "view", "customer": "c-1", "item": "tea"}
    )
    assert answer.json()["accepted"] == 1


def test_an_anonymous_visitor_becomes_an_identity():
    answer = post(storefront.browser(), view(customer_id=None, visitor_id="v-1"))
    assert answer.json()["accepted"] == 1
    assert Identity.objects.get().visitor_id == "v-1"


def test_an_event_with_both_ids_is_a_login():
    page = storefront.browser("c-1")
    post(page, view(1, customer_id=None, visitor_id="v-1"))
    post(page, view(2, visitor_id="v-1"))
    visitor = Identity.objects.get(visitor_id="v-1")
    known = Identity.objects.get(external_id="c-1")
    assert visitor.customer_id == known.customer_id
    assert set(Event.objects.values_list("identity_id", flat=True)) == {
        visitor.pk,
        known.pk,
    }


def test_a_token_alone_says_who_did_it():
    post(storefront.browser("c-7"), view(customer_id=None))
    assert Identity.objects.get().external_id == "c-7"


@pytest.mark.parametrize("token_of", [None, "c-2"])
def test_a_browser_reports_for_nobody_else(token_of):
    answer = post(storefront.browser(token_of), view(1))
    assert answer.status_code == 403
    assert answer.json()["type"].endswith(":other-customer")
    assert not Event.objects.exists()
    assert not Identity.objects.exists()


def test_only_a_server_says_what_led_to_an_event():
    answer = post(storefront.browser("c-1"), view(launch=3))
    assert answer.json()["errors"][0]["field"] == "launch"
    post(storefront.server(), view(launch=3))
    event = Event.objects.get()
    assert (event.ref_kind, event.ref_id) == (RefKind.LAUNCH, 3)


def test_an_event_names_the_list_it_came_from():
    caller = storefront.server()
    served = caller.get("/recommendations/").json()["recommendation_id"]
    post(caller, view(recommendation_id=served))
    assert Event.objects.get().ref_kind == RefKind.SERVED_LIST


@pytest.mark.parametrize("made_up", ["0f8fad5b-d9cb-469f-a165-70867728950e", "what"])
def test_a_list_that_was_never_served_is_no_obstacle(made_up):
    answer = post(storefront.server(), view(recommendation_id=made_up))
    assert answer.json()["accepted"] == 1
    assert Event.objects.get().ref_kind is None


def test_search_terms_are_kept_beside_the_event():
    post(
        storefront.browser(),
        {"kind": "search", "visitor_id": "v-1", "search_terms": "green tea"},
    )
    assert EventDetail.objects.get().search_terms == "green tea"


@pytest.mark.django_db(transaction=True)
def test_two_calls_at_once_record_each_event_once():
    caller = storefront.server()
    rows = [view(number, customer_id=f"c-{number}") for number in range(50)]
    gate, answers = threading.Barrier(2), []

    def send() -> None:
        try:
            gate.wait()
            answers.append(post(caller, *rows).json())
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answer["accepted"] for answer in answers) == 50
    assert sum(answer["duplicate"] for answer in answers) == 50
    assert Event.objects.count() == 50
    assert Identity.objects.count() == 50

"""The single door for behaviour: each row once, or refused with its reason."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from segmentation.models import (
    Customer,
    Event,
    EventDetail,
    Identity,
    ImportJob,
    Item,
    Kind,
    ModelRun,
    RefKind,
    ServedList,
    Source,
)
from segmentation.services import events

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def row(**changes) -> dict:
    return {"customer": "c-1", "item": "tea", "kind": "view"} | changes


def shop(name: str = "web") -> Source:
    return Source.objects.get_or_create(name=name)[0]


def record(*rows, source=None) -> events.Recorded:
    return events.record_events(rows, source=source or shop(), now=NOW)


def test_a_row_becomes_an_event_and_names_are_created():
    recorded = record(
        row(
            kind="Purchase",
            occurred_at="2026-11-01T10:00:00+01:00",
            quantity=2,
            price=1.5,
            currency="usd",
            order="b-1",
            session="s-1",
        )
    )
    assert recorded == events.Recorded(1, 0, [])
    event = Event.objects.get()
    assert event.occurred_at == datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert (event.kind, event.amount, event.currency) == (Kind.PURCHASE, 3.0, "USD")
    assert event.item_id == Item.objects.get(external_id="tea").pk
    assert event.identity_id == Identity.objects.get(external_id="c-1").pk
    assert event.order_key and event.session_key and event.import_id is None


def test_without_a_time_it_happened_now_and_a_datetime_is_taken_as_it_is():
    record(row(), row(item="milk", occurred_at=NOW.replace(hour=3)))
    times = Event.objects.order_by("occurred_at").values_list("occurred_at", flat=True)
    assert list(times) == [NOW.replace(hour=3), NOW]


def test_one_bad_row_does_not_stop_the_others_and_is_told():
    recorded = record(
        row(kind="teleport"),
        row(),
        row(customer=None),
        row(occurred_at="yesterday", item="milk"),
        row(item="cake", price="dear"),
        row(item="jam", currency="EUR"),
    )
    assert recorded.n_new == 1
    told = [(error.index, error.field) for error in recorded.errors]
    assert told == [
        (0, "kind"),
        (2, "customer"),
        (3, "occurred_at"),
        (4, "price"),
        (5, "currency"),
    ]
    assert "kind is none of" in recorded.errors[0].message
    assert list(Item.objects.values_list("external_id", flat=True)) == ["tea"]


def test_nothing_but_bad_rows_writes_nothing():
    assert record(row(kind="?")).n_new == 0
    assert not Identity.objects.exists() and not Item.objects.exists()


@pytest.mark.parametrize("same", [{"event_id": "e-1"}, {"occurred_at": "2026-01-01"}])
def test_the_same_row_again_adds_nothing(same):
    assert record(row(**same)).n_new == 1
    again = record(row(**same), row(**same), row(item="milk", **same))
    assert (again.n_new + again.n_duplicate, len(again.errors)) == (3, 0)
    assert Event.objects.count() == (1 if "event_id" in same else 2)


def test_an_event_id_belongs_to_its_source():
    record(row(event_id="e-1"))
    assert record(row(event_id="e-1"), source=shop("tills")).n_new == 1


def test_both_ids_in_a_row_are_a_login_and_the_past_goes_with_the_customer():
    record(row(customer=None, visitor="v-1"))
    visitor = Identity.objects.get(visitor_id="v-1")
    record(row(visitor="v-1", item="milk"))
    known = Identity.objects.get(external_id="c-1")
    visitor.refresh_from_db()
    assert visitor.customer_id == known.customer_id
    # Events keep the identity they came with.
    owners = set(Event.objects.values_list("identity_id", flat=True))
    assert owners == {visitor.pk, known.pk}


def test_a_visitor_of_somebody_else_stays_theirs():
    record(row(visitor="v-1"))
    record(row(customer="c-2", visitor="v-1"))
    visitor = Identity.objects.get(visitor_id="v-1")
    assert visitor.customer == Customer.objects.get(identities__external_id="c-1")


def test_a_word_for_nothing_logs_nobody_in():
    record(row(customer="nan", visitor="v-1"), row(customer="17.0", visitor="v-2"))
    names = Identity.objects.filter(external_id__isnull=False)
    assert list(names.values_list("external_id", flat=True)) == ["17"]


def test_many_logins_that_are_known_cost_no_query_each(django_assert_max_num_queries):
    rows = [row(customer=f"c-{i}", visitor=f"v-{i}") for i in range(50)]
    record(*rows)
    again = [each | {"item": "milk"} for each in rows]
    with django_assert_max_num_queries(25):
        assert record(*again).n_new == 50


def test_what_led_to_an_event_is_kept():
    run = ModelRun.objects.create(algorithm="als", purpose="discover")
    served = ServedList.objects.create(run=run, purpose="discover", list_source="x")
    record(
        row(event_id="1", launch=7),
        row(event_id="2", ad="8"),
        row(event_id="3", recommendation_id=str(served.recommendation_id)),
        row(event_id="4", recommendation_id="no uuid", launch="seven", ad=2**63),
        row(event_id="5", recommendation_id="00000000-0000-0000-0000-000000000000"),
    )
    told = Counter(Event.objects.values_list("ref_kind", "ref_id"))
    assert told == {
        (RefKind.LAUNCH, 7): 1,
        (RefKind.AD, 8): 1,
        (RefKind.SERVED_LIST, served.pk): 1,
        (None, None): 2,
    }


def test_search_terms_and_pages_stand_beside_the_event():
    recorded = record(
        row(kind="search", item=None, search_terms="green\x00 tea " + "x" * 400),
        row(page="/tea"),
        row(item="milk"),
    )
    assert recorded == events.Recorded(3, 0, [])
    searched = EventDetail.objects.exclude(search_terms="").get()
    assert searched.search_terms.startswith("green tea x")
    assert len(searched.search_terms) == 300
    assert Event.objects.get(pk=searched.pk).kind == Kind.SEARCH
    viewed = EventDetail.objects.get(page="/tea")
    assert (
        Event.objects.get(pk=viewed.pk).item_id
        == Item.objects.get(external_id="tea").pk
    )
    again = record(row(page="/tea"))
    assert (again.n_duplicate, EventDetail.objects.count()) == (1, 2)


def test_half_a_character_does_not_stop_the_call():
    assert record(row(item="\ud800"), row()).n_new == 2


def test_a_call_takes_over_what_a_failed_import_hides():
    record(row(event_id="e-1"))
    failed = ImportJob.objects.create(
        kind="events",
        source=shop(),
        path="x",
        status=ImportJob.Status.FAILED,
        chunks_applied=1,
    )
    Event.objects.update(import_id=failed.pk)
    assert record(row(event_id="e-1")).n_new == 1
    assert Event.objects.get().import_id is None


def test_our_own_outcomes_are_written_once():
    record(row())
    identity = Identity.objects.get()
    outcome = events.KnownEvent(
        identity.pk,
        Kind.MESSAGE_CLICKED,
        NOW,
        "delivery-1-clicked",
        ref_kind=RefKind.LAUNCH,
        ref_id=3,
        amount=2.5,
    )
    assert events.append([]) == 0
    assert events.append([outcome, outcome]) == 1
    assert events.append([outcome]) == 0
    event = Event.objects.get(kind=Kind.MESSAGE_CLICKED)
    assert (event.ref_kind, event.ref_id, event.amount) == (RefKind.LAUNCH, 3, 2.5)
    assert (event.quantity, event.currency, event.item_id) == (1, "", None)


def test_a_call_costs_the_same_queries_for_one_row_and_for_many(
    django_assert_max_num_queries,
):
    rows = [row(customer=f"c-{i}", item=f"i-{i}") for i in range(200)]
    with django_assert_max_num_queries(45):
        record(*rows)


@pytest.mark.django_db(transaction=True)
def test_two_calls_at_once_record_each_event_once():
    rows = [row(customer=f"c-{i}", item=f"i-{i}", event_id=str(i)) for i in range(300)]
    source, together = shop(), threading.Barrier(2)
    recorded, wrong = [], []

    def call(mine) -> None:
        try:
            together.wait()
            recorded.append(record(*mine, source=source))
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=call, args=(mine,)) for mine in (rows, rows[::-1])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert sum(each.n_new for each in recorded) == 300
    assert sum(each.n_duplicate for each in recorded) == 300
    assert Event.objects.count() == Item.objects.count() == 300
    assert Identity.objects.count() == Customer.objects.count() == 300


def test_a_purchase_of_less_than_nothing_is_a_return_under_the_key_of_its_line():
    told = row(
        kind="purchase",
        occurred_at="2026-11-01T10:00:00Z",
        quantity=-2,
        price=1.5,
        order="b-1",
    )
    assert record(told).n_new == 1
    event = Event.objects.get()
    assert (event.kind, event.quantity) == (Kind.RETURN, 2.0)
    assert (event.price, event.amount) == (1.5, 3.0)
    # The key that such a line had while it was stored as a purchase.
    assert event.event_key.hex == "f053c71754b1256f6f9d874426832b16"
    assert record(told).n_duplicate == 1


def test_a_return_is_positive_however_it_is_told():
    record(
        row(kind="return", quantity=-1, price=4.0),
        row(kind="return", amount=-4.0),
        row(kind="purchase", amount=-4.0),  # a discount
    )
    found = {(e.kind, e.quantity, e.amount) for e in Event.objects.all()}
    assert found == {(Kind.RETURN, 1.0, 4.0), (Kind.PURCHASE, 1.0, -4.0)}


def test_a_clock_that_is_a_little_ahead_is_believed_and_next_year_is_not():
    soon, late = NOW + timedelta(minutes=9), NOW + timedelta(minutes=11)
    told = record(row(occurred_at=late), row(occurred_at=soon), row(kind="juggle"))
    assert [(error.index, error.field) for error in told.errors] == [
        (0, "occurred_at"),
        (2, "kind"),
    ]
    assert "more than 10 minutes ahead" in told.errors[0].message
    assert told.n_new == 1
    assert Event.objects.get().occurred_at == soon
    assert record(row(occurred_at=late)).n_new == 0

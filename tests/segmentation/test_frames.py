"""Rows to matrices: what counts as interest, whose it is, and when it was."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from segmentation import frames, queries
from segmentation.models import KIND_WEIGHTS, Category, Identity, Item, Kind, Source
from segmentation.services import events, identities

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def record(*rows) -> None:
    source = Source.objects.get_or_create(name="shop")[0]
    told = [
        {"customer": "ada", "item": "tea", "kind": "purchase", "occurred_at": NOON} | r
        for r in rows
    ]
    later = NOON.replace(hour=23)
    assert not events.record_events(told, source=source, now=later).errors


def log(**options) -> list[dict]:
    return frames.interactions(**options).to_pylist()


def test_a_purchase_is_one_row_of_its_customer_item_weight_and_day():
    record({})
    ada, tea = Identity.objects.get().customer_id, Item.objects.get().pk
    days = NOON.timestamp() / 86_400
    assert log() == [{"user_id": ada, "item_id": tea, "weight": 1.0, "timestamp": days}]


def test_a_basket_counts_a_product_once_and_other_lines_each():
    record({"order": "b", "amount": 1}, {"order": "b", "amount": 2}, {"order": "c"})
    assert len(log()) == 2
    record({"event_id": "1"}, {"event_id": "2"})
    assert len(log()) == 4


def test_the_first_line_of_a_basket_says_when():
    record(
        {"order": "b", "occurred_at": NOON.replace(hour=9)},
        {"order": "b", "occurred_at": NOON.replace(hour=8)},
    )
    assert log()[0]["timestamp"] == NOON.replace(hour=8).timestamp() / 86_400


def test_kinds_weigh_what_they_say_and_others_say_nothing():
    record(*({"kind": kind, "event_id": kind} for kind in ("view", "cart", "purchase")))
    record({"kind": "rating"}, {"kind": "search", "item": None})
    weights = sorted(row["weight"] for row in log())
    liked = (Kind.VIEW, Kind.CART, Kind.PURCHASE)
    assert weights == pytest.approx(sorted(KIND_WEIGHTS[kind] for kind in liked))


def test_lines_without_quantity_say_nothing():
    record({"quantity": 0}, {"quantity": -1})
    assert log() == []


def test_a_return_takes_the_interest_of_its_purchase_back():
    record(
        {"order": "b", "quantity": 2, "occurred_at": NOON.replace(hour=8)},
        {"order": "c", "quantity": 2, "occurred_at": NOON.replace(hour=9)},
        {"item": "milk", "order": "c"},
        {"kind": "view", "event_id": "v"},
        {"kind": "return", "order": "b", "quantity": 1},
        {"kind": "return", "order": "c", "item": "milk", "quantity": 5},
    )
    weights = sorted(row["weight"] for row in log())
    assert weights == pytest.approx([KIND_WEIGHTS[Kind.VIEW], 0.5, 1.0])
    record({"kind": "return", "quantity": 9, "occurred_at": NOON.replace(hour=13)})
    assert len(log()) == 1
    assert len(log(until=NOON)) == 2  # nothing had gone back by then


def test_a_part_to_learn_from_does_not_know_what_went_back_later():
    """Else a model is fitted on what its judging period says."""
    start, valid, test = (NOON.replace(hour=hour) for hour in (8, 9, 10))
    record(
        {"occurred_at": start},
        {"item": "milk", "occurred_at": start},
        {"item": "rice", "occurred_at": valid},
        {"item": "milk", "kind": "return", "occurred_at": valid.replace(minute=30)},
        {"item": "rice", "kind": "return", "occurred_at": test},
        {"occurred_at": test},
        {"item": "milk", "occurred_at": NOON},
    )
    items = dict(Item.objects.values_list("pk", "external_id"))

    def named(rows) -> list[str]:
        return sorted(items[pk] for pk in rows["item_id"])

    parts = frames.interest().split(
        valid_from=valid, test_from=test, test_until=test.replace(minute=30)
    )
    assert named(parts.fit) == ["milk", "tea"]
    assert named(parts.train) == ["rice", "tea"]
    assert (named(parts.validation), named(parts.test)) == (["rice"], ["tea"])
    assert sorted(items[row["item_id"]] for row in log()) == ["milk", "tea", "tea"]


def test_only_what_was_before_an_instant():
    record({"occurred_at": NOON.replace(hour=9)}, {"occurred_at": NOON})
    assert len(log(until=NOON)) == 1
    assert len(log(until=NOON.replace(minute=1))) == 2


def test_a_login_brings_the_visitors_past_to_the_customer():
    record({"customer": None, "visitor": "v"}, {"item": "milk"})
    assert len({row["user_id"] for row in log()}) == 2
    ada = Identity.objects.get(external_id="ada").customer
    identities.link_visitor("v", ada)
    assert {row["user_id"] for row in log()} == {ada.pk}


def test_equal_data_give_equal_rows_in_equal_order():
    rows = [
        {"customer": f"c-{i % 3}", "item": f"i-{i % 5}", "event_id": str(i)}
        for i in range(20)
    ]
    record(*rows)
    table = frames.interactions()
    keys = [tuple(row.values()) for row in table.to_pylist()]
    assert keys == sorted(keys, key=lambda k: (k[3], k[0], k[1]))
    assert table.column_names == ["user_id", "item_id", "weight", "timestamp"]


def test_spending_is_told_by_customer_and_category():
    record(
        {"amount": 2, "order": "b"},
        {"amount": 3, "order": "b", "item": "milk"},
        {"amount": 5, "order": "c"},
        {"customer": "bob", "amount": 7},
        {"kind": "view", "amount": 99, "item": "milk"},
        {"kind": "return", "amount": 1, "order": "d"},
        {"customer": "bob", "kind": "return", "amount": 9, "item": "milk"},
    )
    drinks = Category.objects.create(name="Drinks")
    Item.objects.filter(external_id="tea").update(category=drinks)
    people = dict(Identity.objects.values_list("external_id", "customer_id"))
    told = frames.spending(np.array([people["bob"], 10**9, people["ada"]]))
    by_name = dict(zip(told.category_names, told.spend.toarray().T, strict=True))
    assert by_name["Drinks"].tolist() == [7, 0, 6]
    assert by_name[""].tolist() == [0, 0, 3]
    assert told.revenue.tolist() == [0, 0, 9]
    assert told.n_orders.tolist() == [1, 0, 2]


def test_an_identity_of_each_customer_is_found_for_few_and_for_many():
    record({}, {"customer": "bob"})
    people = dict(Identity.objects.values_list("customer_id", "pk"))
    asked = np.array([*people, 10**9])
    wanted = [*people.values(), -1]
    assert queries.identity_ids(asked).tolist() == wanted
    many = np.concatenate([asked, np.full(1000, 10**9)])
    assert queries.identity_ids(many)[:3].tolist() == wanted
    assert queries.identity_ids(np.array([], np.int64)).tolist() == []


def test_nothing_at_all_is_an_empty_log():
    assert log() == []
    assert queries.identity_ids(np.array([1])).tolist() == [-1]
    told = frames.spending(np.array([1]))
    assert told.revenue.tolist() == [0]

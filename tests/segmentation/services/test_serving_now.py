"""Lists made at the request: of newer events, a session, a segment; their reasons."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection

from segmentation.models import (
    Customer,
    Event,
    Identity,
    Item,
    ModelRun,
    RefKind,
    ServedList,
)
from segmentation.services import events, registry, serving
from segmentation.services.serving import looking, people, served
from tests import storefront
from tests.segmentation.services import behaviour
from tests.storefront import NOW

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


@pytest.fixture(autouse=True)
def _afresh():
    storefront.start_afresh()


def ask(purpose="discover", customer=None, visitor=None, n=10, now=LATER, **wanted):
    """A list for somebody, looked up by an id of theirs as the API does."""
    shop = behaviour.Source.objects.get(name="shop")
    person = serving.find(shop, customer, visitor, purpose)
    return serving.recommend_for(person, serving.Wish(n, purpose, **wanted), now=now)


def names(answer) -> list[str]:
    return [item.external_id for item in answer.items]


def go_live(algorithm: str, purpose: str, **params) -> ModelRun:
    """A live run that was trained at NOW, whatever the clock says."""
    run = behaviour.live(algorithm, purpose, **params)
    ModelRun.objects.filter(pk=run.pk).update(started_at=NOW)
    storefront.start_afresh()
    return run


def happened(item: str, kind="purchase", at=NOW + timedelta(hours=1), **who) -> None:
    row = {"item": item, "kind": kind, "event_id": uuid4().hex, **who}
    row["occurred_at"] = at.isoformat()
    shop = behaviour.Source.objects.get(name="shop")
    assert not events.record_events([row], source=shop, now=LATER).errors


def test_a_customer_with_newer_events_gets_a_list_that_knows_them():
    behaviour.world()
    go_live("item_knn", "discover")
    before = ask(customer="c-00")
    assert before.source == "personal"
    taken = names(before)[0]
    happened(taken, customer="c-00")
    after = ask(customer="c-00")
    assert after.source == "folded_in"
    assert after.items and taken not in names(after)
    assert ask(customer="c-02").source == "personal", "others keep theirs"


def test_an_event_that_tells_of_no_interest_leaves_the_list_as_it_is():
    behaviour.world()
    go_live("item_knn", "discover")
    row = {"kind": "search", "customer": "c-00", "search_terms": "tea"}
    shop = behaviour.Source.objects.get(name="shop")
    assert not events.record_events([row], source=shop, now=LATER).errors
    assert ask(customer="c-00").source == "personal"


def test_where_the_model_cannot_fold_in_what_was_bought_still_goes():
    behaviour.world()
    go_live("popularity", "discover")
    taken = names(ask(customer="c-00"))[0]
    happened(taken, customer="c-00")
    answer = ask(customer="c-00")
    assert answer.source == "personal"
    assert answer.items and taken not in names(answer)


def test_a_visitor_gets_a_list_from_the_session():
    behaviour.world()
    go_live("item_knn", "discover")
    for item in ("i-00", "i-02"):
        happened(item, kind="view", visitor="v-1")
    answer = ask(visitor="v-1")
    assert answer.source == "session"
    numbers = [int(name.removeprefix("i-")) for name in names(answer)]
    assert numbers and all(number % 2 == 0 for number in numbers)
    assert not {0, 2} & set(numbers)
    first = answer.items[0]
    assert first.reason_code == "because"
    assert first.reason_external_id in ("i-00", "i-02")
    assert first.reason_external_id in first.reason_text
    assert ask(visitor="v-2").source == "popular"


def test_who_does_not_want_to_be_personalised_gets_what_is_popular():
    behaviour.world()
    go_live("item_knn", "discover")
    Customer.objects.filter(pk=behaviour.customer_id("c-00")).update(personalised=False)
    happened("i-00", customer="c-00")
    assert ask(customer="c-00").source == "popular"
    ids = np.array([behaviour.customer_id("c-00"), 10**9])
    both = serving.lists_for(ids, 5, "discover", now=NOW).item_ids
    assert both[0].tolist() == both[1].tolist()


def test_somebody_of_a_segment_gets_what_its_members_get(settings):
    settings.STRATA_MIN_SEGMENT_SIZE = 2
    tea, jam, rye = storefront.make_items("tea", "jam", "rye")
    shop = storefront.source("shop")
    ada, bob, eve = (storefront.make_customer(name, shop).customer for name in "abe")
    storefront.make_live(
        "discover", {ada.pk: [jam, tea], bob.pk: [jam, rye]}, [rye, tea]
    )
    group = storefront.make_segment("outdoor cooks", ada, bob, eve, size=3)
    answer = ask(customer="e")
    assert (answer.source, names(answer)[0]) == ("segment", "jam")
    assert answer.items[0].reason_text == "Popular among outdoor cooks"
    whole = serving.for_segment(group.pk, serving.Wish(2), now=NOW)
    assert (whole.source, names(whole)[0], len(whole.items)) == ("segment", "jam", 2)
    settings.STRATA_MIN_SEGMENT_SIZE = 4
    assert ask(customer="e").source == "popular"
    with pytest.raises(serving.NoSuchSegment):
        serving.for_segment(group.pk, serving.Wish(2), now=NOW)


def test_what_was_just_bought_waits_for_its_usual_time():
    behaviour.world()
    go_live("personal_frequency", "again")
    lists = registry.live_lists("again")
    item = behaviour.item_id("i-00")
    usual = lists.rebuy_days_of(np.array([item, 10**9]))
    assert usual[0] >= 7 and np.isnan(usual[1])
    much_later = NOW + timedelta(days=365)
    who = {"customer": "c-00"}
    assert "i-00" in names(ask("again", n=50, now=much_later, **who))
    last = lists.last_bought[lists.row(behaviour.customer_id("c-00"))]
    assert np.isfinite(last[0])
    happened("i-00", at=NOW + timedelta(hours=1), **who)
    soon, after = NOW + timedelta(days=1), NOW + timedelta(days=float(usual[0]) + 2)
    assert "i-00" not in names(ask("again", n=50, now=soon, **who))
    assert "i-00" in names(ask("again", n=50, now=after, **who))


def test_habit_and_discovery_are_told_apart():
    behaviour.world()
    go_live("popularity", "again")
    answer = ask("again", customer="c-00", n=50, now=NOW + timedelta(days=999))
    theirs = Identity.objects.get(external_id="c-00")
    bought = Event.objects.filter(identity_id=theirs.pk)
    had = set(bought.values_list("item_id", flat=True))
    assert {item.item_id for item in answer.items if item.is_habit} <= had
    assert all(item.is_habit == (item.item_id in had) for item in answer.items)
    codes = {item.is_habit: item.reason_code for item in answer.items}
    assert codes == {True: "habit", False: "taste"}


def test_the_reason_and_the_evidence_of_a_linear_model_are_its_own():
    behaviour.world()
    go_live("item_knn", "discover")
    answer = ask(customer="c-00", n=5)
    first = answer.items[0]
    assert first.reason_code == "because"
    who = Customer.objects.get(pk=behaviour.customer_id("c-00"))
    ids = [item.item_id for item in answer.items]
    told = looking.evidence(who, "discover", ids, now=LATER)
    assert set(told) == set(ids)
    best = told[first.item_id][0]
    assert best.item_id == first.reason_item_id
    assert 0 < best.share <= 1
    shares = [cause.share for cause in told[first.item_id]]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 1.0001


def test_a_narrow_wish_is_answered_by_the_model_beyond_its_list(monkeypatch):
    behaviour.world()
    monkeypatch.setattr("segmentation.services.training.writing.LIST_LENGTH", 2)
    go_live("item_knn", "discover")
    Item.objects.update(price=5)
    listed = names(ask(customer="c-00"))
    assert len(listed) == 2
    Item.objects.filter(external_id__in=listed).update(price=50)
    serving.forget()
    cheap = ask(customer="c-00", max_price=10)
    assert len(cheap.items) > 2 and not set(listed) & set(names(cheap))


def test_what_goes_into_one_basket_is_listed_beside_an_item():
    behaviour.world()
    go_live("item_knn", "similar")
    answer = serving.bought_together("i-00", serving.Wish(5, "similar"), now=NOW)
    assert answer.source == "bought_together"
    assert answer.items and "i-00" not in names(answer)
    assert all(int(name.removeprefix("i-")) % 2 == 0 for name in names(answer))
    assert "i-00" in answer.items[0].reason_text
    with pytest.raises(serving.NoSuchItem):
        serving.similar_to("none", serving.Wish(5, "similar"), now=NOW)


def test_an_event_may_name_a_list_before_its_row_is_written():
    behaviour.world()
    key = served._new_key(NOW.timestamp())
    happened("i-00", customer="c-00", recommendation_id=str(served.named(key)))
    event = Event.objects.get(ref_kind=RefKind.SERVED_LIST)
    assert event.ref_id == key < 2**63


def test_only_this_install_makes_ids_of_lists(settings):
    key = 123456789012345678
    name = served.named(key)
    assert served.key_of(name) == key
    assert (name.version, name.variant) == (8, "specified in RFC 4122")
    assert served.key_of(uuid4()) is None
    changed = name.int ^ 1
    assert served.key_of(type(name)(int=changed)) is None
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    assert served.key_of(name) is None
    settings.SECRET_KEY_FALLBACKS = [former]
    assert served.key_of(name) == key


@pytest.mark.django_db(transaction=True)
def test_a_served_list_is_written_behind_the_request():
    assert not connection.in_atomic_block
    tea = storefront.make_items("tea")[0]
    place = serving.Recommended(tea.pk, "tea", 1.0, "popular", "x")
    answer = serving.Answer(None, "popular", [place])
    given = [serving.log_served(answer, None, "discover", "home") for _ in range(3)]
    served.flush()
    rows = ServedList.objects.filter(recommendation_id__in=given)
    assert [row.item_ids for row in rows] == [[tea.pk]] * 3
    assert [served.key_of(row.recommendation_id) == row.pk for row in rows] == [
        True
    ] * 3


def test_served_lists_go_by_age(settings):
    answer = serving.Answer(None, "popular", [])
    old, new = (serving.log_served(answer, None, "discover") for _ in range(2))
    ServedList.objects.filter(recommendation_id=old).update(
        served_at=NOW - timedelta(days=91)
    )
    ServedList.objects.filter(recommendation_id=new).update(served_at=NOW)
    assert served.sweep(NOW) == 1
    assert ServedList.objects.get().recommendation_id == new


def test_a_person_is_found_in_one_query(django_assert_num_queries):
    who = storefront.make_customer("c-1", storefront.source("shop"))
    with django_assert_num_queries(1):
        found = people.find(who.source, "c-1", None)
    assert (found.identity_id, found.customer_id) == (who.pk, who.customer_id)
    assert found.is_named and found.personalised and not found.is_newer

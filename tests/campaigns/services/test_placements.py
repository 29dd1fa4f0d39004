"""Which ad stands in a slot, why the others do not, and that it is written down."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from campaigns.models import Decision, Placement
from campaigns.services import placements
from segmentation.models import Customer
from tests import storefront
from tests.campaigns import worlds

pytestmark = pytest.mark.django_db

NOW = worlds.NOW
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def afresh() -> None:
    storefront.start_afresh()


@pytest.fixture
def placement() -> Placement:
    return worlds.make_placement()


@pytest.fixture
def person() -> Customer:
    return worlds.make_people(1)[0]


seconds = itertools.count(1)


def decide(placement, person=None, **options):
    identity = person.identities.first() if person else None
    options.setdefault("now", NOW + timedelta(seconds=next(seconds)))
    return placements.decide(
        placement,
        identity_id=identity.pk if identity else None,
        customer_id=person.pk if person else None,
        **options,
    )


def refusals() -> dict[int, str]:
    considered = Decision.objects.latest("decided_at").considered
    return {row["ad"]: row["refused"] for row in considered if "refused" in row}


def test_a_decision_is_logged_with_its_chance(placement, person):
    one = worlds.make_ad(placement, weight=1.0)
    two = worlds.make_ad(placement, weight=3.0)
    [slot] = decide(placement, person, draw=lambda: 0.5)
    assert slot.ad == two and slot.propensity == 0.75
    [slot] = decide(placement, person, draw=lambda: 0.1)
    assert slot.ad == one and slot.propensity == 0.25
    row = Decision.objects.get(pk=slot.decision_id)
    assert (row.ad, row.propensity, row.draw) == (one, 0.25, 0.1)
    assert row.identity_id == person.identities.get().pk


def test_every_reason_against_an_ad_is_written_down(placement, person):
    segment = storefront.make_segment("others", size=0)
    paused = worlds.make_ad(placement, is_active=False)
    early = worlds.make_ad(placement, starts_at=NOW + DAY)
    late = worlds.make_ad(placement, ends_at=NOW - DAY)
    foreign = worlds.make_ad(placement)
    foreign.segments.add(segment)
    weightless = worlds.make_ad(placement, weight=0.0)
    spent = worlds.make_ad(placement, max_impressions=0)
    assert decide(placement, person) == []
    assert refusals() == {
        paused.pk: "paused",
        early.pk: "outside dates",
        late.pk: "outside dates",
        foreign.pk: "not in segment",
        weightless.pk: "not relevant",
        spent.pk: "budget spent",
    }
    assert Decision.objects.get().ad is None


def test_a_person_sees_the_ads_of_their_segments(placement, person):
    ad = worlds.make_ad(placement)
    ad.segments.add(storefront.make_segment("one", person, size=1))
    assert [slot.ad for slot in decide(placement, person)] == [ad]
    assert decide(placement) == []


def test_a_cap_counts_what_was_shown_today_to_any_identity(placement, person):
    ad = worlds.make_ad(placement, cap_per_day=2)
    other = person.identities.create(visitor_id="phone")
    for identity, shown_at in (
        (person.identities.first(), NOW - timedelta(hours=1)),
        (other, NOW - DAY),
    ):
        [slot] = decide(placement, person)
        Decision.objects.filter(pk=slot.decision_id).update(
            shown_at=shown_at, identity_id=identity.pk
        )
    assert len(decide(placement, person)) == 1  # one today, one yesterday
    Decision.objects.filter(identity_id=other.pk).update(shown_at=NOW)
    assert decide(placement, person) == []
    assert refusals() == {ad.pk: "capped"}
    assert len(decide(placement)) == 1  # nobody known: no cap


def test_all_impressions_together_have_an_end(placement, person):
    ad = worlds.make_ad(placement, max_impressions=1)
    [slot] = decide(placement, person)
    assert len(decide(placement)) == 1  # decided is not shown
    Decision.objects.filter(pk=slot.decision_id).update(shown_at=NOW)
    assert decide(placement) == []
    assert refusals() == {ad.pk: "budget spent"}


def test_several_slots_hold_different_ads(placement, person):
    ads = {worlds.make_ad(placement).pk for _number in range(3)}
    slots = decide(placement, person, n=5)
    assert {slot.ad.pk for slot in slots} == ads
    assert Decision.objects.count() == 3


def test_the_number_of_queries_does_not_grow_with_the_ads(
    placement, person, django_assert_max_num_queries
):
    segment = storefront.make_segment("one", person, size=1)
    item = worlds.make_items(1)[0]
    for _number in range(30):
        ad = worlds.make_ad(placement, cap_per_day=5, max_impressions=9, item=item)
        ad.segments.add(segment)
    decide(placement, person)
    with django_assert_max_num_queries(7):  # one is the test looking up the identity
        assert len(decide(placement, person, n=4)) == 4

"""Two customers who are one: reached on both devices, by the word of both."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import Consent, ContactPoint, Delivery, Recipient
from campaigns.services import consent, planning
from segmentation.models import Customer
from segmentation.services import people
from tests import storefront
from tests.campaigns import worlds

pytestmark = pytest.mark.django_db

NOW = worlds.NOW


@pytest.fixture
def two() -> list[Customer]:
    storefront.start_afresh()
    return worlds.make_people(2)


def launched(**fields) -> dict[int, tuple[str, str, int]]:
    """Who was planned: arm, reason and how many messages."""
    campaign = worlds.make_campaign(holdout_share=0.0, **fields)
    plan = planning.preview(campaign, timezone.now())
    launch = worlds.make_planned(campaign, now=timezone.now())
    assert plan.n_deliveries == launch.n_deliveries
    return {
        each.customer_id: (each.arm, each.reason, each.deliveries.count())
        for each in Recipient.objects.filter(launch=launch)
    }


def test_the_device_and_the_yes_of_the_one_who_went_in_count(two):
    kept, merged = two
    worlds.make_reachable([merged])
    merge = people.merge(kept, merged)
    assert launched() == {kept.pk: ("treated", "", 1)}
    people.unmerge(merge)
    assert launched() == {
        kept.pk: ("suppressed", "no_consent", 0),
        merged.pk: ("treated", "", 1),
    }


def test_both_devices_get_the_message_and_it_is_sent(two):
    kept, merged = two
    worlds.make_reachable(two)
    people.merge(kept, merged)
    assert launched() == {kept.pk: ("treated", "", 2)}
    points = Delivery.objects.values_list("contact_point__customer", flat=True)
    assert sorted(points) == [kept.pk, merged.pk]


def test_a_device_far_down_a_chain_of_merges_is_reached():
    storefront.start_afresh()
    a, b, c = worlds.make_people(3)
    worlds.make_reachable([a])
    people.merge(b, a)
    last = people.merge(c, b)
    assert launched() == {c.pk: ("treated", "", 1)}
    people.unmerge(last)
    assert launched()[b.pk] == ("treated", "", 1)


@pytest.mark.parametrize("who_said_no", ["kept", "merged"])
def test_of_two_words_the_withdrawal_wins_until_a_later_yes(two, who_said_no):
    kept, merged = two
    worlds.make_reachable(two)
    refuser = kept if who_said_no == "kept" else merged
    before = timezone.now() - timedelta(days=1)
    Consent.objects.filter(customer=refuser).update(granted=False, said_at=before)
    people.merge(kept, merged)
    assert launched() == {kept.pk: ("suppressed", "no_consent", 0)}
    consent.record(kept, "memory", "marketing", True, now=timezone.now())
    assert launched() == {kept.pk: ("treated", "", 2)}


def test_a_yes_of_before_the_merge_does_not_overrule_the_no_of_the_other(two):
    kept, merged = two
    worlds.make_reachable(two)
    Consent.objects.filter(customer=merged).update(granted=False)
    Consent.objects.filter(customer=kept).update(said_at=timezone.now())
    people.merge(kept, merged)
    assert launched() == {kept.pk: ("suppressed", "no_consent", 0)}


def test_messages_to_the_one_who_went_in_count_for_the_cap(two):
    kept, merged = two
    worlds.make_reachable(two)
    launched()
    now = timezone.now()
    own = Delivery.objects.filter(recipient__customer=merged)
    own.update(status=Delivery.Status.ACCEPTED, sent_at=now)
    people.merge(kept, merged)
    assert launched(cap_per_week=1) == {kept.pk: ("suppressed", "capped", 0)}
    assert ContactPoint.objects.count() == 2

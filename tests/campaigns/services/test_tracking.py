"""Signed links: they count once, lead only where they say, and end one day."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.models import Consent, Delivery, Outcome
from campaigns.services import placements, tracking
from campaigns.services.tracking import Use
from segmentation.models import Event, Kind, RefKind
from segmentation.services import access
from tests import storefront
from tests.campaigns import worlds

pytestmark = pytest.mark.django_db

NOW = worlds.NOW


@pytest.fixture(autouse=True)
def afresh() -> None:
    storefront.start_afresh()


@pytest.fixture
def delivery() -> Delivery:
    worlds.make_reachable(worlds.make_people(1))
    launch = worlds.make_planned(worlds.make_campaign(holdout_share=0.0))
    return launch.deliveries.get()


def token_of(url: str) -> str:
    return url.split("/", 5)[-1]


def test_a_link_says_again_what_was_put_into_it(delivery):
    links = tracking.Links(NOW)
    url = links.clicked(delivery.pk, "https://shop.example/ü?a=b", 7)
    link = tracking.read("c", token_of(url), now=NOW)
    assert link == tracking.Link(
        Use.CLICKED, delivery.pk, None, "https://shop.example/ü?a=b", 7
    )


def test_a_link_for_one_use_is_no_link_for_another(delivery):
    token = token_of(tracking.Links(NOW).dismissed(delivery.pk))
    assert tracking.read("d", token, now=NOW).delivery_id == delivery.pk
    for use in ("c", "u", "o", "i", "x", ""):
        with pytest.raises(tracking.BadLink):
            tracking.read(use, token, now=NOW)


def test_no_letter_of_a_link_can_be_changed(delivery):
    token = token_of(tracking.Links(NOW).clicked(delivery.pk, worlds.LINK))
    # The last character of base64 may have idle bits: it is tried by removal.
    for at in range(len(token)):
        other = "A" if token[at] != "A" else "B"
        forged = token[:at] + (other if at < len(token) - 1 else "") + token[at + 1 :]
        with pytest.raises(tracking.BadLink):
            tracking.read("c", forged, now=NOW)


def test_a_link_ends_when_its_time_is_over(delivery):
    token = token_of(tracking.Links(NOW).clicked(delivery.pk, worlds.LINK))
    last = NOW + tracking.LIFETIMES[Use.CLICKED]
    assert tracking.read("c", token, now=last)
    with pytest.raises(tracking.Expired):
        tracking.read("c", token, now=last + timedelta(seconds=1))


def test_a_link_outlives_a_new_secret_but_not_the_end_of_its_own(delivery):
    token = token_of(tracking.Links(NOW).clicked(delivery.pk, worlds.LINK))
    key_id = token.partition(".")[0]
    access.rotate_secret()
    assert (
        tracking.Links(NOW).clicked(1, "x").split("/")[-1].partition(".")[0] != key_id
    )
    assert tracking.read("c", token, now=NOW)
    access.retire_secret(key_id, now=NOW)
    with pytest.raises(tracking.BadLink):
        tracking.read("c", token, now=NOW)


def test_a_click_counts_once_and_is_an_event_of_the_person(delivery):
    link = tracking.Link(Use.CLICKED, delivery.pk, None, worlds.LINK, 42)
    assert tracking.count(link, now=NOW)
    assert not tracking.count(link, now=NOW)
    outcome = Outcome.objects.get()
    assert (outcome.kind, outcome.recipient_id) == ("clicked", delivery.recipient_id)
    event = Event.objects.get()
    assert event.kind == Kind.MESSAGE_CLICKED and event.item_id == 42
    assert (event.ref_kind, event.ref_id) == (RefKind.LAUNCH, delivery.launch_id)


def test_click_and_dismissal_of_one_message_count_apart(delivery):
    for use in (Use.CLICKED, Use.DISMISSED, Use.SHOWN):
        assert tracking.count(tracking.Link(use, delivery.pk), now=NOW)
    kinds = set(Outcome.objects.values_list("kind", flat=True))
    assert kinds == {"clicked", "dismissed", "delivered"}


@pytest.mark.django_db(transaction=True)
def test_eight_hits_at_once_count_once(delivery):
    link = tracking.Link(Use.CLICKED, delivery.pk, None, worlds.LINK)
    gate = threading.Barrier(8)

    def hit(_number: int) -> bool:
        try:
            gate.wait()
            return tracking.count(link, now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        counted = list(pool.map(hit, range(8)))
    assert sorted(counted) == [False] * 7 + [True]
    assert Outcome.objects.count() == 1
    assert Event.objects.count() == 1


def test_a_link_of_an_erased_person_counts_nothing(delivery):
    link = tracking.Link(Use.CLICKED, delivery.pk, None, worlds.LINK)
    Delivery.objects.all().delete()
    assert not tracking.count(link, now=NOW)


def test_unsubscribing_takes_the_consent_back(delivery):
    link = tracking.Link(Use.UNSUBSCRIBE, delivery.pk)
    assert tracking.unsubscribe(link, now=NOW)
    assert tracking.unsubscribe(link, now=NOW)
    said = Consent.objects.get()
    assert not said.granted and said.said_at == NOW
    assert Outcome.objects.get().kind == "unsubscribed"


def test_an_ad_is_shown_and_clicked_once_each():
    [person] = worlds.make_people(1)
    identity = person.identities.get()
    placement = worlds.make_placement()
    worlds.make_ad(placement)
    [slot] = placements.decide(
        placement, identity_id=identity.pk, customer_id=person.pk, now=NOW, n=1
    )
    for use, url in (("i", slot.impression_url), ("c", slot.click_url)):
        link = tracking.read(use, token_of(url), now=NOW)
        assert tracking.count(link, now=NOW)
        assert not tracking.count(link, now=NOW)
    kinds = set(Event.objects.values_list("kind", "identity_id", "ref_id"))
    assert kinds == {
        (Kind.AD_SHOWN, identity.pk, slot.ad.pk),
        (Kind.AD_CLICKED, identity.pk, slot.ad.pk),
    }

"""Consent and contact points: the last word, and whose browser it is."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from campaigns.channels import vapid
from campaigns.channels.base import BadAddress
from campaigns.models import Consent, ContactPoint
from campaigns.services import consent, contacts, keys
from tests.campaigns import worlds

NOW = worlds.NOW
MARKETING = Consent.Purpose.MARKETING


def say(person, granted: bool, at) -> Consent:
    return consent.record(person, "memory", MARKETING, granted, now=at)


@pytest.mark.django_db
def test_the_last_word_counts_whatever_comes_in_first():
    [person] = worlds.make_people(1)
    assert say(person, True, NOW).granted
    assert not say(person, False, NOW + timedelta(hours=1)).granted
    assert not say(person, True, NOW).granted  # it was said before
    assert Consent.objects.get().said_at == NOW + timedelta(hours=1)


@pytest.mark.django_db
def test_a_subscription_is_kept_once_and_moves_with_the_browser():
    one, two = worlds.make_people(2)
    address = {"target": "somewhere"}
    first = contacts.subscribe(one, "memory", address, now=NOW)
    assert contacts.subscribe(one, "memory", address, now=NOW) == first
    assert contacts.unsubscribe("memory", "somewhere")
    moved = contacts.subscribe(two, "memory", address, now=NOW)
    assert moved == first and moved.customer_id == two.pk and moved.is_active
    assert contacts.address_of(moved.address).target == "somewhere"
    assert not contacts.unsubscribe("memory", "elsewhere")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        {"endpoint": "https://127.0.0.1/x", "keys": {"p256dh": "a", "auth": "b"}},
        {"endpoint": "http://push.example/x", "keys": {}},
        {"endpoint": 7},
        {"endpoint": "https://push.example/x", "keys": {"p256dh": 1}},
        {},
    ],
)
def test_an_address_nothing_could_be_sent_to_is_refused(address):
    [person] = worlds.make_people(1)
    with pytest.raises(BadAddress):
        contacts.subscribe(person, "webpush", address, now=NOW)
    assert not ContactPoint.objects.exists()


def test_the_vapid_key_is_made_once_for_all_who_ask(settings, tmp_path):
    settings.STRATA_HOME, settings.VAPID_PRIVATE_KEY = tmp_path, ""
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _n: keys.vapid_private_key(), range(8)))
    assert len(made) == 1
    [path] = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.vapid_public_key() == vapid.public_key_of(made.pop())
    settings.VAPID_PRIVATE_KEY = vapid.generate_keys()[0]
    assert keys.vapid_private_key() == settings.VAPID_PRIVATE_KEY

"""A segment gets a real Web Push, answers it, and the answers come back as events."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.demo import push_service
from campaigns.models import Campaign, ContactPoint, Delivery, Launch
from campaigns.services import consent, contacts, keys, planning, results
from campaigns.tasks import run_launch, start_due_launches
from segmentation.models import Event, Kind
from tests import storefront
from tests.campaigns import worlds
from tests.processes import until


@pytest.fixture
def service(tmp_path: Path, settings):
    with push_service.running(tmp_path / "push") as running:
        settings.PUSH_TEST_ORIGINS = [running.origin]
        yield running


def subscribe(people, service) -> None:
    """Each customer's browser subscribes at the push service and tells us."""
    public = keys.vapid_public_key()
    given = service.subscribe([str(one.pk) for one in people], public)
    for one, subscription in zip(people, given, strict=True):
        contacts.subscribe(one, "webpush", subscription, now=timezone.now())
        consent.record(one, "webpush", "marketing", True, now=timezone.now())


def delivered(service) -> list[dict]:
    return [json.loads(row) for row in service._messages if row is not None]


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[-1]


@pytest.mark.django_db(transaction=True)
def test_from_a_segment_to_a_push_to_a_click_to_a_verdict(service):
    storefront.start_afresh()
    items = worlds.make_items(5)
    people = worlds.make_people(40)
    storefront.make_live("discover", {one.pk: items[:3] for one in people})
    segment = storefront.make_segment("runners", *people[:32], size=32)
    subscribe(people[:30], service)
    gone = ContactPoint.objects.get(customer=people[0])
    service.unsubscribe(gone.address.split("/push/")[1].split('"')[0])

    campaign = worlds.make_campaign(
        channel="webpush",
        to_everyone=False,
        n_products=3,
        variant={"title": "New: {{ recommendations.0.title }}"},
    )
    campaign.segments.add(segment)
    planning.schedule(campaign, timezone.now(), actor=None)
    start_due_launches()
    launch = Launch.objects.get()
    run_launch(launch.pk)

    launch.refresh_from_db()
    assert launch.status == "done"
    assert launch.n_audience == 32 and launch.n_suppressed["no_consent"] == 2
    sent = {status: n for status, n in _statuses(launch).items() if n}
    gone.refresh_from_db()
    n_gone = sent.get("gone", 0)
    assert gone.is_active == (n_gone == 0)
    assert sent.get("accepted", 0) + n_gone == launch.n_deliveries

    messages = delivered(service)
    assert len(messages) == sent["accepted"]
    treated = launch.recipients.filter(arm="treated")
    assert {int(row["device"]) for row in messages} <= set(
        treated.values_list("customer_id", flat=True)
    )
    payload = messages[0]["payload"]
    assert payload["title"] == "New: Item 0" and len(payload["items"]) == 3
    assert messages[0]["topic"] == payload["tag"]

    browser = Client()
    for row in messages[:5]:
        url = row["payload"]["items"][0]["url"]
        assert browser.get(path_of(url))["Location"] == items[0].url
        buyer = next(one for one in people if str(one.pk) == row["device"])
        worlds.buy(buyer, items[0], at=timezone.now() + timedelta(minutes=5))
    assert Event.objects.filter(kind=Kind.MESSAGE_CLICKED, item_id=items[0].pk).count()

    found = results.report(campaign, timezone.now() + timedelta(days=9))
    assert found.funnel["clicked"] == 5
    assert found.attribution.n_orders == 5
    assert found.arms[0].buyers == 5 and found.arms[1].buyers == 0
    assert Campaign.objects.get().status == "completed"


@pytest.mark.django_db(transaction=True)
def test_a_message_sent_twice_replaces_itself(service):
    storefront.start_afresh()
    people = worlds.make_people(3)
    subscribe(people, service)
    campaign = worlds.make_campaign(channel="webpush", holdout_share=0.0)
    launch = worlds.make_planned(campaign)
    run_launch(launch.pk)
    # As if the sender had died before it could write the answers down.
    Delivery.objects.update(status="sending")
    Campaign.objects.update(status="running")
    Launch.objects.update(status="queued")
    run_launch(launch.pk)
    messages = delivered(service)
    assert len(messages) == 3  # the first copies were replaced unread
    assert all(row["copy"] for row in messages)
    assert set(Delivery.objects.values_list("copies_possible", flat=True)) == {1}
    assert Event.objects.filter(kind=Kind.MESSAGE_ACCEPTED).count() == 3


@pytest.mark.slow
def test_a_sender_killed_in_the_middle_loses_nothing_and_repeats_nothing(
    started, service
):
    storefront.start_afresh()
    people = worlds.make_people(3000)
    subscribe(people, service)
    campaign = worlds.make_campaign(channel="webpush")
    launch = worlds.make_planned(campaign)
    n = launch.deliveries.count()
    undisturbed = sorted(launch.deliveries.values_list("contact_point_id", flat=True))

    sender = started.program(
        sys.executable,
        "-c",
        SENDER,
        PUSH_TEST_ORIGINS=service.origin,
        DJANGO_SETTINGS_MODULE="recsys_project.settings",
        LAUNCH=str(launch.pk),
    )
    until(lambda: n * 0.05 < _accepted(launch), of=sender)
    sender.kill()
    assert _accepted(launch) < n * 0.95  # struck inside the work
    launch.refresh_from_db()
    assert launch.status == Launch.Status.RUNNING
    left = _statuses(launch)
    assert left["sending"] > 0

    long_ago = timezone.now() - timedelta(minutes=1)
    Launch.objects.filter(pk=launch.pk).update(lease_until=long_ago)
    run_launch(launch.pk)
    assert _statuses(launch) == {"accepted": n}
    ended = launch.deliveries.order_by("contact_point_id")
    assert list(ended.values_list("contact_point_id", flat=True)) == undisturbed
    # What may have gone out twice is what was on the wire, and nobody can see it.
    assert launch.deliveries.filter(copies_possible=1).count() == left["sending"]
    devices = [row["device"] for row in delivered(service)]
    assert len(devices) == len(set(devices)) == n
    assert Event.objects.filter(kind=Kind.MESSAGE_ACCEPTED).count() == n


SENDER = """
import os, django
django.setup()
from campaigns.tasks import run_launch
run_launch(int(os.environ["LAUNCH"]))
"""


def _accepted(launch: Launch) -> int:
    return launch.deliveries.filter(status="accepted").count()


def _statuses(launch: Launch) -> dict[str, int]:
    found: dict[str, int] = {}
    for status in launch.deliveries.values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found

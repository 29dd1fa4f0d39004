"""A sender that is paused, cancelled or killed forgets nothing, and sends it once."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.channels import memory
from campaigns.channels.base import Outcome, Receipt, Session
from campaigns.models import Campaign, ContactPoint, Delivery, Launch
from campaigns.services import planning, sending
from segmentation.models import Event, Kind
from segmentation.services import jobs
from tests import storefront
from tests.campaigns import worlds
from tests.campaigns.services.test_sending import (
    Scripted,
    ScriptedSession,
    first_target,
    send,
    statuses,
)

pytestmark = pytest.mark.django_db

Status = Delivery.Status


@pytest.fixture(autouse=True)
def afresh() -> None:
    storefront.start_afresh()
    memory.outbox.clear()


@pytest.fixture
def launch() -> Launch:
    """Twenty planned messages, nobody held out."""
    worlds.make_reachable(worlds.make_people(20))
    return worlds.make_planned(worlds.make_campaign(holdout_share=0.0))


def test_a_message_that_is_too_late_is_not_sent(launch):
    late = timezone.now() + timedelta(seconds=launch.campaign.ttl_seconds + 1)
    send(launch, clock=lambda: late)
    assert statuses(launch) == {"failed": 20}
    assert memory.outbox == []


def test_a_paused_campaign_waits_and_goes_on_where_it_stopped(launch):
    Campaign.objects.update(status="paused")
    sending.run(launch)
    launch.refresh_from_db()
    assert launch.status == Launch.Status.DRAFT
    assert statuses(launch) == {"planned": 20}
    assert jobs.sweep(timezone.now()) == []  # nobody is asked while it is paused
    [waiting] = planning.resume(Campaign.objects.get(), actor=None)
    assert jobs.sweep(timezone.now()) == [waiting]
    sending.run(Launch.objects.get(pk=waiting.pk))
    assert statuses(launch) == {"accepted": 20}


class Slow(Scripted):
    """Takes its time, and calls somebody when the first message is on the wire."""

    def __init__(self, then, *, seconds: float = 0.4) -> None:
        super().__init__([])
        self.then = then
        self.seconds = seconds

    def session(self) -> Session:
        return SlowSession(self)


class SlowSession(ScriptedSession):
    async def send(self, address, message) -> Receipt:
        import asyncio

        if not self.channel.calls:
            thread = threading.Thread(target=self.channel.then)
            thread.start()
        self.channel.calls.append((address.target, message.collapse_key))
        await asyncio.sleep(self.channel.seconds)
        return Receipt(Outcome.ACCEPTED, 201)


def in_a_thread(change):
    from django.db import connection

    def run() -> None:
        try:
            change()
        finally:
            connection.close()

    return run


@pytest.mark.django_db(transaction=True)
def test_a_pause_takes_hold_within_seconds_and_forgets_nothing(launch):
    campaign = launch.campaign
    channel = Slow(in_a_thread(lambda: planning.pause(campaign, actor=None)))
    began = time.monotonic()
    with pytest.raises(jobs.GivenBack):
        send(launch, channel, connections=2)
    assert time.monotonic() - began < 5
    assert 2 <= len(channel.calls) < 20
    assert statuses(launch) == {
        "accepted": len(channel.calls),
        "planned": 20 - len(channel.calls),
    }
    assert launch.deliveries.filter(status="planned", attempts__gt=0).count() == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_pause_amid_many_answers_loses_none_of_them():
    worlds.make_reachable(worlds.make_people(200))
    launch = worlds.make_planned(worlds.make_campaign(holdout_share=0.0))
    pause = in_a_thread(lambda: planning.pause(launch.campaign, actor=None))
    channel = Slow(pause, seconds=0.03)
    began = time.monotonic()
    with pytest.raises(jobs.GivenBack):
        send(launch, channel, connections=4)
    assert time.monotonic() - began < 10  # it waits for no answer that it has had
    n_sent = len(channel.calls)
    assert statuses(launch) == {"accepted": n_sent, "planned": 200 - n_sent}


@pytest.mark.django_db(transaction=True)
def test_cancelling_stops_the_rest_and_says_so(launch):
    campaign = launch.campaign
    channel = Slow(in_a_thread(lambda: planning.cancel(campaign, actor=None)))
    with pytest.raises(jobs.Cancelled):
        send(launch, channel, connections=2)
    launch.refresh_from_db()
    assert launch.status == Launch.Status.CANCELLED
    n_sent = len(channel.calls)
    assert statuses(launch) == {"accepted": n_sent, "cancelled": 20 - n_sent}


def test_a_sender_that_lost_its_lease_writes_nothing_more(launch):
    channel = Slow(lambda: None)

    def steal() -> None:
        Launch.objects.filter(pk=launch.pk).update(fence=99)

    with pytest.raises(jobs.LostLease), jobs.hold(launch) as held:
        ledger = sending.Ledger(launch, held, channel, timezone.now, needs_name=False)
        claimed = ledger.turn([], 5)
        steal()
        ledger.turn([(claimed[0].id, Receipt(Outcome.ACCEPTED, 201))], 5)
    assert statuses(launch) == {"planned": 15, "sending": 5}
    assert not Event.objects.filter(kind=Kind.MESSAGE_ACCEPTED).exists()


def test_one_broken_address_does_not_stop_the_others(launch):
    delivery, _target = first_target(launch)
    point = ContactPoint.objects.get(pk=delivery.contact_point_id)
    point.address = '{"nothing": 1}'
    point.save()
    sending.run(launch)
    delivery.refresh_from_db()
    assert delivery.status == Status.FAILED
    assert statuses(launch) == {"accepted": 19, "failed": 1}


@pytest.mark.django_db(transaction=True)
def test_a_launch_that_is_given_back_is_no_lost_lease_in_the_log(launch, caplog):
    with pytest.raises(jobs.GivenBack), jobs.hold(launch) as held:
        held.give_back("")
    launch.refresh_from_db()
    assert launch.status == "queued"
    assert caplog.text == ""

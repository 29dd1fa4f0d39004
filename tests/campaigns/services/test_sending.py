"""From the plan to the wire: everything ends, nothing twice that a person could see."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.channels import memory
from campaigns.channels.base import Outcome, Receipt, Session, collapse_key
from campaigns.models import Campaign, Consent, ContactPoint, Delivery, Launch
from campaigns.services import planning, sending
from segmentation.models import Event, Kind, Notice, RefKind
from segmentation.services import jobs
from tests import storefront
from tests.campaigns import worlds

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


class Scripted(memory.Memory):
    """Answers each target with the next receipt of its script, then accepts."""

    def __init__(self, script: dict[str, list[Receipt]] | list[Receipt]) -> None:
        super().__init__()
        self.script = script
        self.calls: list[tuple[str, str]] = []

    def session(self) -> Session:
        return ScriptedSession(self)


class ScriptedSession(Session):
    def __init__(self, channel: Scripted) -> None:
        self.channel = channel

    async def send(self, address, message) -> Receipt:
        channel = self.channel
        channel.calls.append((address.target, message.collapse_key))
        script = channel.script
        answers = script if isinstance(script, list) else script.get(address.target)
        if answers:
            return answers.pop(0)
        return Receipt(Outcome.ACCEPTED, 201, "id")


def send(launch: Launch, channel=None, **options) -> None:
    options.setdefault("clock", timezone.now)
    with jobs.hold(launch) as held:
        sending.send(launch, held, channel=channel, **options)


def statuses(launch: Launch) -> dict[str, int]:
    counts: dict[str, int] = {}
    for status in launch.deliveries.values_list("status", flat=True):
        counts[status] = counts.get(status, 0) + 1
    return counts


def first_target(launch: Launch) -> tuple[Delivery, str]:
    delivery = launch.deliveries.order_by("pk").first()
    return delivery, f"{delivery.recipient.customer_id}/0"


def test_every_message_is_sent_once_and_the_campaign_is_completed(launch):
    sending.run(launch)
    launch.refresh_from_db()
    assert statuses(launch) == {"accepted": 20}
    assert launch.status == Launch.Status.DONE
    assert launch.progress_done == launch.progress_total == 20
    assert Campaign.objects.get().status == "completed"
    assert len({sent.address.target for sent in memory.outbox}) == 20
    delivery = launch.deliveries.first()
    assert delivery.attempts == 1 and delivery.copies_possible == 0
    assert delivery.provider_id.startswith("memory:")
    assert delivery.contact_point.last_accepted_at == delivery.sent_at


def test_what_was_accepted_is_an_event_of_the_customer(launch):
    sending.run(launch)
    found = Event.objects.filter(kind=Kind.MESSAGE_ACCEPTED)
    assert found.count() == 20
    assert set(found.values_list("ref_kind", "ref_id")) == {(RefKind.LAUNCH, launch.pk)}


def test_the_message_holds_products_and_signed_links():
    items = worlds.make_items(3)
    [person] = worlds.make_people(1)
    person.name = "Ada"
    person.save()
    worlds.make_reachable([person])
    storefront.make_live("discover", {person.pk: items})
    variant = {
        "title": "{{ customer.name }}: {{ recommendations.0.title }}",
        "body": "and {{ recommendations.1.title|upper }} & more",
    }
    campaign = worlds.make_campaign(n_products=3, holdout_share=0.0, variant=variant)
    sending.run(worlds.make_planned(campaign))
    [sent] = memory.outbox
    payload = sent.message.payload
    assert payload["title"] == "Ada: Item 0"
    assert payload["body"] == "and ITEM 1 & more"
    assert [item["item_id"] for item in payload["items"]] == ["i0", "i1", "i2"]
    assert payload["tag"] == sent.message.collapse_key
    for url in (payload["url"], payload["items"][0]["url"]):
        assert url.startswith("http://127.0.0.1:8000/t/c/")


def test_a_message_too_large_for_the_channel_is_shortened():
    items = worlds.make_items(10)
    for item in items:
        item.title, item.image = "ü" * 80, "https://shop.example/" + "i" * 300
        item.save()
    [person] = worlds.make_people(1)
    worlds.make_reachable([person])
    storefront.make_live("discover", {person.pk: items})
    variant = {"body": "long " * 100}
    campaign = worlds.make_campaign(n_products=10, holdout_share=0.0, variant=variant)
    sending.run(worlds.make_planned(campaign))
    [sent] = memory.outbox
    assert len(sent.message.body()) <= 4096
    assert 1 <= len(sent.message.payload["items"]) < 10
    assert sent.message.payload["title"] == "For you"


def test_a_consent_withdrawn_after_planning_stops_the_delivery(launch):
    delivery, target = first_target(launch)
    Consent.objects.filter(customer=delivery.recipient.customer_id).update(
        granted=False
    )
    sending.run(launch)
    delivery.refresh_from_db()
    assert delivery.status == Status.CANCELLED and "consent" in delivery.reason
    assert delivery.recipient.arm == "treated"  # the arm never changes
    assert target not in {sent.address.target for sent in memory.outbox}
    assert statuses(launch) == {"accepted": 19, "cancelled": 1}


def test_an_address_switched_off_after_planning_is_not_written_to(launch):
    delivery, _target = first_target(launch)
    ContactPoint.objects.filter(pk=delivery.contact_point_id).update(is_active=False)
    sending.run(launch)
    delivery.refresh_from_db()
    assert delivery.status == Status.CANCELLED and "address" in delivery.reason


def test_a_browser_that_is_somebody_elses_by_now_does_not_get_the_message(launch):
    delivery, target = first_target(launch)
    other = launch.recipients.exclude(pk=delivery.recipient_id).first()
    point = ContactPoint.objects.filter(pk=delivery.contact_point_id)
    point.update(customer=other.customer_id)
    sending.run(launch)
    delivery.refresh_from_db()
    assert delivery.status == Status.CANCELLED and "else" in delivery.reason
    assert target not in {sent.address.target for sent in memory.outbox}


def test_two_launches_that_were_planned_side_by_side_keep_the_weekly_cap():
    worlds.make_reachable(worlds.make_people(3), devices=2)
    fields = {"holdout_share": 0.0, "cap_per_week": 1}
    first, second = (
        worlds.make_planned(worlds.make_campaign(name=name, **fields)) for name in "ab"
    )
    sending.run(first)
    sending.run(second)
    assert statuses(first) == {"accepted": 6}  # two devices, one message
    assert statuses(second) == {"cancelled": 6}
    assert "cap" in second.deliveries.first().reason
    assert {row.arm for row in second.recipients.all()} == {"treated"}


@pytest.mark.parametrize(
    ("receipt", "status", "is_active"),
    [
        (Receipt(Outcome.GONE, 410), Status.GONE, False),
        (Receipt(Outcome.REJECTED, 400, sample="bad"), Status.FAILED, True),
        (Receipt(Outcome.TOO_LARGE, 413), Status.FAILED, True),
        (Receipt(Outcome.UNUSABLE, sample="private"), Status.FAILED, True),
    ],
)
def test_an_answer_that_is_final_ends_one_message_only(
    launch, receipt, status, is_active
):
    delivery, target = first_target(launch)
    send(launch, Scripted({target: [receipt]}))
    delivery.refresh_from_db()
    assert delivery.status == status
    assert delivery.http_status == receipt.status
    assert delivery.contact_point.is_active is is_active
    assert statuses(launch)["accepted"] == 19


def test_a_message_is_tried_again_when_the_service_says_later(launch):
    delivery, target = first_target(launch)
    later = Receipt(Outcome.RETRY, 503, retry_after=0.2)
    channel = Scripted({target: [later, later]})
    send(launch, channel)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == (Status.ACCEPTED, 3)
    assert delivery.copies_possible == 0
    assert [call[0] for call in channel.calls].count(target) == 3


def test_five_attempts_are_enough(launch):
    delivery, target = first_target(launch)
    never = [Receipt(Outcome.RETRY, 503, retry_after=0.05, sample="down")] * 9
    channel = Scripted({target: never})
    send(launch, channel)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == (Status.FAILED, 5)
    assert "503" in delivery.reason and "down" in delivery.reason


def test_being_slowed_down_costs_no_attempt(launch):
    slow = [Receipt(Outcome.RATE_LIMITED, 429, retry_after=0.3) for _ in range(20)]
    channel = Scripted(slow)
    send(launch, channel, connections=4)
    assert statuses(launch) == {"accepted": 20}
    assert set(launch.deliveries.values_list("attempts", flat=True)) == {1}


def test_a_long_wait_gives_the_worker_back(launch):
    delivery, target = first_target(launch)
    wait = Receipt(Outcome.RETRY, 503, retry_after=3600)
    with pytest.raises(jobs.GivenBack):
        send(launch, Scripted({target: [wait]}))
    launch.refresh_from_db()
    assert launch.status == Launch.Status.QUEUED
    assert statuses(launch) == {"accepted": 19, "retry": 1}
    assert jobs.sweep(timezone.now()) == []
    assert jobs.sweep(timezone.now() + timedelta(hours=1, seconds=5)) == [launch]


def test_what_was_on_the_wire_when_a_sender_died_is_sent_under_the_same_topic(launch):
    channel = Scripted([])
    delivery, target = first_target(launch)
    # As a kill leaves it: claimed and committed, no answer written.
    Delivery.objects.filter(pk=delivery.pk).update(status=Status.SENDING, attempts=1)
    send(launch, channel)
    delivery.refresh_from_db()
    topics = dict(channel.calls)
    assert delivery.status == Status.ACCEPTED
    assert (delivery.attempts, delivery.copies_possible) == (2, 1)
    assert topics[target] == collapse_key(launch.pk, delivery.recipient.customer_id)


def test_an_answer_that_never_came_is_a_copy_at_most_twice(launch):
    delivery, target = first_target(launch)
    lost = [Receipt(Outcome.UNKNOWN, retry_after=0.05) for _ in range(5)]
    channel = Scripted({target: lost})
    send(launch, channel)
    delivery.refresh_from_db()
    sent = [topic for to, topic in channel.calls if to == target]
    assert len(sent) == 3 and len(set(sent)) == 1
    assert (delivery.status, delivery.copies_possible) == (Status.FAILED, 2)


def test_a_copy_that_was_taken_back_before_the_wire_is_not_counted(launch):
    Delivery.objects.update(status=Status.UNKNOWN, attempts=1)
    with pytest.raises(jobs.GivenBack), jobs.hold(launch) as held:
        channel = Scripted([])
        ledger = sending.Ledger(launch, held, channel, timezone.now, needs_name=False)
        for _turn in range(3):
            ledger.put_back([row.id for row in ledger.turn([], 20)])
        held.give_back("")
    send(launch, Scripted([]))
    counted = launch.deliveries.values_list("attempts", "copies_possible")
    assert set(counted) == {(2, 1)}


def test_a_channel_that_cannot_replace_sends_no_second_copy(launch):
    class Plain(Scripted):
        collapses = False

    delivery, target = first_target(launch)
    Delivery.objects.filter(pk=delivery.pk).update(status=Status.SENDING)
    channel = Plain({})
    send(launch, channel)
    delivery.refresh_from_db()
    assert delivery.status == Status.FAILED and "knows" in delivery.reason
    assert target not in dict(channel.calls)


def test_refused_credentials_stop_everything_with_a_sentence_and_resume_goes_on(launch):
    refused = Receipt(Outcome.CREDENTIALS, 403, origin="https://push.example")
    with pytest.raises(jobs.Refused, match="https://push.example does not accept"):
        send(launch, Scripted([refused] * 20), connections=2)
    launch.refresh_from_db()
    assert launch.status == Launch.Status.FAILED
    assert statuses(launch)["planned"] >= 1
    assert "sending" not in statuses(launch)
    assert ContactPoint.objects.filter(is_active=False).count() == 0
    assert Notice.objects.get().level == "error"
    [waiting] = planning.resume(launch.campaign, actor=None)
    sending.run(Launch.objects.get(pk=waiting.pk))
    assert statuses(launch) == {"accepted": 20}
    assert set(launch.deliveries.values_list("attempts", flat=True)) == {1}


@pytest.mark.parametrize("origin", ["memory:", "https://evil.example"])
def test_one_browser_that_refuses_our_key_stops_nobody_else(launch, origin):
    """It was subscribed with an older key, or its service is somebody's own."""
    delivery, target = first_target(launch)
    point = ContactPoint.objects.filter(pk=delivery.contact_point_id)
    point.update(origin=origin)
    refused = Receipt(Outcome.CREDENTIALS, 403, retry_after=0.05, origin=origin)
    send(launch, Scripted({target: [refused] * 9}), connections=1)
    delivery.refresh_from_db()
    assert delivery.status == Status.FAILED and "403" in delivery.reason
    assert statuses(launch) == {"accepted": 19, "failed": 1}
    assert launch.campaign.launches.get().status == Launch.Status.DONE


def test_a_service_that_refuses_our_key_waits_while_the_others_are_served():
    worlds.make_reachable(worlds.make_people(60))
    launch = worlds.make_planned(worlds.make_campaign(holdout_share=0.0))
    half = launch.deliveries.order_by("pk")[:30].values("contact_point")
    ContactPoint.objects.filter(pk__in=half).update(origin="https://push.example")
    targets = launch.deliveries.filter(contact_point__in=half).values_list(
        "recipient__customer", flat=True
    )
    refused = Receipt(
        Outcome.CREDENTIALS, 403, retry_after=60.0, origin="https://push.example"
    )
    channel = Scripted({f"{pk}/0": [refused] * 9 for pk in targets})
    with pytest.raises(jobs.Refused, match="https://push.example does not accept"):
        send(launch, channel, connections=2)
    assert statuses(launch)["accepted"] == 30
    planning.resume(launch.campaign, actor=None)
    sending.run(Launch.objects.get())
    assert statuses(launch) == {"accepted": 60}
    assert set(launch.deliveries.values_list("attempts", flat=True)) == {1}


def test_a_launch_that_almost_nobody_accepted_is_told_to_operators(launch):
    refused = [Receipt(Outcome.REJECTED, 400, sample="bad")] * 19
    send(launch, Scripted(refused))
    launch.refresh_from_db()
    assert launch.status == "done"
    notice = Notice.objects.get()
    assert "1 of 20" in notice.text and "19 ×" in notice.text


def test_a_launch_that_most_accepted_raises_no_notice(launch):
    send(launch, Scripted([Receipt(Outcome.REJECTED, 400)] * 3))
    assert not Notice.objects.exists()

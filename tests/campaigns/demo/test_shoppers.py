"""Simulated shoppers: the same answer to the same delivery, and the stated truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from campaigns.demo import push_service, shoppers, story
from campaigns.demo.shoppers import Devices, Habits, Shoppers

HOUSEHOLDS = [str(number) for number in range(20_000)]


def crowd(seed: int = 1, **habits: float) -> Shoppers:
    return Shoppers(
        HOUSEHOLDS,
        shop_url="http://shop",
        api_key="key",
        seed=seed,
        usual_item="bananas",
        habits=Habits(**habits),
    )


def share(answers) -> float:
    return sum(answers) / len(HOUSEHOLDS)


def test_the_true_effect_is_what_clicking_adds_to_those_who_click():
    assert Habits().true_effect == pytest.approx(0.12)
    assert Habits(clicking_adds=0.0).true_effect == 0


def test_the_same_household_answers_the_same_for_ever():
    first, second = crowd(), crowd()
    assert first.chance("7", "launch-1", "buys") == 0.9791823250759994
    for household in HOUSEHOLDS[:100]:
        assert first.clicks(household, "a") == second.clicks(household, "a")


def test_other_seeds_occasions_and_questions_are_other_draws():
    one = crowd()
    draws = {
        one.chance("7", "launch-1", "buys"),
        one.chance("7", "launch-1", "clicks"),
        one.chance("7", "launch-2", "buys"),
        one.chance("8", "launch-1", "buys"),
        crowd(2).chance("7", "launch-1", "buys"),
    }
    assert len(draws) == 5


def test_a_crowd_buys_and_clicks_as_often_as_its_habits_say():
    some = crowd(buys=0.1, clicks=0.3, clicking_adds=0.4)
    # Five standard errors of the widest share are 0.018.
    assert share(some.clicks(h, "x") for h in HOUSEHOLDS) == pytest.approx(
        0.3, abs=0.018
    )
    for has_clicked, expected in ((False, 0.1), (True, 0.5)):
        bought = [some.buys(h, "x", has_clicked=has_clicked) for h in HOUSEHOLDS]
        assert share(bought) == pytest.approx(expected, abs=0.018)


def test_clicking_takes_nobody_away_who_would_have_bought():
    some = crowd()
    for household in HOUSEHOLDS[:500]:
        if some.buys(household, "x", has_clicked=False):
            assert some.buys(household, "x", has_clicked=True)


@pytest.fixture
def service(tmp_path: Path):
    with push_service.running(tmp_path / "push") as running:
        yield running


def deliver(service, agent: str, launch: int, text: str, topic: str = "") -> None:
    """As if a push had been decrypted."""
    service._store(service._by_device[agent, ""], topic, {"launch": launch, "t": text})


def texts(devices: Devices, launch: int) -> list[str]:
    return [row["payload"]["t"] for row in devices.messages_of(launch)]


def test_devices_keep_what_arrived_apart_by_launch(service, tmp_path):
    service.subscribe(["a", "b"], "")
    devices = Devices(service.origin, tmp_path / "messages.jsonl")
    deliver(service, "a", 1, "first")
    devices.collect()
    deliver(service, "b", 1, "second")
    deliver(service, "a", 2, "other")
    devices.collect()
    devices.collect()  # nothing new: nothing is read twice
    assert texts(devices, 1) == ["first", "second"]
    assert texts(devices, 2) == ["other"]
    assert (
        len([row for row in (tmp_path / "messages.jsonl").open() if row.strip()]) == 3
    )


def test_of_two_copies_a_device_shows_the_newer(service, tmp_path):
    service.subscribe(["a"], "")
    devices = Devices(service.origin, tmp_path / "messages.jsonl")
    for text in ("old", "new"):
        deliver(service, "a", 1, text, topic="t")
        devices.collect()
    assert texts(devices, 1) == ["new"]
    assert devices.faults()["copies"] == 1


def test_devices_outlive_the_push_service_and_a_killed_demo(tmp_path):
    path = tmp_path / "messages.jsonl"
    with push_service.running(tmp_path / "push") as first:
        first.subscribe(["a", "b", "c"], "")
        deliver(first, "a", 1, "before")
        deliver(first, "b", 1, "before too")
        devices = Devices(first.origin, path)
        devices.collect()
        port = int(first.origin.rpartition(":")[2])
    with path.open("a") as file:
        file.write(json.dumps({"payload": {"launch": 1, "t": "cut off"}})[:20])
    with push_service.running(tmp_path / "push", port=port) as second:
        deliver(second, "c", 1, "after")
        devices.collect()  # its count began anew: below what was read
        assert texts(Devices(second.origin, path), 1) == [
            "before",
            "before too",
            "after",
        ]


def test_the_story_stops_at_a_call_that_failed():
    story._refuse_errors(shoppers.Answers(clicked=3))
    with pytest.raises(story.Unfinished, match=r"2 calls .* a click got 404"):
        story._refuse_errors(shoppers.Answers(errors=["a click got 404", "another"]))

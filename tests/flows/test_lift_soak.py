"""Over many seeds the report covers the truth as often as it says. `make soak`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from scipy import stats as distributions

from campaigns.demo.shoppers import Habits, Shoppers
from campaigns.engine import assignment, stats
from campaigns.models import Campaign
from campaigns.services import results
from campaigns.tasks import run_launch
from segmentation.models import Event, Identity, Kind
from segmentation.services import events
from tests import processes
from tests.campaigns import worlds

TABLE = processes.ROOT / "var" / "soak" / "lift.md"
SEEDS = range(200)
N_ELIGIBLE = 2154  # as many as the demo's large campaign could reach
HOLDOUT = 0.25
EFFECTS = {"as in the demo": 0.40, "none": 0.0}  # what clicking adds


@dataclass
class Reading:
    low: float
    high: float
    is_srm_alarm: bool


def shoppers(seed: int, adds: float) -> Shoppers:
    habits = Habits(clicking_adds=adds)
    nobody = {"shop_url": "", "api_key": "", "usual_item": ""}
    return Shoppers([], seed=seed, habits=habits, **nobody)


def bought(crowd: Shoppers, household: str, occasion: str, *, is_treated: bool) -> bool:
    has_clicked = is_treated and crowd.clicks(household, occasion)
    return crowd.buys(household, occasion, has_clicked=has_clicked)


def read(seed: int, adds: float) -> Reading:
    """One campaign: the draw and the shoppers as in the demo, the arms as reported."""
    crowd = shoppers(seed, adds)
    buckets = assignment.bucket(np.arange(N_ELIGIBLE), f"soak-{seed}")
    treated = assignment.assign(buckets, HOLDOUT, [1.0]) != assignment.HELD_OUT
    bought_by = np.array(
        [
            bought(crowd, str(number), "launch-1", is_treated=bool(arm))
            for number, arm in enumerate(treated)
        ]
    )
    arms = [
        stats.Arm.proportion(int(bought_by[who].sum()), int(who.sum()))
        for who in (~treated, treated)
    ]
    lift = stats.compare(*arms)
    srm = stats.srm([arms[1].n, arms[0].n], [1 - HOLDOUT, HOLDOUT])
    assert lift.low is not None and lift.high is not None
    return Reading(lift.low, lift.high, srm.alarm)


@pytest.mark.soak
def test_over_200_seeds_the_interval_covers_as_often_as_it_says():
    lines = []
    for name, adds in EFFECTS.items():
        truth = Habits(clicking_adds=adds).true_effect
        readings = [read(seed, adds) for seed in SEEDS]
        covered = sum(one.low <= truth <= one.high for one in readings)
        found = sum(one.low > 0 or one.high < 0 for one in readings)
        alarms = sum(one.is_srm_alarm for one in readings)
        lines.append((name, truth, len(readings), covered, found, alarms))
        # All but one run in a thousand of an honest 95 % interval are within this.
        low, high = distributions.binom.interval(0.999, len(readings), 0.95)
        assert low <= covered <= high
        assert alarms <= distributions.binom.ppf(0.9999, len(readings), 0.001)
        if truth:
            assert found == len(
                readings
            )  # 12 points cannot be missed by so many people
        else:
            assert found == len(readings) - covered
    write_table(lines)


def write_table(lines: list[tuple]) -> None:
    """For docs/soak.md, where somebody commits it with its date."""
    heads = ("true effect", "seeds", "covered", "excludes 0", "SRM alarms")
    rows = [heads, ("---",) * len(heads)]
    for name, truth, n, covered, found, alarms in lines:
        share = f"{covered} ({covered / n:.1%})"
        rows.append((f"{truth:+.2f} ({name})", n, share, found, alarms))
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text("".join(f"| {' | '.join(map(str, row))} |\n" for row in rows))


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("adds", EFFECTS.values(), ids=list(EFFECTS))
def test_ten_seeds_through_every_row_read_the_same(adds):
    people = worlds.make_people(400)
    worlds.make_reachable(people)
    names = dict(
        Identity.objects.filter(customer__in=people).values_list("customer_id", "pk")
    )
    covered = 0
    for seed in SEEDS[:10]:
        crowd = shoppers(seed, adds)
        Event.objects.filter(kind=Kind.PURCHASE).delete()
        campaign = worlds.make_campaign(
            name=f"seed {seed}", salt=f"soak-{seed}", holdout_share=HOLDOUT
        )
        launch = worlds.make_launch(campaign)
        run_launch(launch.pk)
        arrived = set(
            launch.deliveries.filter(status="accepted").values_list(
                "recipient__customer_id", flat=True
            )
        )
        buyers = [
            one.pk
            for one in people
            if bought(crowd, str(one.pk), "x", is_treated=one.pk in arrived)
        ]
        now = timezone.now()
        events.append(
            [
                events.KnownEvent(
                    identity_id=names[pk],
                    kind=Kind.PURCHASE,
                    occurred_at=now,
                    event_id=f"soak-{seed}-{pk}",
                    amount=5.0,
                )
                for pk in buyers
            ]
        )
        covered += check(campaign, arrived, set(buyers), Habits(clicking_adds=adds))
    assert covered >= 7  # of ten: fewer happen once in ten thousand soaks


def check(campaign: Campaign, arrived: set[int], buyers: set[int], habits: Habits):
    """The report's arms are what the shoppers did; whether it covers the truth."""
    report = results.report(campaign, timezone.now() + timedelta(days=9))
    treated, held_out = report.arms
    assert treated.n == len(arrived) and treated.buyers == len(buyers & arrived)
    assert held_out.n == 400 - len(arrived)
    assert held_out.buyers == len(buyers - arrived)
    primary = next(each for each in report.comparisons if each.is_primary)
    control, test = (
        stats.Arm.proportion(arm.buyers, arm.n) for arm in (held_out, treated)
    )
    lift = stats.compare(control, test)
    assert (primary.low, primary.high) == (lift.low, lift.high)
    assert report.srm is not None and not report.srm["alarm"]
    assert json.dumps(report.as_dict())
    return primary.low <= habits.true_effect <= primary.high

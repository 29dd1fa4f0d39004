"""The verdict, against numbers worked out by hand."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from campaigns.engine import stats
from campaigns.models import Campaign, Decision, Delivery, Launch, Outcome, Recipient
from campaigns.services import results, tracking
from campaigns.services.tracking import Use
from segmentation.models import Customer, Event, ImportJob, Item, Kind
from tests import storefront
from tests.campaigns import worlds

pytestmark = pytest.mark.django_db

NOW = worlds.NOW
HOUR = timedelta(hours=1)
LATER = NOW + timedelta(days=30)


@pytest.fixture(autouse=True)
def afresh() -> None:
    storefront.start_afresh()


def launched(n_treated: int, n_held_out: int, **fields) -> tuple[Launch, list, list]:
    """A planned launch whose arms are set by hand."""
    share = n_held_out / (n_treated + n_held_out)
    campaign = worlds.make_campaign(holdout_share=share, window_hours=72, **fields)
    people = worlds.make_people(n_treated + n_held_out)
    worlds.make_reachable(people)
    launch = Launch.objects.create(
        campaign=campaign, scheduled_for=NOW, planned_at=NOW, status="done"
    )
    treated, held_out = people[:n_treated], people[n_treated:]
    variant = campaign.variants.get()
    Recipient.objects.bulk_create(
        [
            Recipient(launch=launch, customer=one, arm="treated", variant=variant)
            for one in treated
        ]
        + [Recipient(launch=launch, customer=one, arm="held_out") for one in held_out]
    )
    return launch, treated, held_out


def clicked(launch: Launch, customer: Customer, *, at=NOW + HOUR) -> None:
    recipient = launch.recipients.get(customer=customer)
    point = worlds.ContactPoint.objects.get(customer=customer)
    delivery, _made = Delivery.objects.get_or_create(
        launch=launch,
        recipient=recipient,
        contact_point=point,
        defaults={"send_at": NOW, "status": "accepted"},
    )
    assert tracking.count(tracking.Link(Use.CLICKED, delivery.pk), now=at)


def test_both_arms_are_counted_alike_over_the_same_hours():
    launch, treated, held_out = launched(8, 4)
    worlds.buy(treated[0], at=NOW, amount=10)  # the first instant counts
    worlds.buy(treated[0], at=NOW + HOUR, amount=5)  # one buyer, two purchases
    worlds.buy(treated[1], at=NOW + 71 * HOUR, amount=20)
    worlds.buy(treated[2], at=NOW + 72 * HOUR, amount=99)  # the last does not
    worlds.buy(treated[3], at=NOW - HOUR, amount=99)
    worlds.buy(held_out[0], at=NOW + 2 * HOUR, amount=7)
    found = results.report(launch.campaign, LATER)
    assert [(arm.arm, arm.n, arm.buyers, arm.revenue) for arm in found.arms] == [
        ("treated", 8, 2, 35.0),
        ("held_out", 4, 1, 7.0),
    ]
    conversion, revenue = found.comparisons
    by_hand = stats.compare(stats.Arm.proportion(1, 4), stats.Arm.proportion(2, 8))
    assert conversion.difference == 0.0
    assert (conversion.low, conversion.high) == (by_hand.low, by_hand.high)
    by_hand = stats.compare(
        stats.Arm.of([7, 0, 0, 0]), stats.Arm.of([15, 20, 0, 0, 0, 0, 0, 0])
    )
    assert revenue.difference == pytest.approx(35 / 8 - 7 / 4)
    assert revenue.low == pytest.approx(by_hand.low)
    assert revenue.high == pytest.approx(by_hand.high)
    assert revenue.p_value == pytest.approx(by_hand.p_value)


def test_a_purchase_counts_through_any_identity_of_the_person():
    launch, treated, _held_out = launched(2, 2)
    phone = treated[0].identities.create(visitor_id="phone")
    worlds.buy(treated[0], at=NOW + HOUR)
    Event.objects.update(identity_id=phone.pk)
    assert results.report(launch.campaign, LATER).arms[0].buyers == 1


def test_purchases_of_an_unfinished_import_do_not_count_yet():
    launch, treated, _held_out = launched(2, 2)
    job = ImportJob.objects.create(
        kind="events", source=worlds.make_source(), path="x", status="running"
    )
    worlds.buy(treated[0], at=NOW + HOUR)
    Event.objects.update(import_id=job.pk)
    assert results.report(launch.campaign, LATER).arms[0].buyers == 0
    ImportJob.objects.update(status="done")
    assert results.report(launch.campaign, LATER).arms[0].buyers == 1


def test_suppressed_people_are_in_no_arm():
    launch, treated, _held_out = launched(2, 2)
    launch.recipients.filter(customer=treated[0]).update(
        arm="suppressed", reason="capped", variant=None
    )
    worlds.buy(treated[0], at=NOW + HOUR)
    found = results.report(launch.campaign, LATER)
    assert (found.arms[0].n, found.arms[0].buyers) == (1, 0)
    assert found.funnel["suppressed"]["capped"] == 1


def test_a_clear_effect_helped_and_a_clear_harm_hurt():
    launch, treated, held_out = launched(60, 60)
    for one in treated[:40] + held_out[:10]:
        worlds.buy(one, at=NOW + HOUR)
    found = results.report(launch.campaign, LATER)
    assert found.verdict == "helped"
    assert found.sentence.startswith("It helped: +50.00 percentage points")
    Recipient.objects.filter(arm="treated").update(arm="held_out", variant=None)
    variant = launch.campaign.variants.get()
    Recipient.objects.filter(customer__in=held_out).update(
        arm="treated", variant=variant
    )
    assert results.report(launch.campaign, LATER).verdict == "hurt"


def test_a_small_campaign_says_that_it_cannot_tell_and_what_it_could_have_seen():
    launch, treated, held_out = launched(12, 4)
    for one in treated[:4] + held_out[:1]:
        worlds.buy(one, at=NOW + HOUR)
    found = results.report(launch.campaign, LATER)
    assert found.verdict == "cannot tell"
    smallest = found.comparisons[0].smallest_detectable
    assert smallest is None or f"±{100 * smallest:.2f}" in found.sentence
    assert found.sentence.startswith("Cannot tell")


def test_the_sentence_never_says_that_nobody_bought_when_somebody_did():
    launch, treated, held_out = launched(7, 2)
    assert "nobody" not in results.report(launch.campaign, LATER).sentence
    for one in (treated[0], held_out[0]):
        worlds.buy(one, at=NOW + HOUR)
    found = results.report(launch.campaign, LATER)
    assert found.comparisons[0].smallest_detectable is None
    assert "-35.71 percentage points" in found.sentence
    assert "could not have shown any change" in found.sentence


def test_arms_of_the_wrong_size_raise_the_alarm_before_any_verdict():
    launch, treated, held_out = launched(100, 100)
    for one in treated[:60]:
        worlds.buy(one, at=NOW + HOUR)
    Recipient.objects.filter(customer__in=held_out[:70]).delete()
    found = results.report(launch.campaign, LATER)
    assert found.srm["alarm"] and found.srm["observed"] == (100, 30)
    assert found.verdict == "cannot tell"
    assert "something is wrong" in found.sentence


def test_last_touch_credits_the_click_before_the_purchase():
    launch, treated, held_out = launched(4, 2)
    clicked(launch, treated[0])
    clicked(launch, treated[1])
    worlds.buy(treated[0], at=NOW + 2 * HOUR, amount=10)
    worlds.buy(treated[0], at=NOW + HOUR / 2, amount=99)  # before the click
    worlds.buy(treated[1], at=NOW + 74 * HOUR, amount=99)  # too long after
    worlds.buy(treated[2], at=NOW + 2 * HOUR, amount=99)  # never clicked
    worlds.buy(held_out[0], at=NOW + 2 * HOUR, amount=99)
    found = results.report(launch.campaign, LATER)
    assert found.attribution == results.Attribution(2, 1, 10.0)


def test_a_later_click_on_an_ad_takes_the_credit():
    launch, treated, _held_out = launched(2, 2)
    clicked(launch, treated[0])
    placement = worlds.make_placement()
    Decision.objects.create(
        placement=placement,
        ad=worlds.make_ad(placement),
        identity_id=treated[0].identities.get().pk,
        decided_at=NOW,
        clicked_at=NOW + 2 * HOUR,
    )
    worlds.buy(treated[0], at=NOW + 3 * HOUR)
    assert results.report(launch.campaign, LATER).attribution.n_orders == 0


def test_lines_of_one_order_are_one_order():
    launch, treated, _held_out = launched(2, 2)
    clicked(launch, treated[0])
    for key in ("a", "b"):
        worlds.buy(treated[0], at=NOW + 2 * HOUR, amount=4, key=key)
    Event.objects.filter(amount=4).update(order_key=77)
    found = results.report(launch.campaign, LATER).attribution
    assert (found.n_orders, found.revenue) == (1, 8.0)


def test_what_is_returned_counts_against_revenue_and_makes_nobody_a_buyer():
    launch, treated, held_out = launched(4, 4)
    clicked(launch, treated[0])
    worlds.buy(treated[0], at=NOW + 2 * HOUR, amount=20)
    worlds.buy(treated[0], at=NOW + 3 * HOUR, amount=5, kind=Kind.RETURN)
    worlds.buy(held_out[0], at=NOW + 3 * HOUR, amount=-7, kind=Kind.RETURN)  # a shop's
    found = results.report(launch.campaign, LATER)
    assert [(arm.arm, arm.buyers, arm.revenue) for arm in found.arms] == [
        ("treated", 1, 15.0),
        ("held_out", 0, -7.0),
    ]
    assert (found.attribution.n_orders, found.attribution.revenue) == (1, 15.0)


def test_the_funnel_names_every_step():
    launch, treated, _held_out = launched(6, 2)
    for one in treated[:3]:
        clicked(launch, one)
    Delivery.objects.filter(recipient__customer=treated[2]).update(status="gone")
    worlds.buy(treated[0], at=NOW + 2 * HOUR)
    funnel = results.report(launch.campaign, LATER).funnel
    assert funnel["audience"] == 8 and funnel["held_out"] == 2
    assert (funnel["accepted"], funnel["gone"], funnel["clicked"]) == (2, 1, 3)
    assert funnel["buyers"] == 1


def test_a_report_is_json_and_says_whether_its_window_is_over():
    launch, _treated, _held_out = launched(2, 2)
    early = results.report(launch.campaign, NOW + HOUR)
    assert not early.is_final
    found = results.report(launch.campaign, LATER)
    assert found.is_final
    row = json.loads(json.dumps(found.as_dict()))
    assert {"arms", "comparisons", "srm", "funnel", "attribution"} <= row.keys()
    assert row["comparisons"][0].keys() >= {
        "metric",
        "difference",
        "relative",
        "low",
        "high",
        "p_value",
        "smallest_detectable",
    }


def test_a_campaign_that_never_started_has_a_report_too():
    found = results.report(worlds.make_campaign(), LATER)
    assert found.verdict == "cannot tell" and found.until is None
    assert json.dumps(found.as_dict())


def test_the_number_of_queries_does_not_grow_with_the_people(
    django_assert_max_num_queries,
):
    launch, treated, _held_out = launched(40, 10)
    for one in treated[:20]:
        clicked(launch, one)
        worlds.buy(one, at=NOW + 2 * HOUR)
    campaign = Campaign.objects.get(pk=launch.campaign_id)
    with django_assert_max_num_queries(13):
        results.report(campaign, LATER)
    assert Outcome.objects.count() == 20 and Item.objects.count() == 0


def test_money_that_nobody_spent_is_said_to_be_none():
    launch, _treated, _held_out = launched(7, 2, primary_metric="revenue")
    found = results.report(launch.campaign, LATER)
    assert found.sentence == (
        "Cannot tell: everybody did the same; perhaps nobody bought."
    )

"""Who gets a message, who is held out, who is left out; and that it adds up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.models import Campaign, Consent, Delivery, Launch, Recipient
from campaigns.services import audience, planning, sending
from segmentation.models import Event, Kind
from segmentation.services import identities, jobs
from segmentation.services import people as who_is_who
from tests import storefront
from tests.campaigns import worlds

pytestmark = pytest.mark.django_db

COLUMNS = ("customer_id", "arm", "variant_id", "reason", "run_id", "item_ids")


@pytest.fixture(autouse=True)
def afresh() -> None:
    storefront.start_afresh()


def rows(launch: Launch) -> list[tuple]:
    found = launch.recipients.order_by("customer_id").values_list(*COLUMNS)
    return [(*row[:5], tuple(row[5])) for row in found]


def arms(launch: Launch) -> dict[int, str]:
    return dict(launch.recipients.values_list("customer_id", "arm"))


def test_everyone_is_in_one_place_and_the_sums_add_up():
    people = worlds.make_people(200)
    worlds.make_reachable(people[:150], devices=2)
    worlds.make_reachable(people[150:160], devices=0)
    launch = worlds.make_planned(worlds.make_campaign())
    plan = planning.plan_of(launch)
    assert plan.n_audience == 200 == launch.recipients.count()
    assert plan.n_treated + plan.n_held_out == 150
    assert plan.n_suppressed == {
        "no_consent": 40,
        "unreachable": 10,
        "capped": 0,
        "no_products": 0,
    }
    assert plan.n_deliveries == 2 * plan.n_treated == launch.deliveries.count()
    assert 20 < plan.n_held_out < 55  # a quarter of 150


def test_who_went_into_another_customer_is_not_written_to_twice():
    people = worlds.make_people(10)
    worlds.make_reachable(people)
    who_is_who.merge(people[0], people[1])
    launch = worlds.make_planned(worlds.make_campaign())
    assert launch.recipients.filter(customer=people[0]).exists()
    assert not launch.recipients.filter(customer=people[1]).exists()
    assert planning.plan_of(launch).n_audience == 9


def test_a_preview_says_what_the_launch_then_does():
    people = worlds.make_people(60)
    worlds.make_reachable(people[:50])
    campaign = worlds.make_campaign()
    before = planning.preview(campaign, timezone.now())
    assert not Recipient.objects.exists()
    assert planning.plan_of(worlds.make_planned(campaign)) == before


def test_a_preview_names_the_smallest_change_it_could_see():
    people = worlds.make_people(100)
    worlds.make_reachable(people)
    for one in people[:30]:
        worlds.buy(one, at=timezone.now() - timedelta(hours=5))
    plan = planning.preview(worlds.make_campaign(), timezone.now())
    assert 0.2 < plan.smallest_detectable < 0.5


def test_a_plan_that_was_killed_ends_in_the_very_same_rows(monkeypatch):
    monkeypatch.setattr(audience, "CHUNK", 16)
    items = worlds.make_items(4)
    people = worlds.make_people(100)
    worlds.make_reachable(people[:90])
    storefront.make_live(
        "discover", {one.pk: items[: 1 + one.pk % 3] for one in people}, items[:1]
    )
    undisturbed = worlds.make_planned(worlds.make_campaign(n_products=3))

    campaign = worlds.make_campaign(n_products=3)
    launch = worlds.make_launch(campaign)
    write, n_chunks = planning.drawing._write, []

    def die_in_the_third(*args):
        n_chunks.append(1)
        if len(n_chunks) == 3:
            raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr(planning.drawing, "_write", die_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        sending.plan_only(launch)
    launch.refresh_from_db()
    assert launch.recipients.count() == 32  # struck in the middle
    assert launch.status == Launch.Status.QUEUED
    planned_at = launch.planned_at

    monkeypatch.setattr(planning.drawing, "_write", write)
    sending.plan_only(launch)
    launch.refresh_from_db()
    assert launch.planned_at == planned_at
    strip = [(row[:2], row[3:]) for row in rows(launch)]
    assert strip == [(row[:2], row[3:]) for row in rows(undisturbed)]
    assert launch.deliveries.count() == undisturbed.deliveries.count()


def test_planning_again_changes_nothing():
    worlds.make_reachable(worlds.make_people(30))
    launch = worlds.make_planned(worlds.make_campaign())
    before = rows(launch)
    worlds.make_reachable(worlds.make_people(5, prefix="late"))
    sending.plan_only(launch)
    assert rows(launch) == before


def test_arms_stay_the_same_from_launch_to_launch():
    people = worlds.make_people(300)
    worlds.make_reachable(people)
    campaign = worlds.make_campaign()
    first = worlds.make_planned(campaign)
    Campaign.objects.filter(pk=campaign.pk).update(status="draft")
    second = worlds.make_planned(campaign, now=timezone.now() + timedelta(days=9))
    assert arms(first) == arms(second)
    other = worlds.make_planned(worlds.make_campaign(salt="another"))
    assert arms(other) != arms(first)


def test_variants_divide_the_treated_by_their_shares():
    worlds.make_reachable(worlds.make_people(600))
    campaign = worlds.make_campaign(holdout_share=0.0, variant={"share": 0.75})
    campaign.variants.create(
        name="B", title="B", body="B", link=worlds.LINK, share=0.25
    )
    launch = worlds.make_planned(campaign)
    n_b = launch.recipients.filter(variant__name="B").count()
    assert 110 < n_b < 190
    assert launch.recipients.filter(arm="treated").count() == 600


def test_who_has_no_product_is_suppressed_before_the_arm_is_drawn():
    items = worlds.make_items(3)
    people = worlds.make_people(80)
    worlds.make_reachable(people)
    # Nobody is popular: those without a list of their own have nothing.
    storefront.make_live("discover", {one.pk: items for one in people[:40]})
    launch = worlds.make_planned(worlds.make_campaign(n_products=3))
    assert launch.n_suppressed["no_products"] == 40
    with_products = set(
        launch.recipients.exclude(arm="suppressed").values_list("customer", flat=True)
    )
    assert with_products == {one.pk for one in people[:40]}
    treated = launch.recipients.filter(arm="treated").first()
    assert treated.item_ids == [item.pk for item in items]
    assert treated.run_id is not None
    held_out = launch.recipients.filter(arm="held_out").first()
    assert held_out.item_ids == [] and held_out.run_id is None


def test_a_capped_person_waits_for_another_week():
    people = worlds.make_people(3)
    worlds.make_reachable(people, devices=2)
    earlier = worlds.make_planned(worlds.make_campaign(holdout_share=0.0))
    accepted = earlier.deliveries.filter(recipient__customer__in=people[:2])
    accepted.update(status="accepted", sent_at=timezone.now() - timedelta(days=6))
    old = earlier.deliveries.filter(recipient__customer=people[1])
    old.update(sent_at=timezone.now() - timedelta(days=8))

    launch = worlds.make_planned(
        worlds.make_campaign(cap_per_week=1, holdout_share=0.0)
    )
    suppressed = launch.recipients.filter(reason="capped")
    assert [one.customer_id for one in suppressed] == [people[0].pk]
    twice = worlds.make_campaign(cap_per_week=2, holdout_share=0.0)
    assert worlds.make_planned(twice).n_suppressed["capped"] == 0


def test_only_the_segments_people_are_in_the_audience():
    people = worlds.make_people(10)
    worlds.make_reachable(people)
    one = storefront.make_segment("one", *people[:4], size=4)
    two = storefront.make_segment("two", *people[3:6], size=3)
    campaign = worlds.make_campaign(to_everyone=False)
    campaign.segments.set([one, two])
    launch = worlds.make_planned(campaign)
    assert set(arms(launch)) == {person.pk for person in people[:6]}


def test_a_due_campaign_is_started_once_however_often_beat_looks():
    now = timezone.now()
    worlds.make_reachable(worlds.make_people(2))
    campaign = worlds.make_campaign()
    planning.schedule(campaign, now + timedelta(minutes=1), actor=None)
    assert planning.start_due(now) == []
    [launch] = planning.start_due(now + timedelta(minutes=1))
    assert planning.start_due(now + timedelta(minutes=1)) == []
    campaign.refresh_from_db()
    assert campaign.status == "running"
    assert launch.scheduled_for == campaign.starts_at


def test_a_campaign_without_content_or_audience_is_refused_with_a_sentence():
    campaign = worlds.make_campaign(to_everyone=False)
    campaign.variants.all().delete()
    with pytest.raises(planning.NotNow, match="add a variant.*Nobody is chosen"):
        planning.launch_now(campaign, now=timezone.now(), actor=None)
    assert not Launch.objects.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"title": "{{ recommendations.0.titel }}"}, "titel"),
        ({"body": "{{ customer.name|nosuch }}"}, "nosuch"),
        ({"body": "{% include 'admin/base.html' %}"}, "include"),
        ({"body": "{{ unclosed"}, "stands alone"),
        ({"title": "Hi } there {"}, None),
        ({"link": "javascript:alert(1)"}, "must begin with https://"),
        ({"link": "www.shop.example/tea"}, "must begin with https://"),
        ({"link": "{{ recommendations.0.url }}"}, None),
        ({"link": "/tea"}, None),
    ],
)
def test_a_wrong_template_is_found_before_anything_is_sent(fields, said):
    found = planning.problems(worlds.make_campaign(variant=fields))
    assert bool(found) == (said is not None)
    assert said is None or said in found[0]


def test_a_held_campaign_is_not_launched_twice():
    worlds.make_reachable(worlds.make_people(2))
    campaign = worlds.make_campaign()
    launch = worlds.make_launch(campaign)
    with pytest.raises(planning.NotNow, match="running"):
        worlds.make_launch(campaign)
    with jobs.hold(launch), pytest.raises(jobs.Taken):
        sending.plan_only(Launch.objects.get(pk=launch.pk))


def test_cancelling_closes_what_was_planned():
    worlds.make_reachable(worlds.make_people(20))
    campaign = worlds.make_campaign()
    launch = worlds.make_planned(campaign)
    planning.cancel(campaign, actor=None)
    launch.refresh_from_db()
    assert launch.status == Launch.Status.CANCELLED
    assert set(launch.deliveries.values_list("status", flat=True)) == {"cancelled"}
    assert not Event.objects.filter(kind=Kind.MESSAGE_ACCEPTED).exists()
    with pytest.raises(planning.NotNow):
        planning.resume(campaign, actor=None)


def test_cancelling_closes_the_rest_of_a_launch_that_failed_too():
    worlds.make_reachable(worlds.make_people(5))
    campaign = worlds.make_campaign(holdout_share=0.0)
    launch = worlds.make_planned(campaign)
    Launch.objects.update(status="failed")
    planning.settle()
    planning.cancel(campaign, actor=None)
    launch.refresh_from_db()
    assert launch.status == Launch.Status.FAILED
    assert set(launch.deliveries.values_list("status", flat=True)) == {"cancelled"}


def test_what_a_visitor_agreed_to_ends_when_they_log_in():
    """The account may have said no; its browser subscribes again, as itself."""
    source = worlds.make_source()
    visitor = identities.resolve(source, visitor="v-1").customer
    worlds.make_reachable([visitor])
    campaign = worlds.make_campaign(holdout_share=0.0)
    launch = worlds.make_planned(campaign)
    assert arms(launch) == {visitor.pk: "treated"}
    identities.resolve(source, customer="c-1", visitor="v-1")
    sending.run(launch)
    assert launch.deliveries.get().status == Delivery.Status.CANCELLED
    again = worlds.make_planned(worlds.make_campaign(name="again"))
    assert "treated" not in arms(again).values()


def test_a_withdrawn_consent_is_no_consent():
    people = worlds.make_people(5)
    worlds.make_reachable(people)
    Consent.objects.filter(customer=people[0]).update(granted=False)
    launch = worlds.make_planned(worlds.make_campaign())
    assert launch.n_suppressed["no_consent"] == 1
    assert not Delivery.objects.filter(recipient__customer=people[0]).exists()


@pytest.mark.parametrize(
    ("launch_status", "campaign_status"),
    [("failed", "paused"), ("cancelled", "cancelled"), ("queued", "running")],
)
def test_a_campaign_never_says_running_when_its_launch_has_ended(
    launch_status, campaign_status
):
    worlds.make_reachable(worlds.make_people(5))
    campaign = worlds.make_campaign(holdout_share=0.0)
    launch = worlds.make_planned(campaign)
    Launch.objects.update(status=launch_status)
    planning.settle()
    campaign.refresh_from_db()
    assert campaign.status == campaign_status
    left = "cancelled" if launch_status == "cancelled" else "planned"
    assert set(launch.deliveries.values_list("status", flat=True)) == {left}


def while_beat_looks(deed):
    """Do something right after the first statement of the block."""
    seen: list[str] = []

    def meanwhile(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        seen.append(sql)
        if len(seen) == 1:
            deed()
        return result

    return connection.execute_wrapper(meanwhile)


def test_who_resumes_while_beat_looks_is_not_paused_again():
    worlds.make_reachable(worlds.make_people(5))
    campaign = worlds.make_campaign(holdout_share=0.0)
    worlds.make_planned(campaign)
    Launch.objects.update(status="failed")
    with while_beat_looks(lambda: planning.resume(campaign, actor=None)):
        planning.settle()
    campaign.refresh_from_db()
    assert campaign.status == "running"


def test_what_is_put_off_while_beat_looks_does_not_start():
    now = timezone.now()
    campaign = worlds.make_campaign()
    planning.schedule(campaign, now, actor=None)
    later = now + timedelta(days=1)
    with while_beat_looks(lambda: planning.schedule(campaign, later, actor=None)):
        assert planning.start_due(now) == []
    assert planning.start_due(later)[0].scheduled_for == later

"""Customers' tastes become segments that go live whole."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from segmentation import queries
from segmentation.models import (
    Customer,
    Membership,
    ModelRun,
    Segment,
    SegmentSet,
)
from segmentation.services import jobs, segmenting
from tests.segmentation.services import behaviour

pytestmark = pytest.mark.django_db


@pytest.fixture
def taste() -> ModelRun:
    behaviour.world()
    return behaviour.live("als", "taste", n_factors=3, iterations=8)


def build(**params) -> SegmentSet:
    made = segmenting.create_set("kmeans", params={"n_clusters": 2} | params)
    return again(made)


def again(made: SegmentSet) -> SegmentSet:
    with jobs.hold(made) as held:
        segmenting.build(made, held)
    made.refresh_from_db()
    return made


def test_the_two_tastes_of_this_world_are_two_segments(taste):
    made = build()
    assert (made.status, made.stage, made.run) == ("done", "live", taste)
    assert made.n_customers == 24
    segments = list(made.segments.order_by("label"))
    assert [segment.size for segment in segments] == [12, 12]
    even = set(queries.members_of([segments[0].pk]).tolist())
    odd = {behaviour.customer_id(f"c-{who:02}") for who in range(1, 24, 2)}
    assert even == odd or even.isdisjoint(odd)
    assert all(segment.name and segment.profile for segment in segments)
    assert set(made.timings) == {"load", "fit", "describe", "write"}
    assert set(made.picture) == {"x", "y", "label"}
    assert len(made.picture["x"]) == 24


def test_k_is_chosen_in_the_open(taste):
    made = build(n_clusters="auto")
    assert made.k_curve
    assert made.segments.count() >= 2


def test_a_new_set_goes_live_in_place_of_the_former(taste):
    first, second = build(), build(n_clusters=3)
    first.refresh_from_db()
    assert (first.stage, second.stage) == ("retired", "live")
    one = behaviour.customer_id("c-00")
    assert [s.segment_set_id for s in queries.segments_of(one)] == [second.pk]
    assert first.segments.count() == 2  # campaigns that used it still find it


def test_building_again_rewrites_no_membership(taste):
    made = build()
    before = list(Membership.objects.order_by("pk").values())
    names = list(Segment.objects.order_by("pk").values())
    SegmentSet.objects.filter(pk=made.pk).update(status="queued")
    again(made)
    assert list(Membership.objects.order_by("pk").values()) == before
    assert list(Segment.objects.order_by("pk").values()) == names


def test_members_are_written_in_chunks_and_somebody_erased_stays_away(
    taste, monkeypatch
):
    monkeypatch.setattr(segmenting, "WRITE_ROWS", 5)
    Customer.objects.filter(pk=behaviour.customer_id("c-00")).delete()
    build()
    assert Membership.objects.count() == 23


def test_a_build_that_lost_its_lease_changes_nothing_live(taste):
    live = build()
    made = segmenting.create_set("kmeans", params={"n_clusters": 3})
    with pytest.raises(jobs.LostLease), jobs.hold(made) as held:
        SegmentSet.objects.filter(pk=made.pk).update(fence=made.fence + 1)
        segmenting.build(made, held)
    live.refresh_from_db()
    assert live.stage == "live" and not made.segments.exists()


@pytest.mark.parametrize(
    ("method", "params", "says"),
    [
        ("astrology", {}, "no method “astrology”; there are kmeans"),
        ("kmeans", {"stars": 3}, "kmeans cannot be set so: .*stars"),
        ("kmeans", {"n_clusters": 1}, "a number of at least 2"),
        ("kmeans", {}, "No “taste” model is live"),
    ],
)
def test_what_cannot_be_is_refused_before_it_starts(method, params, says):
    with pytest.raises(jobs.Refused, match=says):
        segmenting.create_set(method, params=params)
    assert not SegmentSet.objects.exists()


def test_more_segments_than_customers_are_refused(taste):
    with pytest.raises(jobs.Refused):
        build(n_clusters=30)
    made = SegmentSet.objects.get()
    assert made.status == "failed" and made.message
    assert not Segment.objects.exists()


def test_a_set_whose_model_is_gone_is_refused_in_a_sentence(taste):
    made = segmenting.create_set("kmeans")
    taste.artifact = "gone"
    taste.save()
    with pytest.raises(jobs.Refused, match="artifact of run"):
        again(SegmentSet.objects.get(pk=made.pk))
    SegmentSet.objects.update(status="queued", run=None)
    with pytest.raises(jobs.Refused, match="was removed"):
        again(SegmentSet.objects.get(pk=made.pk))


@pytest.mark.django_db(transaction=True)
def test_two_sets_that_go_live_at_once_leave_one_live_and_no_error():
    together, wrong = threading.Barrier(4), []

    def go_live() -> None:
        made = SegmentSet.objects.create(method="kmeans")
        try:
            with jobs.hold(made) as held:
                together.wait()
                segmenting._go_live(made, held)
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=go_live) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    stages = SegmentSet.objects.values_list("stage", flat=True)
    assert sorted(stages) == ["live", *["retired"] * 3]


def test_who_is_like_one_customer_is_told_by_that_customers_id(taste):
    whom = behaviour.customer_id("c-05")
    made = again(
        segmenting.create_set("reference", params={"reference": whom, "tau": 0.9})
    )
    alike = made.segments.get(label=made.scores["alike"])
    odd = {behaviour.customer_id(f"c-{who:02}") for who in range(1, 24, 2)}
    assert set(queries.members_of([alike.pk]).tolist()) == odd
    with pytest.raises(jobs.Refused, match="Name the customer"):
        segmenting.create_set("reference")
    unknown = segmenting.create_set("reference", params={"reference": 10**9})
    with pytest.raises(jobs.Stopped):
        again(unknown)
    unknown.refresh_from_db()
    assert "has no vector" in unknown.message


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("hierarchical", {"n_clusters": 2}),
        ("dbscan", {"min_samples": 3, "eps": 0.1}),
        ("threshold", {"tau": 0.9}),
    ],
)
def test_every_way_of_dividing_finds_the_two_tastes(taste, method, params):
    made = again(segmenting.create_set(method, params=params))
    assert sorted(made.segments.values_list("size", flat=True)) == [12, 12]

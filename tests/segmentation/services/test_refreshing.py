"""Newer behaviour is in the lists within minutes, without learning anew."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from django.utils import timezone

from segmentation.engine import recommenders
from segmentation.engine.interactions import Interactions
from segmentation.models import Customer, Event, ImportJob, ListRefresh, ModelRun
from segmentation.services import (
    artifacts,
    jobs,
    merging,
    refreshing,
    registry,
    unlearning,
)
from tests import storefront
from tests.segmentation.services import behaviour
from tests.segmentation.services.behaviour import customer_id, item_id

pytestmark = pytest.mark.django_db

LAST_WEEK = behaviour.WEEKS


@pytest.fixture(autouse=True)
def _afresh():
    storefront.start_afresh()


@pytest.fixture
def source():
    return behaviour.world()


def live(algorithm: str, purpose: str, **params) -> ModelRun:
    """A live run whose data were read when the world's last week was over."""
    run = behaviour.live(algorithm, purpose, **params)
    read_at = behaviour.START + timedelta(weeks=LAST_WEEK)
    ModelRun.objects.filter(pk=run.pk).update(started_at=read_at, promoted_at=read_at)
    run.refresh_from_db()
    registry.forget()
    return run


def refresh(run: ModelRun) -> ListRefresh:
    job = ListRefresh.objects.create(run=run)
    with jobs.hold(job) as held:
        refreshing.refresh(job, held)
    job.refresh_from_db()
    run.refresh_from_db()
    registry.forget()
    return job


def newer(source, *lines: tuple[str, str]) -> None:
    rows = [
        behaviour.purchase(
            customer, item, LAST_WEEK + 1 + number / 100, f"new-{number}"
        )
        for number, (customer, item) in enumerate(lines)
    ]
    behaviour.record(source, rows)


def listed(purpose: str, customer: str) -> list[int]:
    lists = registry.live_lists(purpose)
    row = int(lists.rows(np.array([customer_id(customer)]))[0])
    return [] if row < 0 else [i for i in lists.item_ids[row].tolist() if i]


@pytest.mark.parametrize("algorithm", ["item_knn", "ease", "als"])
def test_who_did_something_gets_the_list_of_a_fold_in_and_nobody_else_changes(
    source, algorithm
):
    params = {"n_factors": 3} if algorithm == "als" else {}
    run = live(algorithm, "discover", **params)
    before = registry.live_lists("discover")
    named = listed("discover", "c-00")[0]
    taken = next(f"i-{n:02}" for n in range(32) if item_id(f"i-{n:02}") == named)
    newer(source, ("c-00", taken), ("stranger", "i-01"), ("stranger", "i-03"))
    job = refresh(run)
    assert job.counts == {"customers": 2, "folded_in": 2}
    assert run.artifact != run.lists
    after = registry.live_lists("discover")
    assert after.run_id == run.pk
    assert after.written_at > before.written_at
    assert named not in listed("discover", "c-00")
    assert len(after.owner_ids) == len(before.owner_ids) + 1
    odd = {item_id(f"i-{n:02}") for n in range(1, 32, 2)}
    assert set(listed("discover", "stranger")[:5]) <= odd
    others = before.owner_ids[before.owner_ids != customer_id("c-00")]
    rows = [lists.rows(others) for lists in (before, after)]
    assert np.array_equal(before.item_ids[rows[0]], after.item_ids[rows[1]])
    assert np.array_equal(before.scores[rows[0]], after.scores[rows[1]])


def test_habits_are_those_that_a_training_would_find(source):
    """Personal frequency folds in exactly: a list depends on its owner's log only."""
    run = live("personal_frequency", "again", half_life_days=28.0)
    newer(source, *[("c-00", "i-31")] * 3, ("c-01", "i-05"))
    refresh(run)
    folded = {name: listed("again", name) for name in ("c-00", "c-01", "c-02")}
    behaviour.live("personal_frequency", "again", half_life_days=28.0)
    registry.forget()
    assert folded == {name: listed("again", name) for name in folded}
    assert folded["c-00"][0] == item_id("i-31")


def test_what_is_popular_is_counted_on(source):
    run = live("item_knn", "discover")
    before = registry.live_lists("discover").popular_ids.tolist()
    rare = before[-1]
    name = next(f"i-{n:02}" for n in range(32) if item_id(f"i-{n:02}") == rare)
    newer(source, *[(f"new-{n:02}", name) for n in range(15)])
    refresh(run)
    once = registry.live_lists("discover").popular_ids.tolist()
    assert once[0] == rare
    behaviour.record(
        source,
        [
            behaviour.purchase(f"new-{n:02}", name, LAST_WEEK + 30, "more")
            for n in range(15)
        ],
    )
    ModelRun.objects.update(
        refreshed_at=behaviour.START + timedelta(weeks=LAST_WEEK + 20)
    )
    run.refresh_from_db()
    refresh(run)  # the same people once more: they are counted once
    folder = registry.local_folder(run.lists) / "lists"
    ids = registry.load_model(run).items_.ids.tolist()
    buyers = dict(zip(ids, np.load(folder / "buyers.npy"), strict=True))
    people = Event.objects.filter(item_id=rare).values("identity_id").distinct()
    assert buyers[rare] == people.count()


def test_a_method_that_does_not_fold_in_learns_what_is_popular_only(source):
    run = live("popularity", "discover", count="users")
    assert not registry.load_model(run).folds_log
    before = listed("discover", "c-00")
    newer(source, ("c-00", "i-31"), ("c-01", "i-30"))
    job = refresh(run)
    assert job.counts == {"customers": 2, "folded_in": 0}
    assert listed("discover", "c-00") == before


def test_lists_of_items_stay_and_only_what_is_popular_moves(source):
    run = live("item_knn", "similar")
    before = registry.live_lists("similar")
    newer(source, ("c-00", "i-31"))
    refresh(run)
    after = registry.live_lists("similar")
    assert np.array_equal(before.item_ids, after.item_ids)
    assert np.array_equal(before.owner_ids, after.owner_ids)


def test_nothing_new_makes_no_row(source, settings):
    run = live("item_knn", "discover")
    now = timezone.now()
    assert refreshing.due(now) == []
    assert not ListRefresh.objects.exists()
    newer(source, ("c-00", "i-31"))
    [job] = refreshing.due(now)
    assert job.run == run
    assert refreshing.due(now) == []  # one at a time
    settings.STRATA_REFRESH_MINUTES = 0
    ListRefresh.objects.all().delete()
    assert refreshing.due(now) == []


def test_a_refresh_is_due_every_few_minutes_and_seldom_after_a_failure(source):
    run = live("item_knn", "discover")
    newer(source, ("c-00", "i-31"))
    now = timezone.now()
    job = ListRefresh.objects.create(run=run, status="failed")
    minutes = timedelta(minutes=1)
    assert refreshing.due(now + 6 * minutes) == []
    assert len(refreshing.due(now + 7 * 60 * minutes)) == 1
    ListRefresh.objects.exclude(pk=job.pk).delete()
    ListRefresh.objects.update(status="done")
    assert refreshing.due(now + 2 * minutes) == []
    assert len(refreshing.due(now + 6 * minutes)) == 1


def test_an_import_of_long_ago_brings_its_customers_in(source):
    live("item_knn", "discover")
    shop = storefront.source("shop")
    job = ImportJob.objects.create(
        kind="events",
        source=shop,
        path="x",
        status="done",
        rows_new=2,
        finished_at=timezone.now(),
    )
    rows = [behaviour.purchase("filed", f"i-0{n}", 3, "filed") for n in (1, 3)]
    behaviour.record(source, rows)
    Event.objects.filter(identity_id__gt=0, import_id=None).filter(
        identity_id__in=Customer.objects.filter(pk=customer_id("filed")).values(
            "identities"
        )
    ).update(import_id=job.pk)
    [queued] = refreshing.due(timezone.now())
    with jobs.hold(queued) as held:
        refreshing.refresh(queued, held)
    registry.forget()
    assert listed("discover", "filed")


def test_who_does_not_want_it_or_was_erased_gets_no_list(source):
    run = live("item_knn", "discover")
    newer(source, ("c-00", "i-31"), ("quiet", "i-01"), ("quiet", "i-03"))
    Customer.objects.filter(pk=customer_id("quiet")).update(personalised=False)
    erased = customer_id("c-04")
    unlearning.forget([erased])
    refresh(run)
    assert listed("discover", "quiet") == []
    assert registry.live_lists("discover").rows(np.array([erased])).tolist() == [-1]
    assert listed("discover", "c-02")  # whose row stands before
    unlearning.forget([customer_id("c-00")])
    assert listed("discover", "c-00") == []


def test_a_worker_that_lost_its_lease_switches_nothing(source):
    run = live("item_knn", "discover")
    newer(source, ("c-00", "i-31"))
    job = ListRefresh.objects.create(run=run)
    with pytest.raises(jobs.LostLease), jobs.hold(job) as held:
        ListRefresh.objects.update(fence=99)
        refreshing.refresh(job, held)
    run.refresh_from_db()
    assert (run.lists, run.refreshed_at) == ("", None)


def test_a_run_whose_artifact_is_not_kept_is_refused(source):
    run = live("item_knn", "discover")
    ModelRun.objects.update(stage="retired", artifact="")
    job = ListRefresh.objects.create(run=run)
    job.refresh_from_db()
    with pytest.raises(jobs.Refused, match="not kept"), jobs.hold(job) as held:
        refreshing.refresh(job, held)


def test_small_blocks_give_the_same_lists(source, monkeypatch):
    run = live("item_knn", "discover")
    newer(source, *[(f"c-{n:02}", "i-31") for n in range(0, 20, 2)])
    refresh(run)
    whole = registry.live_lists("discover")
    ModelRun.objects.update(lists="", refreshed_at=None)
    run.refresh_from_db()
    monkeypatch.setattr(refreshing, "BLOCK", 3)
    monkeypatch.setattr(merging, "ROWS", 4)
    refresh(run)
    again = registry.live_lists("discover")
    for name in ("owner_ids", "item_ids", "scores", "popular_ids"):
        assert np.array_equal(getattr(whole, name), getattr(again, name)), name
    left = [p.name for p in registry.local_folder(run.lists).iterdir()]
    assert sorted(left) == [artifacts.INDEX, "lists"]


def test_the_live_model_is_that_of_the_live_run(source, django_assert_num_queries):
    run = live("item_knn", "discover")
    model = registry.live_model("discover")
    assert model.algorithm == "item_knn"
    with django_assert_num_queries(0):
        assert registry.live_model("discover") is model
    assert registry.live_model("again") is None
    newer(source, ("c-00", "i-31"))
    refresh(run)
    registry.promote(behaviour.train("popularity", "discover", count="users"))
    assert registry.live_model("discover").algorithm == "popularity"


def test_a_log_is_answered_as_the_fit_answered_it():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "user_id": rng.integers(0, 20, 300),
            "item_id": rng.integers(0, 15, 300),
            "weight": np.ones(300),
            "timestamp": rng.random(300) * 200,
        }
    )
    log = Interactions.from_frame(frame)
    model = recommenders.create("personal_frequency", half_life_days=30.0).fit(log)
    own = model.recommend(np.arange(len(log.users)), 10, exclude_seen=False)
    other = model.recommend_log(log, 10, exclude_seen=False)
    assert np.array_equal(own.items, other.items)
    assert np.allclose(own.scores, other.scores)
    assert (model.recommend_log(log, 10).items == -1).all()

"""A search keeps to its budget, and goes on where it was when its worker was lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from segmentation.engine.recommenders.als import ALS
from segmentation.engine.recommenders.spaces import Choice, Real, Whole
from segmentation.models import ModelRun
from segmentation.services import jobs, training
from segmentation.services.training import searching
from tests.segmentation.services import behaviour
from tests.segmentation.services.behaviour import purchase, train, world

db = pytest.mark.django_db
SPACE = {"x": Real(-4.0, 4.0), "n": Whole(1, 9), "kind": Choice(("a", "b", None))}


def measured(trials: list[dict]) -> list[dict]:
    """Trials without what differs from one worker to the next."""
    return [{k: v for k, v in each.items() if k != "seconds"} for each in trials]


def score(params: dict) -> float:
    return -((params["x"] - 1) ** 2) - abs(params["n"] - 3) + (params["kind"] == "b")


def search(n: int, done=()) -> list:
    tried = list(done)
    while len(tried) < n:
        params = searching.propose(SPACE, tried, seed=7)
        tried.append((params, score(params)))
    return tried


def test_proposals_come_closer_to_what_is_best():
    scores = [each for _params, each in search(40)]
    assert sum(scores[20:]) / 20 > sum(scores[:10]) / 10 + 1


def test_the_same_trials_lead_to_the_same_proposals():
    whole = search(14)
    assert search(14, whole[:6]) == whole


def test_failed_trials_and_those_outside_of_the_space_do_not_stop_a_search():
    odd = [({"x": 1.0}, 0.3), ({"x": 99.0, "n": 1, "kind": "a"}, 0.2)]
    failed = [({"x": 1.0, "n": 2, "kind": "a"}, None)]
    found = searching.propose(SPACE, [*odd, *failed], seed=7)
    assert -4 <= found["x"] <= 4 and found["n"] in range(1, 10)


def test_a_space_that_is_used_up_ends_the_search():
    space = {"kind": Choice(("a", "b"))}
    tried = [({"kind": "a"}, 0.1), ({"kind": "b"}, 0.2)]
    assert searching.propose(space, tried[:1], seed=7) == {"kind": "b"}
    assert searching.propose(space, tried, seed=7) is None


@db
def test_a_search_tries_the_candidates_first_and_keeps_to_its_trials():
    world()
    run = train("item_knn", "discover", trials=7)
    assert [trial["number"] for trial in run.trials] == [1, 2, 3, 4, 5, 6, 7]
    assert run.trials[0]["params"] == {}
    assert run.trials[6]["params"]["n_neighbors"] in range(20, 1001)
    best = max(run.trials, key=lambda trial: trial["ndcg"])
    assert run.metrics["validation"]["discover"]["ndcg"]["mean"] == best["ndcg"]
    assert best["params"].items() <= run.chosen_params.items()


@db
def test_what_was_asked_for_holds_in_every_trial():
    world()
    run = train("als", "discover", trials=4, n_factors=3, iterations=2)
    for trial in run.trials:
        assert trial["params"]["n_factors"] == 3
        assert trial["params"]["iterations"] == 2
    assert len({trial["params"]["regularization"] for trial in run.trials}) > 2


@db
def test_a_search_by_minutes_ends_when_they_are_over():
    world()
    run = train("popularity", "discover", minutes=1e-6)
    assert len(run.trials) == 1 and run.status == "done"


@db
def test_a_search_goes_on_with_the_trials_of_the_worker_that_was_lost(monkeypatch):
    world()
    asked = {"trials": 6, "n_factors": 3, "iterations": 2}
    whole = train("als", "discover", **asked)
    fits = []
    fit = ALS.fit

    def until_the_lease_is_lost(self, data, **options):
        fits.append(1)
        if len(fits) == 4:  # another worker takes the run up meanwhile
            ModelRun.objects.filter(pk=run.pk).update(fence=99)
        return fit(self, data, **options)

    monkeypatch.setattr(ALS, "fit", until_the_lease_is_lost)
    run = training.create_run("als", "discover", params=behaviour.SMALL | asked)
    with pytest.raises(jobs.LostLease), jobs.hold(run) as held:
        training.train(run, held)
    left = ModelRun.objects.get(pk=run.pk)
    assert [each["ndcg"] for each in left.trials] == [
        each["ndcg"] for each in whole.trials[:3]
    ]
    over = timezone.now() - timedelta(seconds=1)
    ModelRun.objects.filter(pk=run.pk).update(lease_until=over)
    fits[:] = [1] * 10
    with jobs.hold(left) as held:
        training.train(left, held)
    assert len(fits) == 10 + 3 + 2  # three trials more, the judged and the last fit
    left.refresh_from_db()
    assert measured(left.trials) == measured(whole.trials)
    assert left.chosen_params == whole.chosen_params
    assert left.metrics["validation"] == whole.metrics["validation"]


@db
def test_trials_on_other_data_are_not_gone_on_with():
    source = world()
    fixed = {"valid_from": "2026-04-15T00:00Z", "test_from": "2026-05-15T00:00Z"}
    run = train("popularity", "discover", **fixed)
    before = measured(run.trials)
    behaviour.record(
        source, [purchase("c-00", "i-31", week, "more") for week in (1, 2)]
    )
    ModelRun.objects.filter(pk=run.pk).update(status="queued")
    with jobs.hold(run) as held:
        training.train(run, held)
    assert len(run.trials) == len(before)
    assert run.trials[0]["about"] != before[0]["about"]


@db
def test_a_trial_that_cannot_be_fitted_is_told_and_not_chosen(monkeypatch):
    world()
    fit = ALS._fit

    def fails_when_strong(self, data, validation, on_epoch):
        if self.regularization == 10.0:
            raise training.DataError("ALS did not converge.")
        return fit(self, data, validation, on_epoch)

    monkeypatch.setattr(ALS, "_fit", fails_when_strong)
    run = train("als", "discover")
    assert run.trials[0]["error"] == "ALS did not converge."
    assert run.chosen_params["regularization"] == 1.0
    with pytest.raises(jobs.Refused, match="did not converge"):
        train("als", "discover", regularization=10.0)


@db
@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"trials": 0}, "trials is “0”; it must be a whole number"),
        ({"trials": 2.5}, "trials is “2.5”"),
        ({"minutes": -1}, "minutes is “-1”; it must be a positive number"),
        ({"minutes": "soon"}, "minutes is “soon”"),
    ],
)
def test_a_budget_that_cannot_be_is_refused_before_it_starts(params, says):
    with pytest.raises(jobs.Refused, match=says):
        training.create_run("als", "discover", params=params)
    assert not ModelRun.objects.exists()

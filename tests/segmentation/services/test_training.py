"""A training chooses on one part, is judged once on the next, and learns from all."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.engine import evaluation, recommenders
from segmentation.engine.recommenders.popularity import Popularity
from segmentation.models import Event, ModelRun, Notice
from segmentation.services import jobs, registry, training
from segmentation.services.training import telling
from tests.segmentation.services import behaviour
from tests.segmentation.services.behaviour import purchase, train, world

pytestmark = pytest.mark.django_db

ALS = {"n_factors": 3, "iterations": 5}
DAYS_UNTIL_2026 = 20_458  # since 1970, at the turn of the year


def own(run: ModelRun) -> dict:
    """The model's own chosen parameters, without those of the data."""
    return {name: v for name, v in run.chosen_params.items() if name != "data"}


def arrays(run: ModelRun) -> dict[str, np.ndarray]:
    folder = registry.local_folder(run.artifact) / "lists"
    return {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}


@pytest.mark.parametrize(
    ("algorithm", "purpose", "tasks"),
    [
        ("popularity", "discover", {"again", "discover"}),
        ("personal_frequency", "again", {"again"}),
        ("item_knn", "similar", {"again", "discover"}),
        ("als", "taste", {"again", "discover"}),
    ],
)
def test_a_run_ends_with_metrics_lists_and_a_model(algorithm, purpose, tasks):
    world()
    run = train(algorithm, purpose, **(ALS if algorithm == "als" else {}))
    assert (run.status, run.stage) == ("done", "candidate")
    beside = {"validation", "beside", "groups", "exposure"}
    assert set(run.metrics) == tasks | beside
    for task in tasks:
        ndcg = run.metrics[task]["ndcg"]
        assert 0 <= ndcg["low"] <= ndcg["mean"] <= ndcg["high"] <= 1
    assert set(run.timings) == {
        "load",
        "fit",
        "evaluate",
        "beside",
        "refit",
        "lists",
    }
    assert run.snapshot["users"] == 24 and run.snapshot["items"] == 32
    assert run.snapshot["lines"] == Event.objects.count()
    assert run.protocol["valid_from"] < run.protocol["test_from"]
    assert run.gate["passed"]
    found = arrays(run)
    owners = 32 if purpose == "similar" else 24
    assert len(found["owner_ids"]) == owners
    assert list(found["owner_ids"]) == sorted(found["owner_ids"])
    assert found["item_ids"].shape == found["scores"].shape
    assert registry.load_model(run).algorithm == algorithm


def test_lists_to_discover_hold_nothing_that_was_bought_and_habits_do():
    world()
    bought = behaviour.item_id("i-00"), behaviour.customer_id("c-00")
    new, again = train("popularity", "discover"), train("personal_frequency", "again")
    for run, holds in ((new, False), (again, True)):
        found = arrays(run)
        row = np.searchsorted(found["owner_ids"], bought[1])
        assert (bought[0] in found["item_ids"][row]) is holds


def test_the_same_data_and_seed_give_the_same_run():
    world()
    first, second = (train("als", "discover", **ALS) for _time in range(2))
    assert first.snapshot == second.snapshot
    assert first.metrics == second.metrics
    for name, array in arrays(first).items():
        assert np.array_equal(array, arrays(second)[name]), name


def test_the_best_on_validation_is_chosen_and_all_tried_are_told():
    world()
    run = train("personal_frequency", "again")
    tried = run.metrics["validation"]["tried"]
    assert len(tried) == len(
        recommenders.kind("personal_frequency").candidates("again")
    )
    best = max(tried, key=lambda each: each["ndcg"])
    assert own(run) == best["params"]
    assert run.metrics["validation"]["again"]["ndcg"]["mean"] == best["ndcg"]


def test_what_a_fit_learned_about_itself_is_used_in_the_refits(monkeypatch):
    world()
    learned = property(lambda self: {"count": "weight"})
    monkeypatch.setattr(Popularity, "refit_params", learned)
    run = train("popularity", "discover", count="users")
    assert own(run) == {"count": "weight"}
    assert registry.load_model(run).count == "weight"


def test_no_fit_sees_a_later_part(monkeypatch):
    world()
    newest = []
    fit = Popularity.fit

    def watched(self, data, **options):
        newest.append(float(data.timestamp.max()))
        return fit(self, data, **options)

    monkeypatch.setattr(Popularity, "fit", watched)
    run = train("popularity", "discover", count="users")
    starts = (run.protocol[name] for name in ("valid_from", "test_from"))
    valid_from, test_from = (
        np.datetime64(text.split("+")[0]).astype("datetime64[s]").astype(float) / 86_400
        for text in starts
    )
    choosing, judging, *beside, final = newest
    assert beside == [judging]
    assert DAYS_UNTIL_2026 < choosing < valid_from <= judging < test_from <= final


def test_nothing_is_chosen_on_the_judged_part():
    source = world()
    fixed = {"valid_from": "2026-04-15T00:00Z", "test_from": "2026-05-15T00:00Z"}
    before = train("personal_frequency", "again", **fixed)
    # A future that speaks for the opposite: everybody takes what they never took.
    weeks = (20, 21, 22)
    record = [
        purchase(f"c-{who:02}", f"i-{(who + 1) % 2 + 2 * k:02}", week, "late")
        for who in range(24)
        for week in weeks
        for k in range(6)
    ]
    behaviour.record(source, record)
    after = train("personal_frequency", "again", **fixed)
    assert after.chosen_params == before.chosen_params
    assert after.metrics["validation"] == before.metrics["validation"]
    assert after.metrics["again"] != before.metrics["again"]
    assert after.snapshot != before.snapshot


@pytest.mark.parametrize(
    ("algorithm", "purpose", "says"),
    [
        ("magic", "again", "no algorithm “magic”; there are popularity"),
        ("als", "fame", "no purpose “fame”; there are again"),
        ("popularity", "taste", "no customer vectors"),
        ("personal_frequency", "similar", "which items are alike"),
        ("personal_frequency", "discover", "cannot discover"),
    ],
)
def test_what_cannot_be_is_refused_before_it_starts(algorithm, purpose, says):
    with pytest.raises(jobs.Refused, match=says):
        training.create_run(algorithm, purpose)
    assert not ModelRun.objects.exists()


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"count": "votes"}, "count must be one of"),
        ({"depth": 3}, "has no parameter depth"),
        ({"min_lines": "many"}, "min_lines is “many”"),
        ({"min_lines": True}, "min_lines is “True”"),
        ({"period_days": -1}, "period_days is “-1”; it must be a positive number"),
        ({"split": "random"}, "it must be one of temporal, leave_last_out, k_fold"),
        ({"split": "k_fold"}, "k_fold is for ratings"),
        ({"folds": 2.5}, "a whole number from 3 to 20"),
        ({"signal": "stars"}, "one of auto, behaviour, ratings"),
        ({"amount": "money"}, "one of none, quantity, amount"),
        ({"half_life_days": 0}, "half_life_days must be positive"),
        ({"kind_weights": 3}, "kind_weights is “3”; write an object"),
        ({"kind_weights": {"buy": 1}}, "names “buy”; there are view, click"),
        ({"kind_weights": {"view": "much"}}, "weight of view is “much”"),
        (
            {"kind_weights": dict.fromkeys(telling.KINDS, 0)},
            "leaves no kind that says anything",
        ),
    ],
)
def test_impossible_parameters_are_refused_before_it_starts(params, says):
    with pytest.raises(jobs.Refused, match=says):
        training.create_run("popularity", "discover", params=params)
    assert not ModelRun.objects.exists()


def test_without_behaviour_there_is_nothing_to_learn():
    with pytest.raises(jobs.Refused, match="import events first"):
        train("popularity", "discover")
    run = ModelRun.objects.get()
    assert run.status == "failed" and "import events first" in run.message
    assert Notice.objects.get().level == "error"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"min_lines": 1000}, "No item has 1000 events"),
        ({"test_from": "soon"}, "test_from is “soon”; write a time"),
        ({"valid_from": "2030-01-01", "test_from": "2031-01-01"}, "validation part"),
        (
            {"valid_from": "2026-03-01T00:00Z", "test_from": "2026-02-01T00:00Z"},
            "valid_from must be earlier",
        ),
        ({"split": "leave_last_out", "min_lines": 100}, "No item has 100 events"),
    ],
)
def test_a_training_that_cannot_be_is_refused_in_a_sentence(params, says):
    world(weeks=12)
    with pytest.raises(jobs.Refused, match=says):
        train("popularity", "discover", **params)
    assert ModelRun.objects.get().artifact == ""


def test_a_habit_beats_popularity_in_this_world():
    world()
    habit = train("personal_frequency", "again").metrics["again"]["ndcg"]["mean"]
    common = train("popularity", "again").metrics["again"]["ndcg"]["mean"]
    assert habit > common
    assert evaluation.TASKS == ("again", "discover")


def test_a_few_lines_long_after_all_others_do_not_make_the_test():
    source = world()
    before = train("popularity", "again").protocol
    behaviour.record(source, [purchase("c-00", "i-00", week=400)])
    after = train("popularity", "again")
    assert after.status == "done"
    assert after.metrics["again"]["n_users"] > 1
    assert after.protocol["test_from"][:4] == before["test_from"][:4]


def test_what_happens_after_the_test_part_changes_no_figure_of_it():
    source = world()
    before = train("popularity", "again")
    told = {"test_from": before.protocol["test_from"]}
    behaviour.record(source, [purchase("c-00", "i-00", week=400)] * 3)
    after = train("popularity", "again", **told)
    assert after.protocol["test_until"] == before.protocol["test_until"]
    assert after.metrics["again"] == before.metrics["again"]
    assert after.snapshot["lines"] > before.snapshot["lines"]

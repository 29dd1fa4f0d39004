"""The page of a run and the comparison, on runs that were really trained."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from segmentation.admin import model_pairs, model_table, model_words, run_page
from segmentation.engine.evaluation import Interval
from segmentation.models import ModelRun
from tests.segmentation.services import behaviour
from tests.segmentation.services.behaviour import train, world
from tests.segmentation.test_admin import page, signed_in

pytestmark = pytest.mark.django_db
COMPARE = "admin:segmentation_modelrun_compare"
INTERVAL = {"mean": 0.2, "low": 0.1, "high": 0.3}
GROUPS = {
    "discover": {
        "tenure": {
            "metric": "ndcg",
            "groups": {"new": {"n": 40, **INTERVAL}, "known": {"n": 50, **INTERVAL}},
            "too_small": {"guest": 3},
            "gap": {"best": "new", "worst": "known", **INTERVAL},
        }
    }
}
EXPOSURE = {
    "discover": {
        "category": {
            "groups": {
                "tea": {"shown": INTERVAL, "catalogue": 0.5, "sales": 0.7},
                "tools": {"shown": INTERVAL, "catalogue": 0.5, "sales": 0.3},
            },
            "gap": {"most": "tools", "least": "tea", **INTERVAL},
        }
    }
}


def side(name: str, *, simple: bool = False, coverage: float = 0.2, **fields):
    run = ModelRun(algorithm="als", purpose="discover", **fields)
    return model_words.Side(name, run, coverage, simple)


def test_a_run_shows_its_measures_rivals_trials_and_what_it_was_made_from():
    world()
    behaviour.live("popularity", "discover")
    run = train("als", "discover", trials=4, n_factors=3, iterations=2)
    answer = signed_in("Viewer").get(page(ModelRun, "change", run.pk))
    text, shown = answer.content.decode(), answer.context
    for word in ("MAP@10", "MRR", "novelty", "diversity", "Gini", "precision@10"):
        assert word in text
    for rival in shown["rivals"]:
        named = [line["name"] for line in rival["lines"]]
        assert {"Popularity", "Item kNN"} <= set(named)
        assert any("which is live" in name for name in named)
        assert all(line["verdict"] for line in rival["lines"])
    best = max(trial["ndcg"] for trial in run.trials)
    assert shown["trials"]["lines"][0]["ndcg"]["mean"] == best
    dots, stairs = json.loads(shown["trials"]["figure"])["data"]
    assert len(dots["y"]) == 4 and stairs["y"] == sorted(stairs["y"])
    assert "regularization: " in dots["text"][0] and "seed" not in dots["text"][0]
    assert run.snapshot["hash"] in text and run.code_version in text
    assert "trials 4" in text


def test_groups_and_exposure_are_told_with_what_chance_allows():
    told = {"ndcg": INTERVAL, "n_users": 90}
    metrics = {"discover": told, "groups": GROUPS, "exposure": EXPOSURE}
    run = ModelRun.objects.create(
        algorithm="als", purpose="discover", status="done", metrics=metrics
    )
    text = signed_in("Viewer").get(page(ModelRun, "change", run.pk)).content.decode()
    assert "“new” is served better than “known” by 0.200" in text
    assert "guest (3)" in text
    assert "“tools” is shown most and “tea” least" in text
    GROUPS_SAME = json.loads(json.dumps(GROUPS))
    GROUPS_SAME["discover"]["tenure"]["gap"]["low"] = 0.0
    run.metrics["groups"] = GROUPS_SAME
    assert "No gap can be told" in run_page.groups(run)[0]["gap"]


def test_a_run_at_work_shows_its_curve_and_trials_while_it_learns():
    points = [
        {"epoch": 1, "loss": 0.5, "metric": 0.1, "step": 1},
        {"epoch": 2, "loss": 0.4, "metric": 0.2, "step": 1},
    ]
    trial = {"params": {"n_factors": 8}, "ndcg": 0.2, "seconds": 1.5}
    run = ModelRun.objects.create(
        algorithm="ncf",
        purpose="discover",
        status="running",
        lease_until=timezone.now() + timedelta(minutes=1),
        curve=points,
        trials=[trial, {"params": {"n_factors": 9}, "ndcg": None, "error": "too wide"}],
    )
    client = signed_in("Viewer")
    fragment = client.get(page(ModelRun, "learning", run.pk)).content.decode()
    assert "data-plot" in fragment and "data-over" not in fragment
    assert "too wide" in fragment and "n_factors 8" in fragment
    address = page(ModelRun, "learning", run.pk)
    text = client.get(page(ModelRun, "change", run.pk)).content.decode()
    assert f'data-poll="{address}"' in text
    ModelRun.objects.filter(pk=run.pk).update(status="done")
    assert "data-over" in client.get(address).content.decode()


def test_runs_are_compared_in_pairs_on_the_same_weeks_only():
    world()
    live = behaviour.live("popularity", "again")
    habit = train("personal_frequency", "again")
    gain = model_pairs.difference(habit, live, "again")
    told = habit.metrics["beside"]["popularity"]["again"]["gain"]
    assert gain.mean == pytest.approx(told["mean"], abs=0.05)
    assert model_pairs.difference(live, habit, "again").mean == -gain.mean
    other = train("popularity", "again", period_days=21)
    assert model_pairs.difference(habit, other, "again") is None
    table = signed_in("Viewer").get(reverse(COMPARE)).context["tables"][0]
    lines = {line.run.pk: line for line in table.lines}
    assert lines[habit.pk].to_live["mean"] == pytest.approx(gain.mean)
    assert lines[live.pk].to_live == {}


def test_why_this_and_not_that_says_quality_coverage_cost_freshness_and_doubt():
    snapshots = [{"newest": f"2026-05-{day:02}T00:00:00+00:00"} for day in (20, 10)]
    ours = side(
        "ALS", snapshot=snapshots[0], timings={"refit": 60.0}, peak_memory_mb=900
    )
    theirs = side(
        "Popularity",
        simple=True,
        coverage=0.01,
        snapshot=snapshots[1],
        timings={"refit": 2.0},
        peak_memory_mb=200,
    )
    better = " ".join(model_words.why(ours, theirs, Interval(0.02, 0.01, 0.03)))
    assert "ALS ranks better than Popularity" in better and "+0.0100" in better
    assert "ALS names 20.0" in better and "Popularity only 1.0" in better
    assert "ALS takes 1 min 0 s and a process of 900 MB" in better
    assert "ALS has learned from 10 more days" in better
    worse = " ".join(model_words.why(ours, theirs, Interval(-0.02, -0.03, -0.01)))
    assert "The simple Popularity ranks better than ALS" in worse
    same = " ".join(model_words.why(ours, theirs, Interval(0.0, -0.01, 0.01)))
    assert "cannot be told apart" in same and "below about 0.0100" in same
    assert "not judged by the same weeks" in model_words.why(ours, theirs, None)[0]


def test_a_long_list_of_models_is_folded_and_keeps_what_matters_in_front():
    for at in range(30):
        ndcg = {"mean": 0.9 - at / 100, "low": 0.1, "high": 0.9}
        name = "popularity" if at == 29 else f"method-{at:02}"
        ModelRun.objects.create(
            algorithm=name,
            purpose="again",
            status="done",
            metrics={"again": {"ndcg": ndcg}},
        )
    runs = list(ModelRun.objects.all())
    table = model_table.tables(runs, lambda run: "#")[0]
    assert len(table.lines) == model_table.MOST_LINES and len(table.more) == 18
    assert table.lines[-1].run.algorithm == "popularity"
    answer = signed_in("Viewer").get(reverse(COMPARE)).content.decode()
    assert "18 more models" in answer

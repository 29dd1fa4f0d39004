"""What is told of a run: all measures, by group, beside what is simple and live."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segmentation.engine import evaluation, recommenders
from segmentation.engine.recommenders.knn import ItemKNN
from segmentation.models import ModelRun
from segmentation.services import jobs, registry, training
from segmentation.services.training import judging
from tests import storefront
from tests.segmentation.services import behaviour
from tests.segmentation.services.behaviour import purchase, train, world

# Each fits several models.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]
ALS = {"n_factors": 3, "iterations": 5}
MEASURES = {"ndcg", "recall", "precision", "hit_rate", "map", "mrr", "coverage"}


def judged(run: ModelRun) -> dict[str, np.ndarray]:
    folder = registry.local_folder(run.artifact) / "judged"
    return {path.stem: np.load(path) for path in folder.glob("*.npy")}


def test_all_measures_have_intervals_and_baselines_on_the_same_customers():
    world()
    run = train("als", "discover", **ALS)
    for task in ("again", "discover"):
        told = run.metrics[task]
        for name in MEASURES | {"novelty", "diversity"}:
            assert told[name]["low"] <= told[name]["mean"] <= told[name]["high"], name
        assert 0 <= told["gini"] < 1
    beside = run.metrics["beside"]
    assert set(beside) == {"about", "popularity", "personal_frequency", "item_knn"}
    assert set(beside["personal_frequency"]) == {"again"}
    kept = judged(run)
    for name in ("popularity", "item_knn"):
        for task in ("again", "discover"):
            told = beside[name][task]
            theirs, ours = kept[f"beside_{name}_{task}_ndcg"], kept[f"{task}_ndcg"]
            assert told["ndcg"]["mean"] == pytest.approx(theirs.mean())
            assert told["gain"]["mean"] == pytest.approx((ours - theirs).mean())
            assert told["gain"]["low"] <= told["gain"]["mean"] <= told["gain"]["high"]
    assert set(kept["again_user_ids"]) <= {
        behaviour.customer_id(f"c-{who:02}") for who in range(24)
    }


def test_a_baseline_is_what_a_run_of_it_measures():
    world()
    run = train("item_knn", "discover", n_neighbors=100)
    told = run.metrics["beside"]["item_knn"]["discover"]
    assert told["ndcg"] == run.metrics["discover"]["ndcg"]
    assert told["gain"] == {"mean": 0, "low": 0, "high": 0}


def test_baselines_are_fitted_once_for_the_same_data(monkeypatch):
    source = world()
    fits = []
    fit = ItemKNN.fit
    monkeypatch.setattr(
        ItemKNN, "fit", lambda self, *a, **k: fits.append(1) or fit(self, *a, **k)
    )
    first, second = (train("popularity", "discover") for _time in range(2))
    n_first = len(fits)
    assert n_first == 1
    assert second.metrics["beside"] == first.metrics["beside"]
    assert judged(second).keys() == judged(first).keys()
    other = train("popularity", "discover", period_days=21)
    assert len(fits) == n_first + 1 and other.metrics["beside"] != first.metrics
    behaviour.record(source, [purchase("c-00", "i-31", week=1, order="more")])
    train("popularity", "discover")
    assert len(fits) == n_first + 2


def test_without_the_artifact_the_baselines_are_fitted_again():
    world()
    first = train("popularity", "discover")
    (registry.local_folder(first.artifact) / "judged").rename(
        registry.local_folder(first.artifact) / "gone"
    )
    second = train("popularity", "discover")
    assert second.metrics["beside"] == first.metrics["beside"]
    assert "beside_item_knn_again_ndcg" in judged(second)


def test_the_live_run_is_judged_on_the_same_customers_and_weeks():
    source = world()
    live = behaviour.live("popularity", "discover")
    same = train("als", "discover", **ALS)
    told = same.metrics["live"]
    assert (told["run"], told["algorithm"]) == (live.pk, "popularity")
    assert told["discover"]["ndcg"] == live.metrics["discover"]["ndcg"]
    rows = [purchase("c-00", f"i-{n:02}", 24 + n % 4, "new") for n in range(20)]
    behaviour.record(source, rows)
    later = train("als", "discover", **ALS)
    told, kept = later.metrics["live"], judged(later)
    assert told["discover"]["ndcg"]["mean"] == kept["live_discover_ndcg"].mean()
    assert list(kept["live_discover_user_ids"]) == list(kept["discover_user_ids"])
    gain = (kept["discover_ndcg"] - kept["live_discover_ndcg"]).mean()
    assert told["discover"]["gain"]["mean"] == pytest.approx(gain)
    assert len(kept["live_discover_ndcg"]) != len(judged(live)["discover_ndcg"])


def test_a_live_run_that_cannot_be_judged_here_is_told_and_stops_nothing():
    world()
    live = behaviour.live("popularity", "discover")
    ModelRun.objects.filter(pk=live.pk).update(
        algorithm="als", metrics={}, chosen_params={"n_factors": 0}
    )
    run = train("popularity", "discover")
    assert run.status == "done"
    assert "n_factors must be at least 1" in run.metrics["live"]["error"]


def test_groups_of_customers_and_items_are_told_with_their_gap():
    world(n_customers=80)
    run = training.create_run("popularity", "again", params=behaviour.SMALL)
    data = training.load(run)
    n_users, n_items = len(data.train.users), len(data.train.items)
    data = replace(
        data,
        user_labels={
            "half": np.array(["first", ""])[np.arange(n_users) % 2],
            "alone": np.array(["same"] * n_users),
        },
        item_labels={"shelf": np.array(["a", "b"])[np.arange(n_items) % 2]},
    )
    model = recommenders.create("popularity").fit(data.train)
    _results, told = judging.judge(model, data, "again")
    found = told["groups"]["again"]
    assert set(found) == {"half"}  # of one group there is no gap to tell
    assert set(found["half"]["groups"]) == {"first", "(none)"}
    assert found["half"]["gap"]["low"] <= found["half"]["gap"]["mean"]
    shelf = told["exposure"]["again"]["shelf"]
    assert sum(each["shown"]["mean"] for each in shelf["groups"].values()) == (
        pytest.approx(1)
    )
    assert shelf["groups"]["a"]["catalogue"] == pytest.approx(0.5, abs=0.1)


def oracle_world(weeks: int = 24) -> None:
    """What is bought is drawn by chance, but the same line of the file tells it.

    The session, the amount and the quantity of a line and a view at the same time give
    away what is bought, in every week alike: all that a leak could carry.
    """
    storefront.start_afresh()
    source = behaviour.Source.objects.get_or_create(name="shop")[0]
    rng = np.random.default_rng(3)
    rows = []
    for week in range(weeks):
        for who in range(40):
            for item in rng.integers(0, 120, 3):
                line = purchase(f"c-{who:02}", f"i-{item:03}", week, f"{who}")
                line |= {"amount": float(item + 1), "session": f"next-{item:03}"}
                rows += [line, line | {"kind": "view", "order": ""}]
    behaviour.record(source, rows)


RECENT = {"half_life_days": 3.0}


@pytest.mark.parametrize(
    ("algorithm", "params"),
    [
        ("personal_frequency", RECENT),
        ("als", ALS),
        ("item_knn", {}),
        ("user_knn", {}),
        ("blend", {"members": ["personal_frequency", "item_knn"]}),
    ],
)
def test_a_column_that_gives_away_the_future_helps_nobody_who_is_judged(
    algorithm, params
):
    oracle_world()
    run = train(algorithm, "again", **params)
    found = run.metrics["again"]["ndcg"]
    chance = run.metrics["beside"]["popularity"]["again"]["ndcg"]
    assert found["mean"] < 0.15 and found["low"] < chance["high"]


def test_a_leak_would_be_seen_by_the_measures_of_the_leak_test():
    oracle_world()
    run = train("personal_frequency", "again", **RECENT)
    data = training.load(run)
    # The model that goes live did learn from the judged weeks; what it says of them:
    knowing = registry.load_model(run).recommend(
        np.arange(len(data.everything.users)), 10, exclude_seen=False
    )
    rows = data.everything.users.rows(data.train.users.ids)
    known = data.train.items.rows(data.everything.items.ids)
    truth = data.test_truth.tocsr()
    hits = evaluation.cell_hits(
        np.arange(len(rows))[:, None], known[knowing.items[rows]], truth
    )
    assert hits[np.diff(truth.indptr) > 0].mean() > 0.8


def test_a_cancelled_comparison_leaves_no_artifact():
    world()
    run = training.create_run("popularity", "discover", params=behaviour.SMALL)
    with pytest.raises(jobs.Cancelled), jobs.hold(run) as held:
        ModelRun.objects.filter(pk=run.pk).update(cancel_requested=True)
        training.train(run, held)
    run.refresh_from_db()
    assert (run.status, run.artifact, run.metrics) == ("cancelled", "", {})


@pytest.mark.slow
def test_a_network_leaves_its_curves_for_tensorboard():
    world()
    run = train("ncf", "discover", n_factors=4, epochs=2, trials=2)
    folder = registry.local_folder(run.artifact) / "logs"
    fits = sorted(path.name for path in folder.iterdir())
    # Two trials, the judged fit and the last one.
    assert fits == ["fit-001", "fit-002", "fit-003", "fit-004"]
    assert all(list(path.glob("events.out.tfevents.*")) for path in folder.iterdir())
    steps = {point["step"] for point in run.curve}
    assert len(steps) == 4
    assert {"epoch", "loss", "metric", "step"} <= run.curve[0].keys()

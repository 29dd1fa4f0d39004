"""Beyond accuracy and by group, against numbers worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.evaluation import intervals
from segmentation.engine.interactions import IdMap, Interactions

LISTS = np.array([[0, 1], [0, 2], [0, -1]])


def train(cells: list[list[int]]) -> Interactions:
    """Interactions of a users x items table of counts."""
    table = np.array(cells)
    users, items = np.nonzero(table)
    frame = pd.DataFrame({"user_id": users, "item_id": items})
    frame["weight"] = table[users, items].astype(float)
    return Interactions.from_frame(frame, items=IdMap(np.arange(table.shape[1])))


def test_gini_by_hand():
    assert evaluation.gini(np.array([[0, 1], [2, 3]]), 4) == 0
    assert evaluation.gini(np.array([[0], [0]]), 4) == pytest.approx(3 / 4)
    # Counts 0, 1, 1, 3: sum of (2 rank - n - 1) x count over n x total.
    assert evaluation.gini(LISTS, 4) == pytest.approx((-1 + 1 + 3 * 3) / (4 * 5))
    assert evaluation.gini(np.array([[-1]]), 4) == 0


def test_novelty_is_the_mean_of_bits_over_the_list():
    frame = pd.DataFrame({"user_id": [0, 1, 2, 3, 0], "item_id": [0, 0, 0, 0, 1]})
    train = Interactions.from_frame(frame.assign(weight=1.0), items=IdMap(np.arange(3)))
    found = evaluation.novelty(np.array([[0, 1], [0, -1], [2, 1], [-1, -1]]), train)
    # All four had 0, one had 1 (2 bits), nobody had 2 (as if half a user: 3 bits).
    assert found[:3].tolist() == [1, 0, 2.5]
    assert np.isnan(found[3])


def test_diversity_is_the_mean_distance_of_pairs():
    features = sparse.csr_matrix([[1.0, 0], [2, 0], [0, 3], [1, 1], [0, 0]])
    lists = np.array([[0, 1, -1], [0, 2, -1], [0, 1, 3], [0, 4, -1], [3, -1, -1]])
    found = evaluation.diversity(lists, features)
    mixed = 1 - (1 + 2 * np.sqrt(0.5)) / 3
    assert found[:4] == pytest.approx([0, 1, mixed, 1])
    assert np.isnan(found[4])
    assert evaluation.mean_of(found).mean == pytest.approx((2 + mixed) / 4)


def result(values: np.ndarray) -> evaluation.Result:
    n = len(values)
    rows = np.arange(n) * 2  # every second user was judged
    return evaluation.Result(
        "discover",
        10,
        5,
        rows,
        np.ones(n, np.int64),
        {"ndcg": values},
        {},
        np.zeros((n, 1), np.int32),
    )


def labelled(means: list[float], n: int, seed: int = 0) -> tuple:
    rng = np.random.default_rng(seed)
    values = np.concatenate([(rng.random(n) < mean).astype(float) for mean in means])
    names = np.repeat([f"g{at}" for at in range(len(means))], n)
    return result(values), np.repeat(names, 2)


def test_a_gap_between_groups_is_seen_with_its_ends():
    judged, labels = labelled([0.1, 0.3, 0.6], 300)
    found = evaluation.service(judged, labels)
    assert (found.worst, found.best) == ("g0", "g2")
    for at, name in enumerate(("g0", "g1", "g2")):
        own = judged.per_user["ndcg"][at * 300 : (at + 1) * 300]
        assert found.groups[name].mean == pytest.approx(own.mean())
        assert found.groups[name].low < own.mean() < found.groups[name].high
    gap = found.groups["g2"].mean - found.groups["g0"].mean
    assert found.gap.mean == pytest.approx(gap)
    assert 0.3 < found.gap.low < gap < found.gap.high < 0.65
    assert json.loads(json.dumps(found.as_dict()))["groups"]["g1"]["n"] == 300


def test_groups_served_alike_mostly_show_no_gap():
    reaches_zero = [
        evaluation.service(*labelled([0.3] * 5, 100, seed)).gap.low == 0
        for seed in range(60)
    ]
    assert sum(reaches_zero) >= 54


def test_small_groups_are_named_and_not_judged():
    judged, labels = labelled([0.1, 0.6], 50)
    labels[:80] = "g9"
    labels[-2:] = "g8"
    found = evaluation.service(judged, labels)
    assert found.sizes == {"g1": 49, "g9": 40}
    assert found.too_small == {"g0": 10, "g8": 1}
    with pytest.raises(evaluation.TooFewGroups, match="45 users"):
        evaluation.service(judged, labels, min_size=45)


def test_exposure_stands_beside_catalogue_and_sales_with_the_gap():
    # Items 0, 1 are tea and are all that is shown; 2, 3 tools; 4 says nothing.
    sold = train([[1, 0, 3, 0, 9], [0, 1, 0, 3, 9], [0, 0, 0, 0, 1]])
    labels = np.array(["tea", "tea", "tools", "tools", ""])
    lists = np.array([[0, 1, -1], [0, 2, 4], [1, -1, -1], [4, -1, -1]])
    found = evaluation.exposure(lists, labels, sold)
    # Shares of each list: 1, 1/2, 1; the last one shows nothing that has a label.
    assert found.shown["tea"].mean == pytest.approx(2.5 / 3)
    assert found.shown["tea"].low <= 2.5 / 3 <= found.shown["tea"].high
    assert (found.sales["tea"], found.catalogue["tea"]) == (0.25, 0.5)
    assert (found.most, found.least) == ("tea", "tools")
    assert found.gap.mean == pytest.approx(2 * (2.5 / 3 - 0.25))
    assert json.loads(json.dumps(found.as_dict()))["gap"]["most"] == "tea"


def test_of_many_groups_the_best_sold_have_names():
    sold = train([[4, 3, 2, 1]])
    labels = np.array(["a", "b", "c", "d"])
    found = evaluation.exposure(np.array([[3, 2]]), labels, sold, at_most=2)
    assert list(found.shown) == ["a", "b", "…"]
    assert found.shown["…"].mean == 1
    alike = np.array(["a"] * 4)
    assert evaluation.exposure(np.array([[0]]), alike, sold) is None


def test_intervals_of_many_users_are_those_of_the_bootstrap():
    values = np.random.default_rng(1).random((intervals.MANY, 1)) < 0.2
    values = values.astype(float)
    quick = evaluation.bootstrap(values, seed=0)
    weights = intervals.resamples(len(values), 0, 1000)
    drawn = np.concatenate([block @ values for block in weights])
    assert quick[0] == pytest.approx(np.percentile(drawn, 2.5), abs=1e-3)
    assert quick[1] == pytest.approx(np.percentile(drawn, 97.5), abs=1e-3)
    means = intervals.drawn_means(values[:, 0], seed=0)
    assert means.std() == pytest.approx(drawn.std(), rel=0.15)

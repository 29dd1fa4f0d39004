from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.evaluation import intervals
from segmentation.engine.interactions import IdMap, Interactions
from segmentation.engine.recommenders import topn

HALF = 1 / np.log2(3)  # the gain of the second place


class Lists:
    """A model that says what the test tells it, and remembers how it was asked."""

    def __init__(self, lists: list[list[int]]) -> None:
        self.lists = lists
        self.asked: dict = {}

    def recommend(self, user_rows, n=10, *, exclude_seen=True, item_mask=None):
        self.asked = {"exclude_seen": exclude_seen, "item_mask": item_mask}
        top = topn.empty(len(user_rows), n)
        for at, row in enumerate(user_rows):
            items = self.lists[row][:n]
            top.items[at, : len(items)] = items
        return top


def train(cells: list[list[int]]) -> Interactions:
    """Interactions of a users x items table of counts."""
    table = np.array(cells)
    users, items = np.nonzero(table)
    frame = pd.DataFrame(
        {"user_id": users, "item_id": items, "weight": table[users, items]}
    )
    n_users, n_items = table.shape
    return Interactions.from_frame(
        frame, IdMap(np.arange(n_users)), IdMap(np.arange(n_items))
    )


def test_the_metrics_of_one_list_by_hand():
    seen = train([[1, 0, 0, 0, 0]])
    truth = sparse.csr_matrix([[0, 1, 0, 1, 1]])
    result = evaluation.evaluate(Lists([[2, 1, 3]]), seen, truth, k=3)
    assert result["ndcg"].mean == pytest.approx((HALF + 0.5) / (1 + HALF + 0.5))
    assert result["recall"].mean == pytest.approx(2 / 3)
    assert result["precision"].mean == pytest.approx(2 / 3)
    assert result["hit_rate"].mean == 1
    assert result["map"].mean == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert result["mrr"].mean == pytest.approx(1 / 2)
    assert result["coverage"].mean == pytest.approx(3 / 5)


def test_the_ideal_is_over_as_many_places_as_there_are_targets():
    seen = train([[1, 0, 0]])
    one_target = sparse.csr_matrix([[0, 0, 1]])
    assert evaluation.evaluate(Lists([[2, 1]]), seen, one_target)["ndcg"].mean == 1
    second = evaluation.evaluate(Lists([[1, 2]]), seen, one_target)
    assert second["ndcg"].mean == pytest.approx(HALF)


def test_average_precision_is_over_as_many_hits_as_the_list_has_places_for():
    seen = train([[1, 0, 0, 0]])
    truth = sparse.csr_matrix([[0, 1, 1, 1]])
    result = evaluation.evaluate(Lists([[1, 2]]), seen, truth, k=2)
    assert result["map"].mean == 1
    assert result["recall"].mean == pytest.approx(2 / 3)
    late = evaluation.evaluate(Lists([[0, 1]]), seen, truth, k=2)
    assert late["map"].mean == pytest.approx(1 / 2 / 2)


def test_a_short_list_loses_precision_but_is_no_error():
    seen = train([[1, 0, 0, 0]])
    truth = sparse.csr_matrix([[0, 1, 1, 0]])
    result = evaluation.evaluate(Lists([[1]]), seen, truth, k=4)
    assert result["precision"].mean == 0.25
    assert result["recall"].mean == 0.5
    assert result["ndcg"].mean == pytest.approx(1 / (1 + HALF))


def test_an_empty_list_scores_nothing():
    seen = train([[1, 0], [1, 0]])
    truth = sparse.csr_matrix([[0, 1], [0, 1]])
    result = evaluation.evaluate(Lists([[], [1]]), seen, truth)
    for metric in ("ndcg", "recall", "precision", "hit_rate", "map", "mrr"):
        assert result.per_user[metric][0] == 0
    assert result.per_user["mrr"].tolist() == [0, 1]
    assert result.per_user["ndcg"].tolist() == [0, 1]


def test_pads_never_hit_the_last_item_of_the_user_before():
    seen = train([[1, 0], [1, 0]])
    truth = sparse.csr_matrix([[0, 1], [0, 1]])
    result = evaluation.evaluate(Lists([[], []]), seen, truth)
    assert result["hit_rate"].mean == 0


def test_again_asks_for_everything_and_discover_for_what_is_new():
    seen = train([[2, 0, 0], [0, 1, 0]])
    truth = sparse.csr_matrix([[1, 1, 0], [0, 1, 0]])
    model = Lists([[0, 1], [1, 0]])
    again = evaluation.evaluate(model, seen, truth, task="again", k=2)
    assert model.asked["exclude_seen"] is False
    assert again.n_targets.tolist() == [2, 1]
    discover = evaluation.evaluate(model, seen, truth, task="discover", k=2)
    assert model.asked["exclude_seen"] is True
    assert discover.user_rows.tolist() == [0]  # user 1 took nothing new
    assert discover.n_targets.tolist() == [1]
    assert discover["ndcg"].mean == pytest.approx(HALF)


def test_users_and_catalogue_can_be_limited():
    seen = train([[1, 0, 0], [1, 0, 0], [1, 0, 0]])
    truth = sparse.csr_matrix([[0, 1, 1], [0, 1, 1], [0, 1, 0]])
    model = Lists([[2], [2], [2]])
    result = evaluation.evaluate(
        model, seen, truth, users=[2, 1], items=[0, 2], task="discover", k=1
    )
    assert result.user_rows.tolist() == [1]  # user 2 has no target in the catalogue
    assert result["recall"].mean == 1
    assert result["coverage"].mean == 0.5
    masked = evaluation.evaluate(
        model, seen, truth, users=[1], items=np.array([True, False, True]), k=1
    )
    assert masked["recall"].mean == 1


def test_nobody_with_a_target_is_a_named_error():
    seen = train([[1, 1]])
    with pytest.raises(evaluation.NoTargets):
        evaluation.evaluate(Lists([[0]]), seen, sparse.csr_matrix((1, 2)))
    with pytest.raises(evaluation.NoTargets):
        evaluation.evaluate(Lists([[0]]), seen, sparse.csr_matrix([[1, 0]]))


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="again, discover"):
        evaluation.evaluate(
            Lists([[0]]), train([[1, 1]]), sparse.csr_matrix([[1, 0]]), task="guess"
        )


def test_a_result_is_json():
    seen = train([[1, 0], [1, 0]])
    result = evaluation.evaluate(
        Lists([[1], []]), seen, sparse.csr_matrix([[0, 1], [0, 1]]), k=1
    )
    numbers = json.loads(json.dumps(result.as_dict()))
    assert numbers["n_users"] == 2
    assert numbers["task"] == "discover"
    assert numbers["ndcg"] == {"mean": 0.5, "low": 0.0, "high": 1.0}


def test_truth_counts_each_known_pair_once_and_drops_the_unknown():
    frame = pd.DataFrame({"user_id": [1, 1, 2, 9], "item_id": [5, 5, 6, 5]})
    found = evaluation.truth(frame, IdMap(np.array([1, 2])), IdMap(np.array([5, 7])))
    assert found.toarray().tolist() == [[1, 0], [0, 0]]


def test_the_interval_is_the_one_of_the_central_limit():
    values = np.random.default_rng(3).normal(0.4, 0.2, (2000, 1))
    low, high = evaluation.bootstrap(values, seed=1)
    error = values.std() / np.sqrt(len(values))
    assert low[0] == pytest.approx(values.mean() - 1.96 * error, abs=error / 4)
    assert high[0] == pytest.approx(values.mean() + 1.96 * error, abs=error / 4)


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(200):
        values = (rng.random((150, 1)) < 0.3).astype(float)
        low, high = evaluation.bootstrap(values, seed=seed, n_resamples=400)
        covered += low[0] <= 0.3 <= high[0]
    assert 180 <= covered <= 199


def test_the_interval_does_not_depend_on_the_block_size(monkeypatch):
    values = np.random.default_rng(3).random((50, 2))
    before = evaluation.bootstrap(values, seed=4, n_resamples=60)
    monkeypatch.setattr(intervals, "BLOCK_CELLS", 50 * 60)
    again = evaluation.bootstrap(values, seed=4, n_resamples=60)
    assert np.array_equal(before, again)


def judged(lists: list[list[int]]) -> evaluation.Result:
    n_users = len(lists)
    seen = train([[1, 0, 0]] * n_users)
    truth = sparse.csr_matrix([[0, 0, 1]] * n_users)
    return evaluation.evaluate(Lists(lists), seen, truth, k=2)


def test_a_paired_difference_sees_what_two_intervals_cannot():
    rng = np.random.default_rng(0)
    easy = rng.random(400) < 0.5
    base = judged([[1, 2] if one else [] for one in easy])
    better = judged([[2, 1] if one else [] for one in easy])
    gain = evaluation.difference(base, better)
    assert gain.mean == pytest.approx((1 - HALF) * easy.mean())
    assert 0 < gain.low < gain.mean < gain.high
    assert gain.high - gain.low < base["ndcg"].high - base["ndcg"].low
    same = evaluation.difference(base, base)
    assert same == (0, 0, 0)


def test_results_of_other_users_are_not_compared():
    with pytest.raises(evaluation.NotPaired):
        evaluation.difference(judged([[1]]), judged([[1], [2]]))


def test_the_coverage_interval_knows_how_much_hangs_on_single_users():
    stable = judged([[1, 2]] * 50)["coverage"]
    assert stable == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    fragile = judged([[1, 2]] * 49 + [[0, 1]])["coverage"]
    assert fragile.mean == 1
    assert fragile.low < 1


def test_a_holdout_measures_what_evaluate_measures():
    seen = train([[1, 0, 0], [1, 0, 0]])
    truth = sparse.csr_matrix([[0, 1, 1], [0, 1, 0]])
    model = Lists([[1], [2, 1]])
    holdout = evaluation.Holdout(truth, task="discover", k=2)
    result = evaluation.evaluate(model, seen, truth, task="discover", k=2)
    assert holdout.ndcg(model, seen) == pytest.approx(result["ndcg"].mean)


def test_ties_at_the_border_go_to_the_lower_item():
    scores = np.array([[1, 2, 2, 2, 0], [5, 5, 5, 5, 5]], np.float32)
    top = topn.best(scores, 2)
    assert top.items.tolist() == [[1, 2], [0, 1]]
    assert top.scores.tolist() == [[2, 2], [5, 5]]


def test_no_candidate_is_no_place_in_the_list():
    scores = np.array([[-np.inf, 3, -np.inf], [-np.inf] * 3], np.float32)
    top = topn.best(scores, 2)
    assert top.items.tolist() == [[1, -1], [-1, -1]]
    assert np.isfinite(top.scores).all()


def test_the_best_are_those_of_a_full_sort():
    scores = np.random.default_rng(0).integers(0, 9, (40, 60)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    assert np.array_equal(topn.best(scores, 7).items, expected)

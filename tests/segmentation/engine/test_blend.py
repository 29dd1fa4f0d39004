from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from segmentation.engine import evaluation, recommenders
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import blend, topn


def shop(seed: int = 0) -> tuple[Interactions, evaluation.Holdout]:
    """Thirty people with a taste each, and later more of that taste."""
    rng = np.random.default_rng(seed)
    taste = np.arange(20)[None, :] % 3 == np.arange(30)[:, None] % 3
    past = rng.random((30, 20)) < np.where(taste, 0.5, 0.1)
    later = rng.random((30, 20)) < np.where(taste, 0.5, 0.02)
    users, items = np.nonzero(past)
    frame = pd.DataFrame({"user_id": users, "item_id": items, "weight": 1.0})
    data = Interactions.from_frame(frame.assign(timestamp=items % 7 * 1.0))
    assert data.user_items.shape == (30, 20)
    return data, evaluation.Holdout(sparse.csr_matrix(later.astype(float)), k=5)


def test_a_blend_is_the_weighted_sum_of_scaled_lists_by_hand():
    data, _ = shop()
    members = ("item_knn", "popularity")
    model = recommenders.create("blend", members=members, weights=(1.0, 0.5), depth=4)
    top = model.fit(data).recommend([3], n=8)
    expected = np.zeros(20)
    for name, weight in zip(members, (1.0, 0.5), strict=True):
        own = recommenders.create(name).fit(data).recommend([3], n=8)
        first, last = own.scores[0, 0], own.scores[0, own.items[0] >= 0][-1]
        for item, score in zip(own.items[0], own.scores[0], strict=True):
            if item >= 0:
                part = 0.05 + 0.95 * (score - last) / (first - last)
                expected[item] += weight * part
    order = np.argsort(-expected, kind="stable")[:8]
    assert top.items[0].tolist() == order.tolist()
    assert top.scores[0] == pytest.approx(expected[order], rel=1e-5)


def test_weights_learned_on_validation_are_at_least_as_good_as_the_best_member():
    data, holdout = shop()
    members = ("popularity", "item_knn", "user_knn")
    model = recommenders.create("blend", members=members)
    model.fit(data, validation=holdout)
    reached = holdout.ndcg(model, data)
    for name in members:
        alone = recommenders.create(name).fit(data)
        assert reached >= holdout.ndcg(alone, data) - 1e-9
    assert max(model.weights_) >= 1
    # What it reports while learning is what the lists are judged by.
    again = recommenders.create("blend", **model.refit_params).fit(data)
    assert again.weights_.tolist() == model.weights_.tolist()
    assert holdout.ndcg(again, data) == pytest.approx(reached)


def test_a_member_of_noise_gets_little_weight():
    data, holdout = shop()
    model = recommenders.create("blend", members=("item_knn", "popularity"))
    weights = model.fit(data, validation=holdout).weights_
    assert weights[0] == 1
    assert weights[1] < 1


def test_habit_and_discovery_in_one_list():
    data, _ = shop()
    model = recommenders.create(
        "blend", members=("personal_frequency", "ease"), weights=(1.0, 0.01)
    ).fit(data)
    top = model.recommend([4], n=12, exclude_seen=False).items[0]
    had = set(data.user_items[4].indices.tolist())
    own = recommenders.create("personal_frequency").fit(data)
    habit = own.recommend([4], n=len(had), exclude_seen=False).items[0]
    assert set(top[: len(had)].tolist()) == had == set(habit.tolist())
    new = recommenders.create("ease").fit(data).recommend([4], n=12 - len(had))
    assert top[len(had) :].tolist() == new.items[0].tolist()


def test_the_chain_fills_up_with_the_next_and_says_which_step_it_was():
    data, _ = shop()
    model = recommenders.create(
        "cold_start", members=("personal_frequency", "popularity")
    ).fit(data)
    top, steps = model.answer([2, -1], n=15, exclude_seen=False)
    had = np.diff(data.user_items.indptr)[2]
    assert steps[0].tolist() == [0] * had + [1] * (15 - had)
    assert len(set(top.items[0].tolist())) == 15
    popular = recommenders.create("popularity").fit(data).top(15).items[0]
    assert top.items[1].tolist() == popular.tolist()
    assert steps[1].tolist() == [1] * 15
    rest = [item for item in popular if item not in set(top.items[0, :had])]
    assert top.items[0, had:].tolist() == rest[: 15 - had]


def test_the_chain_is_short_only_where_the_catalogue_is():
    data, _ = shop()
    model = recommenders.create("cold_start").fit(data)
    top, steps = model.answer([2, -1], n=4, exclude_seen=False, item_mask=[1, 5])
    assert [sorted(row) for row in top.items.tolist()] == [[-1, -1, 1, 5]] * 2
    assert (steps >= 0).tolist() == (top.items >= 0).tolist()


def test_scaling_goes_on_below_the_last_and_stays_positive():
    whole = topn.TopN(np.array([[4, 2, 7]]), np.array([[3.0, 2.0, 1.0]]))
    deep = topn.TopN(np.array([[7, 5, 1]]), np.array([[1.0, 0.0, -3.0]]))
    scaled = blend._scaled(deep, whole)[0]
    assert scaled[0] == pytest.approx(blend.LISTED)
    assert (np.diff(scaled) < 0).all()
    assert scaled[-1] > 0


@pytest.mark.parametrize("name", ["blend", "cold_start"])
def test_a_known_history_folds_in_to_the_list_that_was_learned(name):
    data, _ = shop()
    members = ("item_knn", "ease", "popularity")
    model = recommenders.create(name, members=members).fit(data)
    rows = np.arange(30)
    known = model.recommend(rows, n=6)
    folded = model.recommend_for(data.user_items, n=6)
    assert folded.items.tolist() == known.items.tolist()
    assert folded.scores == pytest.approx(known.scores, rel=1e-5)


def test_a_blend_folds_in_and_has_reasons_only_where_all_its_members_do():
    data, _ = shop()
    able = recommenders.create("blend", members=("ease", "popularity")).fit(data)
    assert able.folds_in
    assert able.has_reasons
    alone = recommenders.create("blend", members=("popularity",)).fit(data)
    assert not alone.has_reasons


def test_the_reasons_of_a_blend_are_its_members_by_what_each_gives_the_item():
    data, _ = shop()
    members, weights = ("item_knn", "ease"), (1.0, 0.5)
    model = recommenders.create("blend", members=members, weights=weights).fit(data)
    history = data.user_items[[3]]
    item = int(model.recommend([3], n=1).items[0, 0])
    expected = np.zeros(20)
    for name, weight in zip(members, weights, strict=True):
        own = recommenders.create(name).fit(data)
        top = own.recommend([3], n=100, exclude_seen=False)
        gain = blend._scaled(top, top)[0][top.items[0] == item]
        why = own.reasons(history, [item], m=20)
        named = why.items[0] >= 0
        expected[why.items[0][named]] += weight * gain * why.shares[0][named]
    found = model.reasons(history, [item], m=20)
    shares = np.zeros(20)
    shares[found.items[0][found.items[0] >= 0]] = found.shares[0][found.items[0] >= 0]
    assert shares == pytest.approx(expected / expected.sum(), abs=1e-5)


def test_a_stated_share_of_places_is_by_chance_and_says_so():
    data, _ = shop()
    model = recommenders.create(
        "cold_start", members=("item_knn", "popularity"), random_share=0.3
    ).fit(data)
    plain = recommenders.create("cold_start", members=("item_knn", "popularity"))
    plain.fit(data)
    rows = np.arange(30)
    top, steps = model.answer(rows, n=5)
    usual = plain.answer(rows, n=5)[0]
    by_chance = steps == 2
    assert 0.1 < by_chance.mean() < 0.4
    assert (top.items[~by_chance] == usual.items[~by_chance]).all()
    seen = data.user_items.toarray() > 0
    for row, items in zip(rows, top.items, strict=True):
        assert len(set(items.tolist())) == 5
        assert not seen[row, items].any()
    # Whoever is asked beside: the same list, at every call.
    alone, _ = model.answer(rows[7:8], n=5)
    assert alone.items.tolist() == top.items[7:8].tolist()
    masked = model.answer(rows, n=5, item_mask=[1, 5, 9], exclude_seen=False)[0]
    assert set(masked.items.ravel().tolist()) <= {-1, 1, 5, 9}

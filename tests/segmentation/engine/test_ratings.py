"""Models of ratings and their errors against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from segmentation.engine import evaluation, interactions, recommenders
from segmentation.engine.interactions import IdMap, Interactions
from segmentation.engine.recommenders import rated, solving, towers

SLOW_TOWERS = pytest.param("towers", marks=pytest.mark.slow)


def rated_frame(cells: list[tuple[int, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=["user_id", "item_id", "rating"]).assign(
        weight=1.0
    )


def three_users() -> Interactions:
    """Users 0 and 1 differ by a point on what both rated, user 2 is their contrary."""
    table = [
        (0, 0, 5), (0, 1, 3), (0, 2, 1),
        (1, 0, 4), (1, 1, 2), (1, 3, 4),
        (2, 0, 1), (2, 2, 5), (2, 3, 1),
    ]  # fmt: skip
    return Interactions.from_frame(rated_frame(table))


class Told:
    def __init__(self, ratings: list[float]) -> None:
        self.ratings = np.array(ratings, np.float32)

    def predict(self, user_rows, item_rows):
        return self.ratings


def test_rmse_and_mae_by_hand():
    test = Interactions.from_frame(rated_frame([(0, 0, 1), (0, 1, 2), (1, 0, 5)]))
    found = evaluation.rating_errors(Told([2, 2, 2]), test)
    assert found["rmse"].mean == pytest.approx(np.sqrt((1 + 0 + 9) / 3))
    assert found["mae"].mean == pytest.approx((1 + 0 + 3) / 3)
    # Drawn are users with all their ratings: the first only, both or the second only.
    assert found["rmse"].low == pytest.approx(np.sqrt(1 / 2))
    assert found["rmse"].high == pytest.approx(3)


def test_errors_need_ratings():
    test = Interactions.from_frame(rated_frame([(0, 0, 1)]).drop(columns="rating"))
    with pytest.raises(interactions.NoRatings):
        evaluation.rating_errors(Told([1]), test)


def test_the_interval_of_the_rmse_shrinks_with_the_users():
    rng = np.random.default_rng(0)

    def width(n_users: int) -> float:
        users, items = np.divmod(np.arange(n_users * 10), 10)
        frame = pd.DataFrame({"user_id": users, "item_id": items, "weight": 1.0})
        frame["rating"] = rng.normal(3, 1, len(frame))
        test = Interactions.from_frame(frame)
        found = evaluation.rating_errors(Told([3] * len(frame)), test)["rmse"]
        assert found.low < 1 < found.high
        return found.high - found.low

    assert width(800) < width(50) / 3


def plain(**params) -> recommenders.base.Recommender:
    told = {"side": "user", "form": "plain", "similarity": "msd", "shrinkage": 0.0}
    return recommenders.create("rating_knn", **(told | params)).fit(three_users())


def test_plain_neighbours_by_mean_squared_difference_by_hand():
    # User 0 and item 3: user 1 is 1 / (1 + 1) near, user 2 is 1 / ((16 + 16) / 2 + 1).
    near, far = 1 / 2, 1 / 17
    expected = (near * 4 + far * 1) / (near + far)
    assert plain().predict([0], [3])[0] == pytest.approx(expected, rel=1e-5)
    assert plain(n_neighbors=1).predict([0], [3])[0] == pytest.approx(4)


def test_shrinkage_trusts_more_in_common():
    near, far = 1 / 2 * 2 / (2 + 3), 1 / 17 * 2 / (2 + 3)
    expected = (near * 4 + far * 1) / (near + far)
    found = plain(shrinkage=3.0).predict([0], [3])[0]
    assert found == pytest.approx(expected, rel=1e-5)
    # User 1 and item 2: only items 0 and 3 are shared with user 2, 0 and 1 with user 0.
    a, b = 1 / 2 * 2 / 5, 1 / ((9 + 9) / 2 + 1) * 2 / 5
    found = plain(shrinkage=3.0).predict([1], [2])[0]
    assert found == pytest.approx((a * 1 + b * 5) / (a + b), rel=1e-5)


def test_mean_centred_neighbours_by_hand():
    model = plain(form="mean", similarity="cosine")
    # Means 3, 10/3 and 7/3; on items 0 and 1 users 0 and 1 are (2, 0) and (2/3, -4/3).
    near = (2 * 2 / 3) / np.sqrt(4 * (4 / 9 + 16 / 9))
    assert near > 0
    expected = 3 + (4 - 10 / 3)  # user 2 is no neighbour: the cosine is negative
    assert model.predict([0], [3])[0] == pytest.approx(expected, rel=1e-5)


def test_the_neighbours_of_an_item_are_items_of_the_same_user():
    model = plain(side="item")
    # User 0 and item 3, by users 1 and 2: item 0 is as it is, 1 and 2 are 2 and 4 off.
    weights = np.array([1, 1 / 5, 1 / 17])
    expected = weights @ [5, 3, 1] / weights.sum()
    assert model.predict([0], [3])[0] == pytest.approx(expected, rel=1e-5)


def test_where_nobody_is_near_the_offset_is_what_is_known():
    cells = [(0, 0, 5), (0, 1, 4), (1, 0, 5), (1, 1, 3), (2, 2, 1), (3, 2, 2)]
    data = Interactions.from_frame(rated_frame(cells))
    mean = 20 / 6
    for form, expected in (("plain", mean), ("mean", 4.5)):
        model = recommenders.create(
            "rating_knn", side="user", form=form, similarity="msd", shrinkage=0.0
        ).fit(data)
        assert model.predict([0], [2])[0] == pytest.approx(expected, rel=1e-5)
    assert model.predict([-1], [-1])[0] == pytest.approx(mean, rel=1e-5)


def test_a_rating_that_is_learned_from_does_not_predict_itself():
    cells = [(0, 0, 5), (0, 1, 1), (1, 0, 2), (1, 1, 1)]
    model = recommenders.create(
        "rating_knn", side="user", form="plain", similarity="msd", shrinkage=0.0
    ).fit(Interactions.from_frame(rated_frame(cells)))
    assert model.predict([0], [0])[0] == pytest.approx(2)


def test_baselines_are_shrunk_means_around_the_mean():
    ratings = rated.matrix(three_users())
    users, items = rated.baselines(ratings, 2.0, 1.0, iterations=200)
    mean = ratings.data.mean()
    dense = ratings.toarray()
    for user in range(3):
        own = dense[user] > 0
        left = (dense[user] - mean - items)[own]
        assert users[user] == pytest.approx(left.sum() / (2 + own.sum()), abs=1e-6)


def low_rank(noise: float = 0.0) -> tuple[Interactions, Interactions]:
    """Ratings of rank 2 with biases, and the tenth that was kept back."""
    rng = np.random.default_rng(4)
    left, right = rng.normal(size=(80, 2)), rng.normal(size=(50, 2))
    table = 3 + left @ right.T + rng.normal(0, 0.5, (80, 1)) + rng.normal(0, 0.5, 50)
    table += rng.normal(0, noise, table.shape)
    users, items = np.divmod(np.arange(table.size), 50)
    cells = pd.DataFrame({"user_id": users, "item_id": items, "weight": 1.0})
    cells["rating"] = table.ravel()
    train, test = next(evaluation.k_fold(cells, 10))
    maps = IdMap(np.arange(80)), IdMap(np.arange(50))
    return Interactions.from_frame(train, *maps), Interactions.from_frame(test, *maps)


def test_mf_finds_a_table_of_low_rank_again():
    train, test = low_rank()
    model = recommenders.create("mf", n_factors=2, regularization=0.01, iterations=40)
    errors = evaluation.rating_errors(model.fit(train), test)
    assert errors["rmse"].mean < 0.1 * test.rating.std()


def test_the_first_half_step_of_mf_is_the_ridge_regression_written_out():
    train, _ = low_rank(noise=0.3)
    told = {"n_factors": 3, "regularization": 1.5, "bias_regularization": 2.0}
    model = recommenders.create("mf", **told, iterations=1).fit(train)
    ratings, item = rated.matrix(train), 7
    raters = ratings[:, item].tocoo()
    features = np.c_[np.ones(raters.nnz), model.user_vectors_[raters.row]]
    goals = raters.data - ratings.data.mean() - model.user_bias_[raters.row]
    penalty = np.diag([2.0, *[1.5 * np.sqrt(raters.nnz)] * 3])
    expected = np.linalg.solve(features.T @ features + penalty, features.T @ goals)
    assert model.item_bias_[item] == pytest.approx(expected[0], abs=1e-4)
    assert model.item_vectors_[item] == pytest.approx(expected[1:], abs=1e-4)


def test_the_error_that_mf_reports_falls():
    seen = []
    recommenders.create("mf", n_factors=3).fit(
        low_rank(0.3)[0], on_epoch=lambda *step: seen.append(step)
    )
    assert [step[:2] for step in seen] == [(n, 15) for n in range(1, 16)]
    assert seen[-1][2] < seen[0][2]


@pytest.mark.slow
def test_the_towers_error_is_that_of_their_formula():
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(6, 5)) * (rng.random((6, 5)) < 0.7)).astype(np.float32)
    kernels = [rng.normal(0, 0.5, (n, 3)).astype(np.float32) for n in (5, 6)]
    shifts = [rng.normal(0, 0.5, 3).astype(np.float32) for _ in range(2)]
    users = np.tanh(table * 0.5 @ kernels[0] + shifts[0])
    items = np.tanh(table.T * 0.7 @ kernels[1] + shifts[1])
    pairs = tuple(part.astype(np.int32) for part in np.nonzero(table))
    ratings = table[pairs]
    expected = ((users @ items.T)[pairs] - ratings) ** 2
    weights = kernels[0], shifts[0], kernels[1], shifts[1]
    found = towers.half_error(
        ratings, pairs, (ratings * 0.5, ratings * 0.7), table.shape, weights
    )
    assert float(found) == pytest.approx(expected.mean() / 2, rel=1e-5)


@pytest.mark.slow
def test_towers_learn_more_than_the_mean_and_fold_a_known_history_in_exactly():
    train, test = low_rank()
    model = recommenders.create("towers", epochs=150, weight_decay=0.1).fit(train)
    assert evaluation.rating_errors(model, test)["rmse"].mean < 0.8 * test.rating.std()
    top = model.recommend([5], n=4)
    folded = model.recommend_for(rated.matrix(train)[[5]], n=4)
    assert folded.items.tolist() == top.items.tolist()
    assert folded.scores == pytest.approx(top.scores, rel=1e-4)


def test_batches_solve_what_one_by_one_would(monkeypatch):
    monkeypatch.setattr(solving, "CELLS", 100)
    rng = np.random.default_rng(0)
    table = rng.random((40, 30)) * (rng.random((40, 30)) < 0.4)
    table[5] = 0
    weights = rated.sparse.csr_matrix(table)
    goals, features = rng.random(weights.nnz), rng.random((30, 4))
    penalties, base = rng.random((40, 4)) + 0.1, np.eye(4)
    found = solving.ridge(weights, goals, features, penalties, base)
    for row in range(40):
        part = slice(weights.indptr[row], weights.indptr[row + 1])
        own = features[weights.indices[part]]
        left = (
            base + own.T @ np.diag(weights.data[part]) @ own + np.diag(penalties[row])
        )
        assert found[row] == pytest.approx(np.linalg.solve(left, own.T @ goals[part]))


def test_several_ratings_of_one_item_count_as_their_mean_and_zero_is_a_rating():
    frame = rated_frame([(0, 0, 0), (0, 1, 2), (0, 1, 4), (1, 1, 5)])
    ratings = rated.matrix(Interactions.from_frame(frame))
    assert ratings.nnz == 3
    assert ratings.data.tolist() == [0, 3, 5]


@pytest.mark.parametrize("name", ["mf", "rating_knn", SLOW_TOWERS])
def test_predictions_stay_on_the_scale(name):
    model = recommenders.create(name).fit(three_users())
    users, items = np.divmod(np.arange(12), 4)
    found = model.predict(users, items)
    assert found.min() >= 1
    assert found.max() <= 5


@pytest.mark.parametrize("name", ["mf", "rating_knn", SLOW_TOWERS])
def test_ratings_that_teach_nothing_are_refused_with_a_sentence(name):
    none = rated_frame([(0, 0, 1), (1, 1, 2)]).drop(columns="rating")
    with pytest.raises(interactions.NoRatings, match="no ratings"):
        recommenders.create(name).fit(Interactions.from_frame(none))
    same = rated_frame([(0, 0, 3), (1, 1, 3)])
    with pytest.raises(interactions.DataError, match="the same"):
        recommenders.create(name).fit(Interactions.from_frame(same))

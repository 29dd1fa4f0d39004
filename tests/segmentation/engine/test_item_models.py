"""EASE, SLIM and RP3beta against their definitions, written out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import ElasticNet

from segmentation.engine import recommenders
from segmentation.engine.interactions import DataError, Interactions
from segmentation.engine.recommenders import ease


def log(n_users: int = 60, n_items: int = 12, seed: int = 0) -> Interactions:
    """Two tastes and some chance; low items are the popular ones."""
    rng = np.random.default_rng(seed)
    taste = np.arange(n_items)[None, :] % 2 == np.arange(n_users)[:, None] % 2
    chance = np.where(taste, 0.6, 0.15) * np.linspace(1.3, 0.4, n_items)
    users, items = np.nonzero(rng.random((n_users, n_items)) < chance)
    frame = pd.DataFrame({"user_id": users, "item_id": items})
    return Interactions.from_frame(frame.assign(weight=rng.integers(1, 4, len(users))))


def dense(data: Interactions) -> np.ndarray:
    return data.user_items.toarray().astype(np.float64)


def ease_by_the_book(x: np.ndarray, regularization: float) -> np.ndarray:
    inverse = np.linalg.inv(x.T @ x + regularization * np.eye(x.shape[1]))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def test_the_weights_of_ease_are_the_closed_form():
    model = recommenders.create("ease", regularization=5.0, counts="linear")
    expected = ease_by_the_book(dense(log()), 5.0)
    assert model.fit(log()).weights_ == pytest.approx(expected, abs=1e-4)
    top = model.recommend([4], n=12, exclude_seen=False)
    scores = dense(log())[4] @ expected
    assert top.items[0].tolist() == np.argsort(-scores, kind="stable").tolist()


def test_beyond_the_memory_the_popular_items_are_kept_and_predict_the_others(
    monkeypatch,
):
    monkeypatch.setattr(ease, "COPIES", 2**20 / (4 * 8 * 8))  # room for 8 items
    data = log()
    model = recommenders.create(
        "ease", regularization=5.0, counts="linear", memory_mib=1
    ).fit(data)
    x = dense(data)
    by_takers = np.argsort(-(x > 0).sum(axis=0), kind="stable")
    assert model.kept_.tolist() == sorted(by_takers[:8])
    kept = x[:, model.kept_]
    assert model.weights_ == pytest.approx(ease_by_the_book(kept, 5.0), abs=1e-4)
    rare = by_takers[8:]
    ridge = np.linalg.solve(kept.T @ kept + 5 * np.eye(8), kept.T @ x[:, rare])
    found = model.rare_.toarray()[:, rare]
    assert found == pytest.approx(np.maximum(ridge, 0), abs=1e-4)
    named = model.recommend(np.arange(60), n=12, exclude_seen=False).items
    assert set(rare.tolist()) <= set(named.ravel().tolist())
    why = model.reasons(data.user_items[[4]], [int(rare[0])], m=8).items[0]
    assert set(why.tolist()) <= {-1, *model.kept_.tolist()}


def test_whose_history_is_of_rare_items_only_gets_no_list(monkeypatch):
    monkeypatch.setattr(ease, "COPIES", 2**20 / (4 * 8 * 8))
    data = log()
    model = recommenders.create("ease", memory_mib=1).fit(data)
    rare = np.setdiff1d(np.arange(12), model.kept_)
    history = sparse.csr_matrix(([1.0], ([0], [rare[0]])), shape=(1, 12))
    assert set(model.recommend_for(history).items[0].tolist()) == {-1}


def test_the_inverse_of_a_large_matrix_is_whole():
    rng = np.random.default_rng(1)
    x = rng.random((1300, 1300), dtype=np.float32)
    matrix = np.asfortranarray(x.T @ x + 100 * np.eye(1300, dtype=np.float32))
    inverse = ease.inverted(matrix.copy(order="F"))
    assert np.abs(inverse @ matrix - np.eye(1300)).max() < 1e-2
    assert np.array_equal(inverse, inverse.T)


def test_a_regression_without_a_solution_says_what_to_do():
    with pytest.raises(DataError, match="raise the regularization"):
        ease.inverted(-np.eye(3, dtype=np.float32, order="F"))


def test_the_weights_of_slim_are_those_of_an_elastic_net_without_the_item_itself():
    model = recommenders.create(
        "slim", regularization=4.0, sparsity=1.5, counts="linear", iterations=400
    )
    found = model.fit(log()).similarity_.toarray()
    x = dense(log())
    n_users, n_items = x.shape
    for item in range(n_items):
        others = np.arange(n_items) != item
        net = ElasticNet(
            alpha=5.5 / n_users,
            l1_ratio=1.5 / 5.5,
            positive=True,
            fit_intercept=False,
            tol=1e-8,
            max_iter=100_000,
        ).fit(x[:, others], x[:, item])
        assert found[others, item] == pytest.approx(net.coef_, abs=2e-3)
        assert found[item, item] == 0


def test_more_sparsity_keeps_fewer_weights():
    few, many = (
        recommenders.create("slim", sparsity=sparsity).fit(log()).similarity_.nnz
        for sparsity in (5.0, 0.0)
    )
    assert few < many


def test_rp3beta_is_the_walk_written_out():
    alpha, beta = 0.8, 0.3
    model = recommenders.create(
        "rp3beta", alpha=alpha, beta=beta, n_neighbors=12, counts="linear"
    ).fit(log())
    x = dense(log())
    expected = np.zeros((12, 12))
    for start in range(12):
        for end in range(12):
            for user in range(60):
                there = (x[user, start] / x[:, start].sum()) ** alpha
                back = (x[user, end] / x[user].sum()) ** alpha
                expected[start, end] += there * back
    expected /= np.count_nonzero(x, axis=0) ** beta
    np.fill_diagonal(expected, 0)
    assert model.similarity_.toarray() == pytest.approx(expected, rel=1e-4)


def test_each_item_keeps_the_ones_it_is_reached_from_best():
    model = recommenders.create("rp3beta", n_neighbors=3).fit(log())
    assert np.bincount(model.similarity_.indices).tolist() == [3] * 12


@pytest.mark.parametrize("name", ["ease", "slim", "rp3beta"])
def test_what_the_history_adds_up_to_is_the_score(name):
    model = recommenders.create(name).fit(log())
    history = model.user_items_[[4, 4]]
    top = model.recommend_for(history[:1], n=2)
    parts = model._contributions(history, top.items[0].astype(np.int64))
    sums = np.asarray(parts.sum(axis=1)).ravel()
    assert sums == pytest.approx(top.scores[0], rel=1e-3)

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info

from segmentation.engine import interactions, recommenders
from segmentation.engine.recommenders import base
from tests import checkerboard


def world() -> interactions.Interactions:
    return interactions.Interactions.from_frame(checkerboard.frame())


def small(**params) -> base.Recommender:
    return recommenders.create("als", n_factors=3, regularization=0.1, **params)


def test_a_score_is_the_product_of_the_two_vectors():
    model = small().fit(world())
    top = model.recommend([4], n=10)
    expected = model.item_vectors_[top.items[0]] @ model.user_vectors_[4]
    assert top.scores[0] == pytest.approx(expected, rel=1e-5)


def test_the_lists_are_those_of_a_full_sort():
    model = recommenders.create("als", n_factors=8, iterations=2).fit(world())
    scores = model.user_vectors_ @ model.item_vectors_.T
    scores[world().user_items.toarray() > 0] = -np.inf
    top = model.recommend(np.arange(50), n=5)
    best = -np.sort(-scores, axis=1)[:, :5]
    assert top.scores == pytest.approx(best, rel=1e-4, abs=1e-6)


def test_the_users_of_one_taste_lie_together():
    model = small().fit(world())
    even = np.array([int(user[1:]) % 2 == 0 for user in model.users_.ids])
    unit = model.user_vectors_ / np.linalg.norm(
        model.user_vectors_, axis=1, keepdims=True
    )
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    nearest = np.argsort(-alike, axis=1)[:, : checkerboard.N // 2 - 1]
    assert (even[nearest] == even[:, None]).all()


def test_it_solves_the_equation_of_the_paper():
    """Hu, Koren, Volinsky 2008, eq. 4, for the items after the last half-step."""
    model = small(weighting="linear", iterations=40).fit(world())
    users, items = model.user_vectors_, model.item_vectors_
    counts = world().user_items.toarray()
    for item in (0, 7, 31):
        confidence = np.where(counts[:, item] > 0, counts[:, item], 1.0)
        left = users.T @ (confidence[:, None] * users) + 0.1 * np.eye(3)
        right = users.T @ np.where(counts[:, item] > 0, counts[:, item], 0.0)
        assert items[item] == pytest.approx(np.linalg.solve(left, right), abs=2e-3)


def test_progress_is_told_and_can_cancel():
    told = []
    small(iterations=4).fit(world(), on_epoch=lambda *at: told.append(at[:2]))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def cancel(epoch: int, *_: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(iterations=4).fit(world(), on_epoch=cancel)


def test_blas_has_one_thread_inside_the_fit_and_its_own_number_after():
    def threads() -> list[int]:
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        return [pool["num_threads"] for pool in pools]

    before, inside = threads(), []
    small().fit(world(), on_epoch=lambda *_: inside.extend(threads()))
    assert set(inside) == {1}
    assert threads() == before


def test_the_seed_decides():
    first, same, other = (small(seed=seed).fit(world()) for seed in (1, 1, 2))
    assert np.array_equal(first.item_vectors_, same.item_vectors_)
    assert not np.array_equal(first.item_vectors_, other.item_vectors_)


@pytest.mark.parametrize(
    "params", [{"weighting": "sqrt"}, {"n_factors": 0}, {"iterations": 0}]
)
def test_a_parameter_out_of_range_is_named(params):
    with pytest.raises(base.BadParameter, match=next(iter(params))):
        recommenders.create("als", **params).fit(world())


def many() -> interactions.Interactions:
    rng = np.random.default_rng(2)
    users, items = np.nonzero(rng.random((60, 40)) < 0.3)
    frame = pd.DataFrame({"user_id": users, "item_id": items})
    return interactions.Interactions.from_frame(
        frame.assign(weight=rng.integers(1, 4, len(users)))
    )


def test_a_fold_in_solves_the_equation_of_the_paper():
    model = recommenders.create(
        "als", n_factors=4, regularization=2.0, alpha=3.0, weighting="linear"
    ).fit(many())
    history = many().user_items[[7]]
    y = model.item_vectors_.astype(np.float64)
    confidence = 3.0 * history.toarray()[0]
    chosen = confidence > 0
    left = y.T @ y + 2 * np.eye(4)
    left += y[chosen].T @ np.diag(confidence[chosen] - 1) @ y[chosen]
    vector = np.linalg.solve(left, y[chosen].T @ confidence[chosen])
    scores = vector @ y.T
    scores[chosen] = -np.inf
    top = model.recommend_for(history, n=5)
    assert top.items[0].tolist() == np.argsort(-scores, kind="stable")[:5].tolist()
    assert top.scores[0] == pytest.approx(-np.sort(-scores)[:5], rel=1e-4)


def test_what_the_history_adds_up_to_is_the_score():
    model = recommenders.create("als", n_factors=4).fit(many())
    histories = many().user_items[[7, 11]]
    top = model.recommend_for(histories, n=1)
    parts = model._contributions(histories, top.items[:, 0].astype(np.int64))
    sums = np.asarray(parts.sum(axis=1)).ravel()
    assert sums == pytest.approx(top.scores[:, 0], rel=1e-4)


def test_folding_a_known_history_in_gives_nearly_the_list_of_the_fit():
    model = recommenders.create("als", n_factors=4, iterations=30).fit(many())
    fitted = model.recommend(np.arange(60), n=5).items
    folded = model.recommend_for(many().user_items, n=5).items
    assert (fitted == folded).mean() > 0.9

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from implicit import nearest_neighbours

from segmentation.engine import recommenders
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import base, similarity


def baskets() -> Interactions:
    """Bread and butter go together, so do paint and brush; 4 is bought by all."""
    table = [
        [1, 1, 0, 0, 1],
        [1, 1, 0, 0, 1],
        [3, 1, 0, 0, 1],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
        [1, 0, 0, 0, 1],
    ]
    users, items = np.nonzero(table)
    weights = np.array(table)[users, items]
    return Interactions.from_frame(
        pd.DataFrame({"user_id": users, "item_id": items, "weight": weights})
    )


def test_cosine_is_the_one_computed_by_hand():
    model = recommenders.create(
        "item_knn", weighting="cosine", counts="linear", n_neighbors=5
    ).fit(baskets())
    columns = baskets().user_items.toarray()
    unit = columns / np.linalg.norm(columns, axis=0)
    assert model.similarity_.toarray() == pytest.approx(unit.T @ unit, abs=1e-6)


def test_a_score_is_the_sum_over_the_history_of_count_times_similarity():
    model = recommenders.create(
        "item_knn", weighting="cosine", counts="linear", n_neighbors=5
    ).fit(baskets())
    top = model.recommend([2], n=5, exclude_seen=False)
    expected = baskets().user_items[2].toarray()[0] @ model.similarity_.toarray()
    for item, score in zip(top.items[0], top.scores[0], strict=True):
        assert score == pytest.approx(expected[item] if item >= 0 else 0, rel=1e-5)


def test_items_that_share_no_user_are_neither_similar_nor_recommended():
    model = recommenders.create("item_knn", weighting="cosine").fit(baskets())
    assert not set(model.similar_items([0], n=5).items[0]) & {2, 3}
    paint = model.recommend([3], n=5, exclude_seen=False, item_mask=[2, 3])
    assert set(paint.items[0].tolist()) == {2, 3, -1}


@pytest.mark.parametrize("weighting", ["tfidf", "bm25"])
def test_what_everybody_buys_says_little(weighting):
    model = recommenders.create("item_knn", weighting=weighting).fit(baskets())
    assert model.similar_items([2], n=1).items.tolist() == [[3]]


def test_only_so_many_neighbours_are_kept_beside_the_item_itself():
    model = recommenders.create("item_knn", weighting="cosine", n_neighbors=1)
    kept = np.diff(model.fit(baskets()).similarity_.indptr)
    assert kept.max() == 2
    assert model.similar_items([0], n=5).items.tolist()[0][1:] == [-1] * 4


def test_log_counts_damp_what_was_bought_often():
    scores = {}
    for counts in ("log", "linear"):
        model = recommenders.create("item_knn", weighting="cosine", counts=counts)
        top = model.fit(baskets()).recommend([2], n=5, exclude_seen=False)
        scores[counts] = dict(zip(top.items[0], top.scores[0], strict=True))[0]
    assert scores["log"] < scores["linear"]


def test_shrinkage_trusts_a_likeness_by_what_is_shared():
    plain, shrunk = (
        recommenders.create(
            "item_knn", weighting="cosine", counts="linear", shrinkage=shrinkage
        )
        .fit(baskets())
        .similarity_.toarray()
        for shrinkage in (0.0, 2.0)
    )
    shared = (baskets().user_items > 0).astype(float)
    n = (shared.T @ shared).toarray()
    assert shrunk == pytest.approx(plain * n / (n + 2), abs=1e-6)


def test_the_power_says_how_much_length_counts():
    model = recommenders.create(
        "item_knn", weighting="cosine", counts="linear", power=0.25
    ).fit(baskets())
    columns = baskets().user_items.toarray()
    root = columns / np.sqrt(np.linalg.norm(columns, axis=0))
    assert model.similarity_.toarray() == pytest.approx(root.T @ root, abs=1e-5)


@pytest.mark.parametrize("weighting", ["tfidf", "bm25"])
def test_the_weights_are_those_of_the_library(weighting):
    item_users = baskets().user_items.T.tocsr()
    theirs = {
        "bm25": lambda: nearest_neighbours.bm25_weight(item_users, 1.5, 0.4),
        "tfidf": lambda: nearest_neighbours.normalize(
            nearest_neighbours.tfidf_weight(item_users)
        ),
    }[weighting]()
    weights = similarity.Weighting(weighting, 1.5, 0.4, 0.5)
    ours = weights.apply(item_users, weights.learn(item_users))
    assert ours.toarray() == pytest.approx(theirs.toarray(), rel=1e-5)


def people(**params) -> base.Recommender:
    told = {"weighting": "cosine", "counts": "linear", "n_neighbors": 2} | params
    return recommenders.create("user_knn", **told).fit(baskets())


def test_a_users_score_is_the_sum_over_the_nearest_others_by_hand():
    rows = baskets().user_items.toarray()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, 0)
    first, second = np.argsort(-alike[5], kind="stable")[:2]
    expected = alike[5, first] * rows[first] + alike[5, second] * rows[second]
    top = people().recommend([5], n=5, exclude_seen=False)
    found = dict(zip(top.items[0].tolist(), top.scores[0].tolist(), strict=True))
    for item in np.flatnonzero(expected):
        assert found[item] == pytest.approx(expected[item], rel=1e-5)


def test_nobody_is_a_neighbour_of_their_own():
    assert people().neighbours_.diagonal().tolist() == [0] * 6
    assert np.diff(people().neighbours_.indptr).max() == 2


def test_a_known_history_under_a_new_name_is_nearest_to_itself():
    model = people(n_neighbors=6)
    alone = model.recommend_for(baskets().user_items[[3]], n=5, exclude_seen=False)
    assert set(alone.items[0, :3].tolist()) == {2, 3, 4}


@pytest.mark.parametrize("name", ["user_knn", "item_knn"])
@pytest.mark.parametrize("shrinkage", [0.0, 3.0])
def test_what_the_history_adds_up_to_is_the_score(name, shrinkage):
    model = recommenders.create(name, weighting="cosine", shrinkage=shrinkage)
    history = model.fit(baskets()).user_items_[[2, 2]]
    top = model.recommend_for(history[:1], n=5, exclude_seen=False)
    parts = model._contributions(history, top.items[0, :2].astype(np.int64))
    sums = np.asarray(parts.sum(axis=1)).ravel()
    assert sums == pytest.approx(top.scores[0, :2], rel=1e-4)
    why = model.reasons(history[:1], [1], m=1)
    assert why.items.tolist() == [[0]]  # it was taken three times


@pytest.mark.parametrize(
    "params", [{"weighting": "jaccard"}, {"counts": "cubic"}, {"n_neighbors": 0}]
)
def test_a_parameter_out_of_range_is_named(params):
    with pytest.raises(base.BadParameter, match=next(iter(params))):
        recommenders.create("item_knn", **params).fit(baskets())

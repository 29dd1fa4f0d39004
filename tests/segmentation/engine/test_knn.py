from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from segmentation.engine import recommenders
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import base


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


@pytest.mark.parametrize(
    "params", [{"weighting": "jaccard"}, {"counts": "cubic"}, {"n_neighbors": 0}]
)
def test_a_parameter_out_of_range_is_named(params):
    with pytest.raises(base.BadParameter, match=next(iter(params))):
        recommenders.create("item_knn", **params).fit(baskets())

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from segmentation.engine import recommenders
from segmentation.engine.catalogue import Catalogue
from segmentation.engine.interactions import DataError, IdMap, Interactions
from segmentation.engine.recommenders import content

SHOP = pd.DataFrame(
    {
        "item_id": [10, 11, 12, 13, 14, 15],
        "title": [
            "绿茶茶叶礼盒",
            "红茶茶叶散装",
            "不锈钢水杯",
            "保温水杯大号",
            "Green tea, loose",
            None,
        ],
        "category": ["茶", "茶", "杯子", "杯子", "茶", None],
        "brand": ["山", "山", "海", "海", "Leaf & Co", None],
        "price": [80.0, 60.0, 30.0, 45.0, 20.0, None],
        "attributes": [
            {"weight": 500, "origin": ["福建", "云南"]},
            {"weight": 450, "origin": "福建"},
            {"ml": 350},
            {"ml": 600, "lid": True},
            None,
            {},
        ],
    }
)


def log(frame: pd.DataFrame = SHOP) -> Interactions:
    """Nobody has touched 11 and 13 to 15 yet."""
    items = IdMap(np.arange(10, 16))
    taken = pd.DataFrame({"user_id": [1, 2], "item_id": [10, 12], "weight": 1.0})
    data = Interactions.from_frame(taken, items=items)
    return replace(data, catalogue=Catalogue.from_frame(frame, items))


def test_a_chinese_catalogue_finds_what_is_like_it_among_the_untouched():
    model = recommenders.create("content").fit(log())
    top = model.recommend(model.users_.rows([1, 2]), n=5)
    assert top.items[:, 0].tolist() == [1, 3]  # the other tea, the other cup
    assert model.similar_items([0], n=1).items.tolist() == [[1]]
    assert 5 not in top.items  # nothing is known of it


def test_titles_alone_are_enough_without_spaces():
    titles = SHOP[["item_id", "title"]]
    model = recommenders.create("content").fit(log(titles))
    assert model.recommend([0, 1], n=1).items.tolist() == [[1], [3]]
    nothing_shared = model.recommend([0], n=5).items[0]
    assert nothing_shared.tolist() == [1, -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Green-Tea 500g", ["green", "tea", "500g"]),
        ("绿茶", ["绿茶"]),
        ("茶", ["茶"]),
        ("保温杯", ["保温", "温杯", "保温杯"]),
        ("USB充电器", ["usb", "充电", "电器", "充电器"]),
        ("コーヒー", ["コー", "ーヒ", "ヒー", "コーヒ", "ーヒー", "コーヒー"]),
        ("crème brûlée", ["crème", "brûlée"]),
        ("", []),
    ],
)
def test_words_and_pieces(text, expected):
    assert content.words(text) == expected


def test_near_numbers_are_alike_and_far_ones_are_not():
    prices = SHOP[["item_id"]].assign(price=[10.0, 11, 50, 55, 100, 101])
    model = recommenders.create("content").fit(log(prices))
    nearest = model.similar_items(np.arange(6), n=1).items[:, 0]
    assert nearest.tolist() == [1, 0, 3, 2, 5, 4]


def test_attributes_are_numbers_or_labels():
    known = log().catalogue
    assert set(known.numbers) == {"price", "attributes.weight", "attributes.ml"}
    assert known.numbers["attributes.ml"][[2, 3]].tolist() == [350, 600]
    assert known.labels[0] == ["category=茶", "brand=山", "origin=福建", "origin=云南"]
    assert known.labels[3][-1] == "lid=True"
    assert known.labels[5] == []
    assert known.texts[5].strip() == ""


def test_items_without_a_row_know_nothing_and_the_last_row_of_an_item_holds():
    items = IdMap(np.array([3, 4]))
    frame = pd.DataFrame({"item_id": [4, 9, 4], "title": ["old", "other", "new"]})
    known = Catalogue.from_frame(frame, items)
    assert [text.strip() for text in known.texts] == ["", "new"]
    empty = Catalogue.from_frame(frame[:0], items)
    assert [text.strip() for text in empty.texts] == ["", ""]


def test_what_the_history_adds_up_to_is_the_score():
    model = recommenders.create("content").fit(log())
    history = sparse.csr_matrix(np.array([[1.0, 0, 2, 0, 0, 0]], np.float32))
    top = model.recommend_for(history, n=1)
    parts = model._contributions(history, top.items[0].astype(np.int64))
    assert parts.sum() == pytest.approx(top.scores[0, 0], rel=1e-5)


def test_without_anything_known_it_says_what_it_needs():
    with pytest.raises(DataError, match="no catalogue"):
        recommenders.create("content").fit(replace(log(), catalogue=None))
    with pytest.raises(DataError, match="says nothing"):
        recommenders.create("content").fit(log(SHOP[["item_id"]]))


KNOWLEDGE = (
    {"if": "category=茶", "then": "category=杯子"},
    {"if": "category=杯子", "then": "origin=福建", "weight": 3},
)


def test_rules_lead_from_what_somebody_has_to_what_the_expert_said():
    model = recommenders.create("rules", rules=KNOWLEDGE).fit(log())
    top = model.recommend(model.users_.rows([1, 2]), n=5)
    # Who has tea is shown cups, the one that somebody bought before the untouched.
    assert top.items.tolist() == [[2, 3, -1, -1, -1], [0, 1, -1, -1, -1]]
    assert top.scores[0, :2] == pytest.approx([1.5, 1])
    assert top.scores[1, :2] == pytest.approx([4.5, 3])


def test_a_rule_counts_by_its_share_of_the_history_and_says_why():
    model = recommenders.create("rules", rules=KNOWLEDGE).fit(log())
    history = sparse.csr_matrix(np.array([[0, 1, 0, 0, 1, 1.0]], np.float32))
    top = model.recommend_for(history, n=1)
    assert top.items.tolist() == [[2]]
    assert top.scores[0, 0] == pytest.approx(1.5 * 2 / 3)
    why = model.reasons(history, [2], m=3)
    assert why.items.tolist() == [[1, 4, -1]]
    assert why.shares[0, :2] == pytest.approx([0.5, 0.5])


def test_rules_that_cannot_work_are_refused_with_a_sentence():
    with pytest.raises(DataError, match="no rules"):
        recommenders.create("rules").fit(log())
    with pytest.raises(DataError, match="no catalogue"):
        recommenders.create("rules", rules=KNOWLEDGE).fit(
            replace(log(), catalogue=None)
        )
    unknown = ({"if": "category=茶", "then": "category=Boats"},)
    with pytest.raises(DataError, match="category=Boats"):
        recommenders.create("rules", rules=unknown).fit(log())

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from segmentation.engine import interactions, recommenders
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import base


def habits() -> Interactions:
    """Ann took 10 often and long ago, 20 lately; 30 and 40 once, on one day."""
    rows = [
        ("ann", 10, 0.0),
        ("ann", 10, 1.0),
        ("ann", 10, 2.0),
        ("ann", 20, 99.0),
        ("ann", 20, 100.0),
        ("ann", 40, 50.0),
        ("ann", 30, 50.0),
        ("bob", 40, 100.0),
        ("cid", 40, 100.0),
    ]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    return Interactions.from_frame(frame.assign(weight=1.0))


def ranked(model: base.Recommender, user: str, **how) -> list[int]:
    rows = model.users_.rows([user])
    items = model.recommend(rows, 10, exclude_seen=False, **how).items[0]
    return model.items_.ids[items[items >= 0]].tolist()


def test_without_a_half_life_the_most_often_taken_leads():
    model = recommenders.create("personal_frequency", half_life_days=None)
    assert ranked(model.fit(habits()), "ann")[:2] == [10, 20]


def test_with_a_half_life_the_recent_habit_leads():
    model = recommenders.create("personal_frequency", half_life_days=20.0)
    assert ranked(model.fit(habits()), "ann")[0] == 20


def test_ties_go_to_what_more_people_take():
    model = recommenders.create("personal_frequency", half_life_days=20.0)
    order = ranked(model.fit(habits()), "ann")
    assert order.index(40) < order.index(30)


def test_a_list_holds_only_what_the_person_had():
    model = recommenders.create("personal_frequency").fit(habits())
    assert ranked(model, "bob") == [40]
    new = model.recommend(model.users_.rows(["bob"]), 3, exclude_seen=True)
    assert new.items.tolist() == [[-1, -1, -1]]


def test_a_half_life_needs_times():
    data = habits()
    timeless = Interactions(
        data.users, data.items, data.user_row, data.item_row, data.weight
    )
    with pytest.raises(interactions.NoTimestamps):
        recommenders.create("personal_frequency").fit(timeless)
    model = recommenders.create("personal_frequency", half_life_days=None)
    assert ranked(model.fit(timeless), "bob") == [40]


def test_popularity_counts_people_or_weight_as_asked():
    people = recommenders.create("popularity").fit(habits())
    weight = recommenders.create("popularity", count="weight").fit(habits())
    assert people.items_.ids[people.top(1).items[0]].tolist() == [40]
    # 10 and 40 were taken three times each: the lower row leads.
    assert weight.items_.ids[weight.top(2).items[0]].tolist() == [10, 40]
    assert people.top(2, item_mask=[0]).items.tolist() == [[0, -1]]


def test_popularity_fills_the_list_however_much_somebody_has_seen():
    rng = np.random.default_rng(0)
    cells = rng.random((40, 60)) < np.linspace(0.9, 0.1, 60)
    users, items = np.nonzero(cells)
    frame = pd.DataFrame({"user_id": users, "item_id": items, "weight": 1.0})
    model = recommenders.create("popularity").fit(Interactions.from_frame(frame))
    top = model.recommend(np.arange(40), 5)
    for row in range(40):
        unseen = [item for item in model.order_ if not cells[row, item]]
        assert top.items[row].tolist() == unseen[:5]


def test_parameters_out_of_range_are_named():
    with pytest.raises(base.BadParameter, match="half_life_days"):
        recommenders.create("personal_frequency", half_life_days=-1).fit(habits())
    with pytest.raises(base.BadParameter, match="count"):
        recommenders.create("popularity", count="stars").fit(habits())


def fashion() -> Interactions:
    """Item 1 was taken by three long ago (by one of them twice), item 2 by two now."""
    cells = [(1, 1, 0), (1, 1, 10), (2, 1, 0), (3, 1, 0), (4, 2, 20), (5, 2, 20)]
    frame = pd.DataFrame(cells, columns=["user_id", "item_id", "timestamp"])
    return Interactions.from_frame(frame.assign(weight=1.0))


def test_a_half_life_brings_the_recent_to_the_front():
    always = recommenders.create("popularity").fit(fashion())
    assert always.top(2).items.tolist() == [[0, 1]]
    now = recommenders.create("popularity", half_life_days=10.0).fit(fashion())
    assert now.top(2).items.tolist() == [[1, 0]]
    assert now.popularity_.tolist() == [1 / 2 + 1 / 4 + 1 / 4, 2]
    sums = recommenders.create("popularity", count="weight", half_life_days=10.0)
    assert sums.fit(fashion()).popularity_.tolist() == [1 / 4 + 1 / 2 + 1 / 2, 2]


def test_popular_in_a_segment_and_in_a_category():
    model = recommenders.create("popularity").fit(fashion())
    segment = model.users_.rows([4, 5, 99])
    top = model.top(2, among=segment)
    assert top.items.tolist() == [[1, 0]]
    assert top.scores.tolist() == [[2, 0]]
    assert model.top(2, item_mask=[1]).items.tolist() == [[1, -1]]
    nobody = model.top(2, among=[-1])
    assert nobody.items.tolist() == [[0, 1]]

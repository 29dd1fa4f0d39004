from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from segmentation.engine import interactions
from segmentation.engine.interactions import IdMap, Interactions


def log() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": ["ann", "bob", "ann", "ann"],
            "item_id": [30, 10, 30, 20],
            "weight": [1.0, 2.0, 3.0, 4.0],
            "timestamp": pd.to_datetime(
                ["2024-01-01", "2024-01-05", "2024-01-03", "2024-01-05"]
            ),
        }
    )


def test_ids_become_rows_and_back():
    ids = IdMap(np.array([30, 10, 20]))
    assert ids.rows([10, 20, 30, 99]).tolist() == [1, 2, 0, -1]
    assert ids.ids[ids.rows([20, 30])].tolist() == [20, 30]
    assert ids.rows([10]).dtype == np.int32


def test_text_ids_work_the_same():
    ids = IdMap(np.array(["bob", "ann"], dtype=object))
    assert ids.rows(["ann", "cid", "bob"]).tolist() == [1, -1, 0]
    assert ids.rows(pd.Series(["ann"])).tolist() == [1]
    assert ids.ids.dtype.kind == "U"  # saved without pickle


def test_ids_of_another_kind_are_unknown_not_an_error():
    assert IdMap(np.array([1, 2])).rows(["1", "2"]).tolist() == [-1, -1]
    assert IdMap(np.array(["1"])).rows([1]).tolist() == [-1]


def test_an_empty_map_and_an_empty_question_have_empty_answers():
    assert IdMap(np.array([])).rows([1, 2]).tolist() == [-1, -1]
    assert IdMap(np.array([1])).rows([]).tolist() == []


def test_an_id_may_not_occur_twice():
    with pytest.raises(interactions.BadValues, match="twice"):
        IdMap(np.array([1, 2, 1]))


@pytest.mark.parametrize("ids", [[1.5, 2.0], [[1], [2]], [True, False]])
def test_ids_are_whole_numbers_or_text(ids):
    with pytest.raises(interactions.BadValues):
        IdMap(np.array(ids))


def test_the_matrix_is_users_by_items_with_sums():
    data = Interactions.from_frame(log())
    assert data.users.ids.tolist() == ["ann", "bob"]
    assert data.items.ids.tolist() == [10, 20, 30]
    assert data.user_items.toarray().tolist() == [[0, 4, 4], [2, 0, 0]]
    assert data.user_items.dtype == np.float32
    assert len(data) == 4


def test_a_pyarrow_table_gives_the_same_as_a_frame():
    from_table = Interactions.from_frame(pa.Table.from_pandas(log()))
    from_frame = Interactions.from_frame(log())
    assert (from_table.user_items != from_frame.user_items).nnz == 0
    assert from_table.timestamp.tolist() == from_frame.timestamp.tolist()


def test_rows_outside_a_given_map_are_left_out():
    users, items = IdMap(np.array(["bob", "ann"])), IdMap(np.array([20, 10]))
    data = Interactions.from_frame(log(), users=users, items=items)
    assert data.user_items.toarray().tolist() == [[0, 2], [4, 0]]
    assert len(data) == 2


def test_a_map_that_is_not_given_knows_only_the_rows_that_stay():
    data = Interactions.from_frame(log(), items=IdMap(np.array([30])))
    assert data.users.ids.tolist() == ["ann"]


def test_what_was_given_back_is_no_interaction():
    frame = log().assign(weight=[1.0, 2.0, -1.0, -4.0])
    assert Interactions.from_frame(frame).user_items.toarray().tolist() == [
        [0, 0, 0],
        [2, 0, 0],
    ]


def test_ratings_are_kept_beside_weights():
    data = Interactions.from_frame(log().assign(rating=[5, 4, 3, 2]))
    assert data.rating.tolist() == [5, 4, 3, 2]


def test_weights_halve_with_every_half_life_before_the_newest():
    data = Interactions.from_frame(log()).decayed(2.0)
    assert data.weight.tolist() == pytest.approx([0.25, 2.0, 1.5, 4.0])


@pytest.mark.parametrize(
    "as_of",
    [
        np.datetime64("2024-01-07"),
        datetime(2024, 1, 7, tzinfo=UTC),
        19_729.0,  # days since 1970
    ],
)
def test_the_moment_of_decay_can_be_given(as_of):
    data = Interactions.from_frame(log()).decayed(2.0, as_of=as_of)
    assert data.weight.tolist() == pytest.approx([0.125, 1.0, 0.75, 2.0])


def test_what_lies_after_the_moment_does_not_grow():
    data = Interactions.from_frame(log()).decayed(
        2.0, as_of=np.datetime64("2024-01-01")
    )
    assert data.weight.tolist() == [1, 2, 3, 4]


def test_the_very_old_stay_interactions():
    assert Interactions.from_frame(log()).decayed(0.001).user_items.nnz == 3


def test_decay_leaves_the_data_it_came_from_alone():
    data = Interactions.from_frame(log())
    data.decayed(1.0)
    assert data.user_items.sum() == 10


def test_a_half_life_needs_time_and_must_be_positive():
    data = Interactions.from_frame(log().drop(columns="timestamp"))
    with pytest.raises(interactions.NoTimestamps):
        data.decayed(7.0)
    with pytest.raises(interactions.BadValues, match="positive"):
        Interactions.from_frame(log()).decayed(0.0)


def test_aware_and_naive_times_are_the_same_utc_days():
    naive = pd.Series(pd.to_datetime(["2024-01-01T12:00"]))
    assert interactions.days(naive).tolist() == [19_723.5]
    assert interactions.days(naive.dt.tz_localize("UTC")).tolist() == [19_723.5]
    shifted = naive.dt.tz_localize("Asia/Shanghai")
    assert interactions.days(shifted).tolist() == pytest.approx([19_723.5 - 8 / 24])


@pytest.mark.parametrize("column", ["user_id", "item_id", "weight"])
def test_a_missing_column_is_named(column):
    with pytest.raises(interactions.MissingColumn, match=column):
        Interactions.from_frame(log().drop(columns=column))


@pytest.mark.parametrize("column", ["user_id", "item_id", "weight", "timestamp"])
def test_a_missing_value_is_refused(column):
    frame = log().astype({"item_id": object})
    frame[column] = frame[column].where([True, False, True, True])
    with pytest.raises(interactions.BadValues, match=column.removesuffix("_id")):
        Interactions.from_frame(frame)


def test_an_infinite_weight_is_refused():
    with pytest.raises(interactions.BadValues, match="finite"):
        Interactions.from_frame(log().assign(weight=[1, np.inf, 1, 1]))


def test_an_empty_frame_makes_an_empty_matrix():
    assert Interactions.from_frame(log().iloc[:0]).user_items.shape == (0, 0)

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from segmentation.engine import evaluation, interactions, recommenders
from segmentation.engine.interactions import IdMap, Interactions


def split_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": [1, 2, 3, 4, 5],
            "item_id": 7,
            "timestamp": pd.to_datetime(
                [
                    "2024-03-01T00:00",
                    "2024-03-31T23:59:59.999",
                    "2024-04-01T00:00",
                    "2024-04-30T23:59:59.999",
                    "2024-05-01T00:00",
                ],
                format="ISO8601",
            ),
        }
    ).sample(frac=1, random_state=1)


def test_no_row_of_a_later_part_leaks_into_an_earlier_one():
    split = evaluation.temporal_split(
        split_frame(),
        valid_from=np.datetime64("2024-04-01"),
        test_from=np.datetime64("2024-05-01"),
    )
    assert sorted(split.fit["user_id"]) == [1, 2]
    assert sorted(split.validation["user_id"]) == [3, 4]
    assert sorted(split.test["user_id"]) == [5]
    assert sorted(split.train["user_id"]) == [1, 2, 3, 4]
    assert split.fit["timestamp"].max() < split.validation["timestamp"].min()
    assert split.train["timestamp"].max() < split.test["timestamp"].min()


def test_a_split_with_an_empty_part_or_the_wrong_order_is_refused():
    with pytest.raises(interactions.EmptyData, match="test"):
        evaluation.temporal_split(
            split_frame(),
            valid_from=np.datetime64("2024-04-01"),
            test_from=np.datetime64("2025-01-01"),
        )
    with pytest.raises(ValueError, match="before"):
        evaluation.temporal_split(
            split_frame(),
            valid_from=np.datetime64("2024-04-01"),
            test_from=np.datetime64("2024-04-01"),
        )
    with pytest.raises(interactions.NoTimestamps):
        evaluation.temporal_split(
            split_frame().drop(columns="timestamp"), valid_from=1.0, test_from=2.0
        )


def visits() -> pd.DataFrame:
    """User 1 took a, b, c, d in this order, the last two at once; user 2 too little."""
    return pd.DataFrame(
        {
            "user_id": [1, 2, 1, 1, 2, 1],
            "item_id": ["c", "x", "a", "d", "y", "b"],
            "timestamp": [30.0, 1.0, 10.0, 30.0, 2.0, 20.0],
        }
    )


def test_the_last_is_the_test_and_the_one_before_it_the_validation():
    split = evaluation.leave_last_out(visits())
    assert split.test["item_id"].tolist() == ["d"]  # as late as c, but further down
    assert split.validation["item_id"].tolist() == ["c"]
    assert sorted(split.fit["item_id"]) == ["a", "b", "x", "y"]


def test_leaving_the_last_out_needs_times_and_somebody_with_three_rows():
    with pytest.raises(interactions.NoTimestamps):
        evaluation.leave_last_out(visits().drop(columns="timestamp"))
    with pytest.raises(interactions.EmptyData, match="validation"):
        evaluation.leave_last_out(visits().query("user_id == 2"))


def test_every_row_is_in_the_test_of_one_fold():
    frame = pd.DataFrame({"row": np.arange(23)})
    folds = list(evaluation.k_fold(frame, 5, seed=3))
    tested = np.concatenate([test["row"] for _, test in folds])
    assert sorted(tested) == list(range(23))
    for train, test in folds:
        assert len(test) in (4, 5)
        assert not set(train["row"]) & set(test["row"])
        assert len(train) + len(test) == 23
    again = list(evaluation.k_fold(frame, 5, seed=3))
    assert again[0][1]["row"].tolist() == folds[0][1]["row"].tolist()


@pytest.mark.parametrize("k", [1, 24])
def test_folds_that_cannot_be_are_refused(k):
    with pytest.raises(ValueError, match="folds"):
        next(evaluation.k_fold(pd.DataFrame({"row": np.arange(23)}), k))


def give_away() -> pd.DataFrame:
    """Everybody's last two items are drawn by lot, and nothing before tells of them.

    The column `weight` of each last row is enormous: who sees it knows the future.
    """
    rng = np.random.default_rng(1)
    past = [(user, item, 1.0, day) for user in range(120) for day, item in
            enumerate(rng.choice(60, 8, replace=False))]  # fmt: skip
    frame = pd.DataFrame(past, columns=["user_id", "item_id", "weight", "timestamp"])
    frame.loc[frame["timestamp"] == 7, "weight"] = 1e6
    return frame.assign(timestamp=frame["timestamp"] * 1.0)


@pytest.mark.parametrize("way", ["temporal", "last out"])
def test_no_model_can_know_what_only_the_future_tells(way):
    frame = give_away()
    split = (
        evaluation.leave_last_out(frame)
        if way == "last out"
        else evaluation.temporal_split(frame, valid_from=6.0, test_from=7.0)
    )
    users, items = IdMap(np.arange(120)), IdMap(np.arange(60))
    truth = evaluation.truth(split.test, users, items)

    def hit_rate(known: pd.DataFrame) -> float:
        data = Interactions.from_frame(known, users, items)
        model = recommenders.create("personal_frequency", half_life_days=None)
        return evaluation.evaluate(
            model.fit(data), data, truth, task="again", k=1
        )["hit_rate"].mean  # fmt: skip

    assert hit_rate(split.train) == 0
    assert hit_rate(pd.concat([split.train, split.test])) == 1  # the column does tell
    knn = recommenders.create("item_knn")
    data = Interactions.from_frame(split.train, users, items)
    by_lot = evaluation.evaluate(knn.fit(data), data, truth, k=10)["hit_rate"]
    assert by_lot.mean < 0.35  # ten of the 53 items left would be .19

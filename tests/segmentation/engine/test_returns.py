"""Returns take back what they belong to: checked by hand and against a real stack."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from segmentation.engine import returns

COLUMNS = ["user_id", "item_id", "order_key", "at", "quantity"]


def frame(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).astype({"quantity": float})


@pytest.mark.parametrize(
    ("bought", "returned", "kept"),
    [
        ([(1, 1, 0, 1, 1)], [(1, 1, 0, 2, 1)], [0]),
        ([(1, 1, 0, 1, 4)], [(1, 1, 0, 2, 1)], [0.75]),
        ([(1, 1, 0, 1, 1)], [(1, 2, 0, 2, 1)], [1]),  # of another item
        ([(1, 1, 0, 1, 1)], [(2, 1, 0, 2, 1)], [1]),  # of another customer
        ([(1, 1, 0, 3, 1)], [(1, 1, 0, 2, 1)], [1]),  # before it was bought
        ([(1, 1, 0, 1, 1)], [(1, 1, 0, 2, 9)], [0]),  # more than was bought
        # The last purchase before the return, where its order is not known.
        ([(1, 1, 7, 1, 1), (1, 1, 8, 2, 1)], [(1, 1, 9, 3, 1)], [1, 0]),
        # The purchase of its order, where it is.
        ([(1, 1, 7, 1, 1), (1, 1, 8, 2, 1)], [(1, 1, 7, 3, 1)], [0, 1]),
        # What an order never had is not taken from another.
        ([(1, 1, 7, 1, 1), (1, 1, 8, 2, 1)], [(1, 1, 7, 3, 5)], [0, 1]),
        # Bought again after it went back.
        ([(1, 1, 0, 1, 1), (1, 1, 0, 3, 1)], [(1, 1, 0, 2, 5)], [0, 1]),
    ],
)
def test_a_return_takes_back_the_purchase_it_belongs_to(bought, returned, kept):
    found = returns.kept_shares(frame(*bought), frame(*returned))
    assert found.tolist() == kept


def test_without_returns_or_purchases_nothing_happens():
    assert returns.kept_shares(frame((1, 1, 0, 1, 2)), frame()).tolist() == [1]
    assert returns.kept_shares(frame(), frame((1, 1, 0, 1, 2))).tolist() == []


@pytest.mark.parametrize("seed", range(20))
def test_it_is_a_stack(seed):
    rng = np.random.default_rng(seed)
    n = 400
    steps = frame(
        *zip(
            rng.integers(0, 5, n),
            rng.integers(0, 5, n),
            np.zeros(n, int),
            rng.permutation(n),
            rng.integers(1, 6, n),
            strict=True,
        )
    )
    goes_back = rng.random(n) < 0.4
    bought = steps[~goes_back].reset_index(drop=True)
    found = returns.kept_shares(bought, steps[goes_back])
    assert np.allclose(found * bought["quantity"], by_hand(bought, steps[goes_back]))


def by_hand(bought: pd.DataFrame, returned: pd.DataFrame) -> np.ndarray:
    left = bought["quantity"].to_numpy().copy()
    for back in returned.sort_values("at").itertuples():
        wanted = back.quantity
        mine = bought[
            (bought["user_id"] == back.user_id)
            & (bought["item_id"] == back.item_id)
            & (bought["at"] < back.at)
        ]
        for row in mine.sort_values("at", ascending=False).index:
            taken = min(left[row], wanted)
            left[row] -= taken
            wanted -= taken
    return left

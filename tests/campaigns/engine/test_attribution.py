"""Credit goes to the last touch before the purchase, and to nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from campaigns.engine.attribution import NOBODY, Moments, credit, last_touch


def moments(*rows):
    people, times = zip(*rows, strict=True)
    return Moments(np.array(people), np.array(times))


def test_the_last_touch_of_the_same_person_before_the_purchase_wins():
    touches = moments(("ann", 1), ("bob", 4), ("ann", 3), ("ann", 9))
    purchases = moments(("ann", 5), ("bob", 5), ("eve", 5), ("ann", 0), ("ann", 12))
    rows = last_touch(purchases, touches, window=10)
    assert rows.tolist() == [2, 1, NOBODY, NOBODY, 3]


def test_the_window_includes_both_its_ends():
    touches = moments((1, 100))
    purchases = moments((1, 99), (1, 100), (1, 107), (1, 108))
    assert last_touch(purchases, touches, window=7).tolist() == [-1, 0, 0, -1]


def test_of_two_touches_at_one_instant_the_last_row_wins():
    touches = moments((1, 5), (2, 5), (1, 5))
    assert last_touch(moments((1, 6)), touches, window=9).tolist() == [2]


def test_a_touch_out_of_the_window_does_not_hide_behind_another_person():
    touches = moments((1, 5), (3, 1))
    assert last_touch(moments((2, 6), (4, 9)), touches, window=99).tolist() == [-1, -1]


def test_instants_work_as_well_as_numbers():
    day = np.datetime64("2017-12-01T10:00", "us")
    touches = Moments(np.array([1, 1]), day + np.array([0, 48], "timedelta64[h]"))
    purchases = Moments(np.array([1, 1]), day + np.array([24, 240], "timedelta64[h]"))
    rows = last_touch(purchases, touches, window=np.timedelta64(7, "D"))
    assert rows.tolist() == [0, NOBODY]


def test_no_touches_or_no_purchases_is_no_credit():
    none = Moments(np.array([], int), np.array([], int))
    assert last_touch(moments((1, 1)), none, window=1).tolist() == [NOBODY]
    assert last_touch(none, moments((1, 1)), window=1).shape == (0,)


def test_a_row_without_a_time_is_refused():
    with pytest.raises(ValueError, match="one time"):
        Moments(np.array([1, 2]), np.array([1]))


def test_amounts_add_up_per_touch():
    earned = credit(np.array([2, NOBODY, 0, 2]), [1.5, 9.0, 2.0, 3.0], 4)
    assert earned.n_purchases.tolist() == [1, 0, 2, 0]
    assert earned.amount.tolist() == [2.0, 0.0, 4.5, 0.0]


def test_it_agrees_with_the_slow_and_obvious_way():
    rng = np.random.default_rng(3)
    touches = Moments(rng.integers(0, 9, 80), rng.integers(0, 60, 80))
    purchases = Moments(rng.integers(0, 9, 200), rng.integers(0, 60, 200))
    slow = []
    for person, at in zip(purchases.person, purchases.at, strict=True):
        mine = [
            (touches.at[row], row)
            for row in range(80)
            if touches.person[row] == person and 0 <= at - touches.at[row] <= 6
        ]
        slow.append(max(mine)[1] if mine else NOBODY)
    assert last_touch(purchases, touches, window=6).tolist() == slow

"""Usual gaps, last times, and what goes into the same basket."""

from __future__ import annotations

import numpy as np

from segmentation.engine import baskets


def test_the_usual_time_is_the_lower_quartile_of_the_gaps():
    days = np.array([0, 4, 12, 24, 40, 60], float)  # gaps 4, 8, 12, 16, 20
    ids, usual = baskets.usual_days(np.ones(6), np.full(6, 7), days)
    assert (ids.tolist(), usual.tolist()) == ([7], [8.0])


def test_purchases_of_one_day_are_one_and_few_say_nothing():
    days = np.array([0, 0.5, 4, 8, 12, 16], float)
    ids, usual = baskets.usual_days(np.ones(6), np.full(6, 7), days)
    assert ids.tolist() == [] and usual.tolist() == []
    ids, usual = baskets.usual_days(np.ones(7), np.full(7, 7), np.append(days, 20))
    assert usual.tolist() == [4.0]
    apart = baskets.usual_days(np.arange(7), np.full(7, 7), np.append(days, 20))
    assert apart[0].tolist() == [], "gaps are within one customer"


def test_the_last_day_of_each_pair_is_found():
    last = baskets.last_days([1, 1, 2, 1], [5, 5, 5, 6], [1.5, 3.0, 9.0, 2.0])
    asked = last.of(np.array([[1], [2], [3]]), np.array([[5, 6, 7]] * 3))
    gone = -np.inf
    assert asked.tolist() == [[3.0, 2.0, gone], [9.0, gone, gone], [gone] * 3]
    empty = baskets.last_days([], [], [])
    assert empty.of(np.array([[1]]), np.array([[5]])).tolist() == [[gone]]


def test_together_is_what_shares_more_baskets_than_its_size_would_have():
    ids = np.array([30, 10, 20])
    rows = [(b, 10) for b in range(20)] + [(b, 20) for b in range(20)]
    rows += [(b, 30) for b in range(100)]
    basket, item = np.array(rows).T
    top = baskets.together(basket, item, ids, 2)
    assert ids[top.items[1]].tolist() == [20, 30]
    assert ids[top.items[2]].tolist() == [10, 30]
    assert top.scores[1][0] > top.scores[1][1] > 0


def test_a_pair_that_met_twice_and_lines_of_unknown_items_say_nothing():
    basket, item = [0, 0, 0, 1, 1, 2], [10, 20, 99, 10, 20, 10]
    top = baskets.together(basket, item, np.array([10, 20]), 3)
    assert (top.items == -1).all()
    top = baskets.together(
        [0, 0, 0, 1, 1, 2, 2], [10, 10, 20, 10, 20, 10, 20], [10, 20], 1
    )
    assert top.items.tolist() == [[1], [0]], "a line twice in a basket counts once"

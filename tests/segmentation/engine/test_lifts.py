"""What a segment buys more of: right where there is something, silent where not."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from segmentation.engine import lifts


def membership(labels):
    labels = np.asarray(labels)
    return sp.csr_array((labels == np.arange(labels.max() + 1)[:, None]).astype(float))


def shop(rng, n, penetration):
    """Return heavy-tailed spend of n customers, some active, most not."""
    activity = rng.lognormal(0, 0.8, (n, 1))
    buys = rng.random((n, len(penetration))) < penetration
    return activity * rng.lognormal(0, 1.2, (n, len(penetration))) * buys


def test_a_lift_is_the_ratio_of_two_shares_of_spend():
    spend = np.array([[30.0, 70], [10, 90], [5, 95], [15, 85]])
    found = lifts.category_lifts(membership([0, 0, 1, 1]), sp.csr_array(spend), 0.05)
    assert found.share == pytest.approx(np.array([[0.2, 0.8], [0.1, 0.9]]))
    assert found.lift == pytest.approx(np.array([[2, 8 / 9], [0.5, 9 / 8]]))
    assert not found.sure.any()  # two customers are too few to be sure of anything


def test_the_interval_of_one_lift_covers_as_often_as_it_says():
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], [300, 900])
    covered = []
    for _ in range(300):
        spend = shop(rng, 1200, np.array([0.6, 0.9]))
        spend[:300, 0] *= 2
        found = lifts.category_lifts(membership(labels), sp.csr_array(spend), 0.2)
        # Four intervals share .2, as if each were a 95 % one.
        mean = 0.6, 0.9
        truth = (2 * mean[0] / (2 * mean[0] + mean[1])) / (mean[0] / sum(mean))
        covered.append(found.low[0, 0] <= truth <= found.high[0, 0])
    assert 0.92 <= np.mean(covered) <= 0.985


def test_segments_drawn_by_lot_are_hardly_ever_said_to_buy_more():
    rng = np.random.default_rng(6)
    alarms = 0
    for _ in range(80):
        spend = shop(rng, 600, rng.beta(0.5, 2, 40))
        labels = rng.choice(4, 600, p=[0.1, 0.2, 0.3, 0.4])
        found = lifts.category_lifts(membership(labels), sp.csr_array(spend), 0.05)
        alarms += found.sure.any()
    assert alarms <= 5


def test_one_big_spender_does_not_speak_for_a_segment():
    rng = np.random.default_rng(7)
    spend = rng.lognormal(0, 0.3, (400, 3))
    spend[0, 0] = 2000
    found = lifts.category_lifts(
        membership(np.repeat([0, 1], 200)), sp.csr_array(spend), 0.05
    )
    assert found.lift[0, 0] > 2
    assert not found.sure[0, 0]


def test_a_category_nobody_buys_is_never_sure_and_never_nan_in_the_answer():
    spend = np.random.default_rng(1).lognormal(size=(200, 3))
    spend[:, 1] = 0
    spend[:50, 2] = -4  # returned more than bought
    found = lifts.category_lifts(
        membership(np.repeat([0, 1], 100)), sp.csr_array(spend), 0.05
    )
    assert not found.sure[:, 1].any()
    assert (found.share[:, 1] == 0).all()
    assert (found.share >= 0).all()

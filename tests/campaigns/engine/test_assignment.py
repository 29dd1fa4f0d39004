"""Who falls where must never change, and must be fair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as distributions

from campaigns.engine import assignment

IDS = np.arange(1, 200_001)


def test_the_same_person_falls_into_the_same_bucket_for_ever():
    buckets = assignment.bucket([0, 1, 2, -1, 2**62], "campaign:1")
    assert buckets.tolist() == [
        0.3594888790276036,
        0.5980452632019523,
        0.2955401606760103,
        0.871140495342596,
        0.8035053732610788,
    ]
    texts = assignment.bucket(["u1", "ü"], "campaign:1")
    assert texts.tolist() == [0.8822764069172022, 0.2916230309902249]


def test_order_company_and_integer_width_do_not_matter():
    alone = assignment.bucket([7], "s")
    among = assignment.bucket(np.array([9, 7, 8], dtype=np.int32), "s")
    assert alone[0] == among[1]


@pytest.mark.parametrize("salt", ["campaign:1", "campaign:2", ""])
def test_buckets_are_uniform(salt):
    buckets = assignment.bucket(IDS, salt)
    assert buckets.min() >= 0
    assert buckets.max() < 1
    assert distributions.kstest(buckets, "uniform").pvalue > 0.001
    assert len(np.unique(buckets)) == len(IDS)


def test_neighbours_are_independent():
    buckets = assignment.bucket(IDS, "campaign:1")
    assert abs(np.corrcoef(buckets[:-1], buckets[1:])[0, 1]) < 0.01


def test_campaigns_hold_out_different_people():
    one, two = (assignment.bucket(IDS, f"campaign:{n}") for n in (1, 2))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.01
    both = ((one < 0.25) & (two < 0.25)).mean()
    assert both == pytest.approx(0.0625, abs=0.003)


def test_texts_are_uniform_too_and_are_not_their_numbers():
    buckets = assignment.bucket([f"u{n}" for n in range(20_000)], "s")
    assert distributions.kstest(buckets, "uniform").pvalue > 0.001
    assert assignment.bucket(["5"], "s") != assignment.bucket([5], "s")


def test_nobody_and_nonsense():
    assert assignment.bucket([], "s").shape == (0,)
    with pytest.raises(TypeError, match="integers"):
        assignment.bucket([1.5], "s")  # type: ignore[list-item]


def test_arms_take_the_shares_they_were_given():
    arms = assignment.assign(assignment.bucket(IDS, "s"), 0.25, [1, 1, 2])
    assert arms.dtype == np.int16
    shares = np.bincount(arms + 1) / len(IDS)
    assert shares == pytest.approx([0.25, 0.1875, 0.1875, 0.375], abs=0.005)


def test_the_edges_of_the_line_belong_to_somebody():
    edges = [0.0, 0.2, 0.2 - 1e-12, 0.61, np.nextafter(1.0, 0.0)]
    assert assignment.assign(edges, 0.2, [1, 1]).tolist() == [-1, 0, -1, 1, 1]
    assert assignment.assign(edges, 0.0, [0.1] * 3 + [0]).max() == 2
    assert (assignment.assign(edges, 1.0, [1]) == assignment.HELD_OUT).all()
    assert (assignment.assign(edges, 0.0, [1]) == 0).all()


def test_a_variant_without_a_share_gets_nobody():
    arms = assignment.assign(assignment.bucket(IDS, "s"), 0.1, [0, 1, 0])
    assert set(arms.tolist()) == {-1, 1}


@pytest.mark.parametrize(
    ("holdout", "shares"),
    [(1.2, [1]), (-0.1, [1]), (0.1, []), (0.1, [0]), (0, [1, -1])],
)
def test_shares_that_cannot_be_dealt_are_refused(holdout, shares):
    with pytest.raises(ValueError, match="share"):
        assignment.assign([0.5], holdout, shares)

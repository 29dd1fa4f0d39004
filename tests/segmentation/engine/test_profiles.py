"""A segment's profile: figures that add up, a name that can be believed."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from segmentation.engine import profiles
from segmentation.engine.profiles import Words

CATEGORIES = ["BABY FOODS", "FRZN MEAT/MEAT DINNERS", "BEERS/ALES", "Tea", "FUEL"]
CATEGORIES += [f"Goods {n}" for n in range(35)]


@pytest.fixture
def shop():
    """Return labels and spend: 0 buys baby and frozen, 1 beer, 2 and 3 anything."""
    rng = np.random.default_rng(11)
    labels = np.repeat([0, 1, 2, 3, -1], [200, 150, 120, 100, 30])
    spend = rng.lognormal(1, 0.6, (600, 40)) * (rng.random((600, 40)) < 0.9)
    spend[labels == 0, 0] *= 4
    spend[labels == 0, 1] *= 2.5
    spend[labels == 1, 2] *= 4
    return labels, spend


def described(shop, **options):
    labels, spend = shop
    revenue = spend.sum(axis=1)
    options = {"revenue": revenue, "n_orders": np.ones(600), **options}
    return profiles.describe(labels, sp.csr_array(spend), CATEGORIES, **options)


def test_segments_are_named_by_what_they_buy_more_of(shop):
    names = [profile.name for profile in described(shop)]
    assert names == [
        "Baby foods & Frozen meat",
        "Beers",
        "Mixed interests",
        "Mixed interests 2",
    ]


def test_figures_add_up(shop):
    labels, spend = shop
    found = described(shop, n_orders=np.arange(600))
    assert [profile.size for profile in found] == [200, 150, 120, 100]
    assert [profile.label for profile in found] == [0, 1, 2, 3]
    assert sum(profile.share for profile in found) == pytest.approx(570 / 600)
    revenue = spend.sum(axis=1)
    assert found[1].revenue == pytest.approx(revenue[labels == 1].sum())
    assert found[1].revenue_share == pytest.approx(found[1].revenue / revenue.sum())
    assert found[1].mean_revenue == pytest.approx(revenue[labels == 1].mean())
    assert found[1].mean_orders == pytest.approx(np.arange(200, 350).mean())


def test_every_reported_category_is_surely_above_one(shop):
    first = described(shop)[0]
    assert [lift.category for lift in first.categories] == [0, 1]
    assert [lift.name for lift in first.categories] == [
        "Baby foods",
        "Frozen meat / meat dinners",
    ]
    assert all(1 < lift.low < lift.lift < lift.high for lift in first.categories)
    assert first.categories[0].low > first.categories[1].low
    assert first.categories[0].share / first.categories[0].share_elsewhere == (
        pytest.approx(first.categories[0].lift)
    )
    assert len(described(shop, n_top=1)[0].categories) == 1


def test_names_speak_the_readers_language_and_leave_out_what_says_nothing(shop):
    words = Words(mixed="兴趣多样", joint="与", nameless=frozenset({0}))
    names = [profile.name for profile in described(shop, words=words)]
    assert names == ["Frozen meat", "Beers", "兴趣多样", "兴趣多样 2"]


def test_two_segments_with_one_taste_get_two_names(shop):
    labels, spend = shop
    twins = np.where(labels == 0, np.arange(600) % 2, np.where(labels == 1, 2, 3))
    names = [profile.name for profile in described((twins, spend))]
    assert len(set(names)) == len(names) == 4
    assert names[0] == "Baby foods & Frozen meat"
    assert names[1] == "Baby foods"


def test_a_category_too_small_to_matter_gives_no_name(shop):
    labels, spend = shop
    spend[:, 3] *= 0.0004
    spend[labels == 2, 3] *= 10
    profile = described(shop)[2]
    assert profile.categories[0].name == "Tea"
    assert profile.name == "Mixed interests"


def test_an_empty_segment_and_customers_without_purchases_are_no_trouble():
    labels = np.array([0, 0, 2])
    (first, empty, last) = profiles.describe(
        labels, sp.csr_array((3, 2)), ["A", "B"], revenue=[0, 0, 0], n_orders=[0, 0, 0]
    )
    assert (first.size, empty.size, last.size) == (2, 0, 1)
    assert (empty.mean_orders, first.revenue_share) == (0, 0)
    assert len({first.name, empty.name, last.name}) == 3


def test_labels_of_other_customers_are_refused():
    with pytest.raises(ValueError, match="one label per customer"):
        profiles.describe(
            [0, 1], sp.csr_array((3, 1)), ["A"], revenue=[1, 1, 1], n_orders=[1, 1, 1]
        )


def test_purchases_of_items_add_up_per_category():
    items = sp.csr_array(np.array([[1.0, 2, 4, 8], [0, 0, 1, 0]]))
    spend = profiles.category_spend(items, [1, 0, 1, -1], 3)
    assert spend.toarray().tolist() == [[2, 5, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("FRZN MEAT/MEAT DINNERS", "Frozen meat / meat dinners"),
        ("DINNER MXS:DRY", "Dinner mixes: dry"),
        ("FITNESS&DIET", "Fitness & diet"),
        ("CANDY - CHECKLANE", "Candy - checklane"),
        ("  SOFT   DRINKS ", "Soft drinks"),
        ("iPhone cases", "iPhone cases"),
        ("garden", "Garden"),
        ("Women's Shoes", "Women's Shoes"),
        ("婴儿食品", "婴儿食品"),
        ("", ""),
    ],
)
def test_categories_are_written_as_people_write_them(raw, read):
    assert profiles.readable(raw) == read

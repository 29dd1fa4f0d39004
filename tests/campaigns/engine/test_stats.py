"""What a report says about two arms, checked against scipy, statsmodels and luck."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as distributions
from statsmodels.stats import proportion
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from campaigns.engine import stats
from campaigns.engine.stats import Arm


@pytest.fixture
def rng():
    return np.random.default_rng(2026)


def test_two_proportions_agree_with_statsmodels():
    lift = stats.compare(Arm.proportion(50, 1000), Arm.proportion(90, 1200))
    low, high = proportion.confint_proportions_2indep(
        90, 1200, 50, 1000, method="newcomb", compare="diff"
    )
    chi2 = distributions.chi2_contingency(
        [[90, 1110], [50, 950]], correction=False
    ).pvalue
    assert lift.difference == pytest.approx(0.025)
    assert (lift.low, lift.high) == pytest.approx((low, high), abs=1e-9)
    assert lift.p_value == pytest.approx(chi2, abs=1e-9)
    assert lift.relative == pytest.approx(0.5)
    assert lift.verdict == "helped"


def test_two_means_agree_with_welch(rng):
    control, treatment = rng.gamma(2, 10, 400), rng.gamma(2, 12, 900)
    lift = stats.compare(Arm.of(control), Arm.of(treatment))
    means = CompareMeans(DescrStatsW(treatment), DescrStatsW(control))
    welch = distributions.ttest_ind(treatment, control, equal_var=False)
    assert (lift.low, lift.high) == pytest.approx(
        means.tconfint_diff(usevar="unequal"), abs=1e-9
    )
    assert lift.p_value == pytest.approx(welch.pvalue, abs=1e-9)


def test_the_relative_interval_solves_fieller():
    control, treatment = Arm(500, 20.0, 400.0), Arm(700, 23.0, 500.0)
    lift = stats.compare(control, treatment)
    df = distributions.ttest_ind_from_stats(23, 500**0.5, 700, 20, 20, 500, False)
    assert lift.p_value == pytest.approx(df.pvalue)
    se2 = 500 / 700, 400 / 500
    reach = (lift.high - lift.low) / 2 / sum(se2) ** 0.5
    for ratio in (1 + lift.relative_low, 1 + lift.relative_high):
        gap = abs(23 - ratio * 20) / (se2[0] + ratio**2 * se2[1]) ** 0.5
        assert gap == pytest.approx(reach)


@pytest.mark.parametrize("treated", range(20, 90, 3))
@pytest.mark.parametrize("counted", [True, False])
def test_relative_and_absolute_never_disagree_about_zero(treated, counted):
    control, treatment = Arm.proportion(50, 1000), Arm.proportion(treated, 1000)
    if not counted:
        control, treatment = (
            Arm(a.n, a.mean, a.variance) for a in (control, treatment)
        )
    lift = stats.compare(control, treatment)
    assert np.sign(lift.low) == np.sign(lift.relative_low)
    assert np.sign(lift.high) == np.sign(lift.relative_high)
    assert (lift.verdict == "cannot tell") == (lift.low <= 0 <= lift.high)


def test_a_harm_is_called_a_harm():
    lift = stats.compare(Arm.proportion(100, 1000), Arm.proportion(50, 1000))
    assert lift.verdict == "hurt"
    assert lift.high < 0
    assert lift.relative_high < 0


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        (None, Arm.proportion(1, 10), "one_arm"),
        (Arm.proportion(1, 10), None, "one_arm"),
        (Arm.proportion(0, 0), Arm.proportion(3, 10), "no_people"),
        (Arm.of([]), Arm.of([1.0, 2.0]), "no_people"),
        (Arm.of([5.0]), Arm.of([1.0, 2.0]), "too_few"),
        (Arm.of([3.0, 3.0]), Arm.of([3.0, 3.0, 3.0]), "no_variance"),
    ],
)
@pytest.mark.parametrize("sequential", [None, 1000])
def test_what_cannot_be_compared_is_answered_with_a_reason(
    control, treatment, reason, sequential
):
    lift = stats.compare(control, treatment, sequential=sequential)
    assert (lift.verdict, lift.reason) == ("cannot tell", reason)
    assert lift.low is lift.high is lift.p_value is lift.smallest_detectable is None


def test_nobody_converted_still_has_an_interval():
    lift = stats.compare(Arm.proportion(0, 200), Arm.proportion(0, 300))
    assert lift.reason == "no_variance"
    assert lift.p_value == 1
    assert lift.low < 0 < lift.high < 0.03
    assert lift.relative is lift.relative_low is None
    assert 0 < lift.smallest_detectable < 0.1


@pytest.mark.parametrize("counts", [(0, 9, 3, 9), (9, 9, 3, 9), (1, 1, 0, 1)])
@pytest.mark.parametrize("sequential", [None, 10])
def test_tiny_arms_never_answer_nan(counts, sequential):
    control, treatment = Arm.proportion(*counts[:2]), Arm.proportion(*counts[2:])
    lift = stats.compare(control, treatment, sequential=sequential)
    numbers = [v for v in vars(lift).values() if isinstance(v, float)]
    assert np.isfinite(numbers).all()
    assert {type(number) for number in numbers} <= {float}


def test_impossible_arms_are_refused():
    with pytest.raises(ValueError, match="impossible"):
        Arm.proportion(11, 10)
    with pytest.raises(ValueError, match="missing"):
        Arm.of([1.0, np.nan])


def test_a_baseline_that_may_be_zero_has_no_relative_interval():
    lift = stats.compare(Arm(10, 0.5, 4.0), Arm(10, 1.0, 4.0))
    assert lift.relative == pytest.approx(1)
    assert lift.relative_low is lift.relative_high is None


@pytest.mark.parametrize(("p_control", "p_treatment"), [(0.03, 0.03), (0.03, 0.045)])
def test_the_intervals_of_proportions_cover_as_often_as_they_say(
    p_control, p_treatment, rng
):
    n, rounds = (500, 1500), 500
    x, y = (
        rng.binomial(n[0], p_control, rounds),
        rng.binomial(n[1], p_treatment, rounds),
    )
    lifts = [
        stats.compare(Arm.proportion(a, n[0]), Arm.proportion(b, n[1]))
        for a, b in zip(x, y, strict=True)
    ]
    truth, ratio = p_treatment - p_control, p_treatment / p_control - 1
    covered = np.mean([lift.low <= truth <= lift.high for lift in lifts])
    relative = np.mean(
        [lift.relative_low <= ratio <= lift.relative_high for lift in lifts]
    )
    assert 0.925 < covered < 0.975
    assert 0.925 < relative < 0.975


def test_the_intervals_of_skewed_revenue_cover_as_often_as_they_say(rng):
    rounds, n = 1000, (400, 1200)
    revenue = [
        rng.lognormal(2, 1, (rounds, size)) * (rng.random((rounds, size)) < rate)
        for size, rate in zip(n, (0.5, 0.55), strict=True)
    ]
    mean = np.exp(2.5)
    lifts = [stats.compare(Arm.of(c), Arm.of(t)) for c, t in zip(*revenue, strict=True)]
    covered = np.mean([lift.low <= 0.05 * mean <= lift.high for lift in lifts])
    relative = np.mean(
        [lift.relative_low <= 0.1 <= lift.relative_high for lift in lifts]
    )
    assert 0.925 < covered < 0.975
    assert 0.925 < relative < 0.975


def test_looking_every_day_is_safe_with_the_sequential_interval_only(rng):
    rounds, looks, daily = 200, 40, 50
    paths = rng.normal(5, 3, (2, rounds, looks * daily))
    days = np.arange(1, looks + 1) * daily
    means = paths.cumsum(axis=2)[:, :, days - 1] / days
    squares = (paths**2).cumsum(axis=2)[:, :, days - 1]
    variances = (squares - days * means**2) / (days - 1)

    def false_alarms(sequential):
        return np.mean(
            [
                any(
                    stats.compare(
                        Arm(days[d], means[0, r, d], variances[0, r, d]),
                        Arm(days[d], means[1, r, d], variances[1, r, d]),
                        sequential=sequential,
                    ).verdict
                    != "cannot tell"
                    for d in range(looks)
                )
                for r in range(rounds)
            ]
        )

    assert false_alarms(None) > 0.15
    assert false_alarms(2000) < 0.06


def test_the_sequential_p_value_matches_its_interval():
    control = Arm(4000, 10.0, 25.0)
    for mean in (10.1, 10.3, 10.4, 10.45, 10.6):
        lift = stats.compare(control, Arm(4000, mean, 25.0), sequential=5000)
        assert (lift.p_value < 0.05) == (lift.low > 0)
        fixed = stats.compare(control, Arm(4000, mean, 25.0))
        assert lift.low < fixed.low
        assert lift.p_value > fixed.p_value


def test_the_smallest_detectable_effect_is_found_four_times_in_five(rng):
    n_control, n_treatment, rate = 1000, 3000, 0.05
    guess = stats.compare(Arm.proportion(50, 1000), Arm.proportion(150, 3000))
    effect = guess.smallest_detectable
    found = [
        stats.compare(Arm.proportion(a, n_control), Arm.proportion(b, n_treatment))
        for a, b in zip(
            rng.binomial(n_control, rate, 500),
            rng.binomial(n_treatment, rate + effect, 500),
            strict=True,
        )
    ]
    assert np.mean([lift.verdict == "helped" for lift in found]) == pytest.approx(
        0.8, abs=0.05
    )
    assert guess.smallest_detectable_relative == pytest.approx(effect / rate)


def test_the_smallest_detectable_difference_of_means_is_the_textbook_one():
    lift = stats.compare(Arm(10_000, 20.0, 900.0), Arm(10_000, 20.1, 900.0))
    assert lift.smallest_detectable == pytest.approx(2.8016 * (0.18**0.5), rel=1e-3)


def test_sample_size_and_smallest_effect_are_two_sides_of_one_coin():
    size = stats.sample_size(0.05, 0.02, share=0.75)
    assert size.treatment == pytest.approx(3 * size.control, abs=3)
    lift = stats.compare(
        Arm.proportion(round(size.control * 0.05), size.control),
        Arm.proportion(round(size.treatment * 0.05), size.treatment),
    )
    assert lift.smallest_detectable == pytest.approx(0.02, rel=0.03)
    money = stats.sample_size(20.0, 1.0, variance=900.0)
    assert money.total == pytest.approx(2 * 2 * 900 * 2.8016**2, rel=1e-3)


@pytest.mark.parametrize(
    "wrong", [{"effect": 0.0}, {"effect": 0.9}, {"effect": 0.1, "share": 1.0}]
)
def test_a_sample_size_that_cannot_exist_is_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        stats.sample_size(0.2, **wrong)


def test_a_broken_draw_raises_the_alarm():
    fine = stats.srm([2502, 7498], [0.25, 0.75])
    assert not fine.alarm
    assert fine.p_value == pytest.approx(
        distributions.chisquare([2502, 7498], [2500, 7500]).pvalue
    )
    assert stats.srm([2700, 7300], [0.25, 0.75]).alarm
    assert stats.srm([5, 0, 100], [0, 0, 1]).alarm
    assert stats.srm([27, 73], [1, 3]).expected == (25.0, 75.0)


def test_an_empty_or_tiny_draw_raises_no_alarm():
    assert not stats.srm([0, 0], [0.5, 0.5]).alarm
    assert not stats.srm([3, 0], [0.01, 0.99]).alarm
    with pytest.raises(ValueError, match="per arm"):
        stats.srm([1, 2, 3], [0.5, 0.5])
    with pytest.raises(ValueError, match="negative"):
        stats.srm([1, 2], [0.0, 0.0])


def test_honest_draws_alarm_about_once_in_a_thousand(rng):
    draws = rng.multinomial(5000, [0.25, 0.5, 0.25], 2000)
    alarms = sum(stats.srm(draw, [1, 2, 1]).alarm for draw in draws)
    assert alarms <= 9


def test_many_comparisons_are_adjusted_as_statsmodels_does(rng):
    p = rng.random(12) ** 3
    assert stats.holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert stats.benjamini_hochberg(p) == pytest.approx(
        distributions.false_discovery_control(p)
    )
    assert stats.holm([]).size == 0


def test_the_chance_to_win_of_proportions_is_the_beta_integral():
    # Beta(2, 1) beats Beta(1, 2) with probability 5/6.
    chance = stats.chance_to_win(Arm.proportion(0, 1), Arm.proportion(1, 1))
    assert chance == pytest.approx(5 / 6, abs=1e-4)
    same = Arm.proportion(40, 800)
    assert stats.chance_to_win(same, same) == pytest.approx(0.5, abs=1e-4)


def test_the_chance_to_win_of_means_is_normal():
    chance = stats.chance_to_win(Arm(100, 10.0, 50.0), Arm(100, 11.0, 50.0))
    assert chance == pytest.approx(distributions.norm.cdf(1), abs=1e-9)
    assert stats.chance_to_win(Arm.of([]), Arm.of([1.0])) is None


def test_cuped_keeps_the_effect_and_removes_what_was_known_before(rng):
    n = 4000
    x = rng.gamma(2, 10, 2 * n)
    y = 0.8 * x + rng.normal(0, 6, 2 * n)
    y[n:] += 1.0
    adjusted = stats.cuped(y[:n], x[:n], y[n:], x[n:])
    plain = stats.compare(Arm.of(y[:n]), Arm.of(y[n:]))
    better = stats.compare(adjusted.control, adjusted.treatment)
    assert adjusted.theta == pytest.approx(0.8, abs=0.03)
    assert better.low <= 1.0 <= better.high
    assert better.high - better.low < 0.6 * (plain.high - plain.low)
    share = np.corrcoef(x, np.r_[y[:n], y[n:] - 1])[0, 1] ** 2
    assert adjusted.variance_removed == pytest.approx(share, abs=0.01)


def test_cuped_without_a_past_changes_nothing():
    same = stats.cuped([1.0, 2.0], [0.0, 0.0], [3.0, 4.0], [0.0, 0.0])
    assert same.theta == 0
    assert same.treatment == Arm.of([3.0, 4.0])
    with pytest.raises(ValueError, match="before"):
        stats.cuped([1.0], [1.0, 2.0], [1.0], [1.0])

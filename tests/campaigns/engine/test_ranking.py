"""An ad decision: who may be shown, why not, and with what chance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from campaigns.engine import ranking
from campaigns.engine.ranking import Candidate, Visit

NOW = datetime(2017, 12, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
VISIT = Visit(NOW, segments=frozenset({3, 4}), excluded=frozenset({99}))


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (Candidate(1), None),
        (Candidate(1, paused=True), "paused"),
        (Candidate(1, starts_at=NOW + HOUR), "outside dates"),
        (Candidate(1, ends_at=NOW), "outside dates"),
        (Candidate(1, starts_at=NOW, ends_at=NOW + HOUR), None),
        (Candidate(1, segments=frozenset({5})), "not in segment"),
        (Candidate(1, segments=frozenset({4, 5})), None),
        (Candidate(99), "excluded"),
        (Candidate(1, cap=3, times_shown=3), "capped"),
        (Candidate(1, cap=3, times_shown=2), None),
        (Candidate(1, cap=0), "capped"),
        (Candidate(1, budget_left=0.0), "budget spent"),
        (Candidate(1, budget_left=0.01), None),
        (Candidate(1, relevance=0.0), "not relevant"),
        (Candidate(1, weight=float("nan")), "not relevant"),
    ],
)
def test_every_refusal_names_its_reason(candidate, reason):
    assert ranking.refusal(candidate, VISIT) == reason
    decision = ranking.decide([candidate], VISIT, [0.5])
    assert [choice.ad_id for choice in decision.choices] == ([] if reason else [1])
    assert decision.refused == ({candidate.ad_id: reason} if reason else {})


def test_ads_are_drawn_in_proportion_to_relevance_times_weight():
    ads = [Candidate(1, 0.5, 2.0), Candidate(2, 1.5, 2.0), Candidate(3, paused=True)]
    draws = np.random.default_rng(5).random(4000)
    choices = [ranking.decide(ads, VISIT, [draw]).choices[0] for draw in draws]
    share = np.mean([choice.ad_id == 2 for choice in choices])
    assert share == pytest.approx(0.75, abs=0.03)
    assert {choice.propensity for choice in choices if choice.ad_id == 2} == {0.75}


def test_the_same_draw_gives_the_same_ad_in_any_order_of_candidates():
    ads = [Candidate(n, relevance=n) for n in range(1, 30)]
    draws = [0.31, 0.999, 0.0]
    decision = ranking.decide(ads, VISIT, draws)
    assert decision == ranking.decide(ads[::-1], VISIT, draws)
    assert (
        decision.choices[0].ad_id == 16
    )  # 1 + … + 16 is the first sum above .31 x 435


def test_several_slots_never_repeat_an_ad_and_stop_when_there_is_none():
    ads = [Candidate(n) for n in range(3)]
    decision = ranking.decide(ads, VISIT, [0.9, 0.9, 0.9, 0.9])
    assert [choice.ad_id for choice in decision.choices] == [2, 1, 0]
    chances = [choice.propensity for choice in decision.choices]
    assert chances == pytest.approx([1 / 3, 1 / 2, 1])


def test_nobody_to_show_is_an_empty_answer():
    assert ranking.decide([], VISIT, [0.5]) == ranking.Decision()


def test_the_highest_draw_still_finds_an_ad():
    ads = [Candidate(n, relevance=0.1) for n in range(10)]
    top = float(np.nextafter(1.0, 0.0))
    assert ranking.decide(ads, VISIT, [top]).choices[0].ad_id == 9


@pytest.mark.parametrize("draw", [1.0, -0.1, float("nan")])
def test_a_draw_outside_the_line_is_refused(draw):
    with pytest.raises(ValueError, match="draw"):
        ranking.decide([Candidate(1)], VISIT, [draw])

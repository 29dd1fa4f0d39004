"""Nothing goes live that serves the same customers worse, unless somebody says why."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.models import AuditEntry, ModelRun
from segmentation.services import gating, jobs, registry, unlearning
from tests import storefront
from tests.segmentation.services import behaviour

pytestmark = pytest.mark.django_db

PERIOD = {"test_from": "2026-05-01", "test_until": "2026-05-29", "min_lines": 10}
PEOPLE = np.arange(1, 401)


@pytest.fixture(autouse=True)
def _afresh():
    storefront.start_afresh()


def judged(
    ndcg: np.ndarray,
    *,
    ids: np.ndarray = PEOPLE,
    coverage: float = 0.3,
    protocol: dict | None = None,
    live: tuple[ModelRun, np.ndarray] | None = None,
) -> ModelRun:
    """A finished run with what each customer got; ``live`` as judged beside it."""
    run = ModelRun.objects.create(
        algorithm="als",
        purpose="discover",
        status="done",
        protocol=PERIOD if protocol is None else protocol,
        metrics={
            "live": {"run": live[0].pk if live else None},
            "discover": {
                "n_users": len(ids),
                "n_items": 1000,
                "coverage": {"mean": coverage},
            },
        },
    )
    with registry.new_artifact(run) as (folder, name):
        inner = folder / "judged"
        inner.mkdir()
        np.save(inner / "discover_user_ids.npy", ids)
        np.save(inner / "discover_ndcg.npy", ndcg)
        if live is not None:
            np.save(inner / "live_discover_user_ids.npy", ids)
            np.save(inner / "live_discover_ndcg.npy", live[1])
    run.artifact = name
    run.save()
    return run


def scores(mean: float, seed: int = 1) -> np.ndarray:
    """Customers differ much more than runs do; a pair tells the runs apart."""
    easy = np.random.default_rng(0).random(len(PEOPLE))
    noise = np.random.default_rng(seed).normal(0, 0.02, len(PEOPLE))
    return easy * 0.6 + noise + mean


def test_the_first_of_a_purpose_passes():
    found = gating.verdict(judged(scores(0.1)))
    assert found["passed"]
    assert found["live_run"] is None
    assert found["reason"] == "Nothing is live for this purpose yet."
    assert found["coverage"] == 0.3


@pytest.mark.parametrize(
    ("mean", "passed", "says"),
    [
        (0.09, False, "It is worse than the live run"),
        (0.11, True, "It is better than the live run"),
        (0.1, True, "not worse than the live run as far as one can tell"),
    ],
)
def test_a_run_is_compared_on_the_same_customers(mean, passed, says):
    live = judged(scores(0.1))
    registry.promote(live)
    found = gating.verdict(judged(scores(mean, seed=2)))
    assert found["passed"] is passed
    assert found["live_run"] == live.pk
    assert says in found["reason"]
    assert "on the same 400 customers" in found["reason"]
    difference = found["difference"]
    assert difference["low"] < difference["mean"] < difference["high"]
    assert abs(difference["mean"] - (mean - 0.1)) < 0.005


def test_customers_are_matched_by_who_they_are_and_not_by_their_place():
    registry.promote(judged(scores(0.1)))
    order = np.random.default_rng(5).permutation(len(PEOPLE))
    shuffled = judged(scores(0.09, seed=2)[order], ids=PEOPLE[order])
    assert not gating.verdict(shuffled)["passed"]
    some = judged(scores(0.11)[:300], ids=PEOPLE[:300])
    assert "on the same 300 customers" in gating.verdict(some)["reason"]


def test_another_period_is_another_question():
    registry.promote(judged(scores(0.1)))
    later = judged(scores(0.2), protocol=PERIOD | {"test_from": "2026-06-01"})
    found = gating.verdict(later)
    assert not found["passed"]
    assert "cannot be told" in found["reason"]


def test_the_live_run_as_judged_in_the_training_counts_before_its_old_numbers():
    live = judged(scores(0.3))
    registry.promote(live)
    period = PERIOD | {"test_from": "2026-06-01"}
    run = judged(scores(0.2), protocol=period, live=(live, scores(0.1, seed=2)))
    assert gating.verdict(run)["passed"]
    registry.promote(judged(scores(0.2)))  # those numbers are not of this one
    assert "cannot be told" in gating.verdict(run)["reason"]


def test_lists_that_name_next_to_nothing_do_not_pass(settings):
    narrow = judged(scores(0.1), coverage=0.004)
    found = gating.verdict(narrow)
    assert not found["passed"]
    assert "name 0.40 % of the catalogue; at least 1.00 %" in found["reason"]
    settings.STRATA_GATE_COVERAGE = 0.001
    assert gating.verdict(narrow)["passed"]


def test_few_people_can_name_few_things(settings):
    """Twenty customers see 200 of 1000 items at most: a hundredth of that is wanted."""
    few = judged(scores(0.1)[:20], ids=PEOPLE[:20], coverage=0.003)
    assert gating.verdict(few)["passed"]


def test_what_is_worse_goes_live_only_with_a_reason(admin_user):
    live, worse = judged(scores(0.1)), judged(scores(0.05))
    gating.go_live(live)
    with pytest.raises(gating.GateClosed, match="It is worse"):
        gating.go_live(worse, actor=admin_user)
    with pytest.raises(gating.GateClosed):
        gating.go_live(worse, actor=admin_user, overrule="  ")
    assert stage(worse) == "candidate"
    assert not AuditEntry.objects.filter(actor=admin_user).exists()
    gating.go_live(worse, actor=admin_user, overrule="the old one names what is gone")
    assert (stage(live), stage(worse)) == ("retired", "live")
    worse.refresh_from_db()
    assert worse.gate["overruled"]["reason"] == "the old one names what is gone"
    assert worse.gate["overruled"]["by"] == admin_user.username
    entry = AuditEntry.objects.get(actor=admin_user)
    assert entry.action == "overrule_gate"
    assert entry.changes["overruled because"][1] == "the old one names what is gone"


def test_a_verdict_holds_against_the_run_it_was_given_for():
    first, second, third = (judged(scores(0.1)) for _run in range(3))
    registry.promote(first)
    found = gating.verdict(third)
    registry.promote(second)
    with pytest.raises(jobs.Refused, match="went live meanwhile"):
        registry.promote(third, gate=found)
    assert stage(second) == "live"


def test_only_what_was_live_can_be_gone_back_to(admin_user):
    first, second = judged(scores(0.1)), judged(scores(0.2))
    gating.go_live(first)
    gating.go_live(second)
    with pytest.raises(jobs.Refused, match="was live before"):
        gating.roll_back(judged(scores(0.1)), actor=admin_user)
    assert gating.roll_back(first, actor=admin_user) == second
    assert (stage(first), stage(second)) == ("live", "retired")
    assert AuditEntry.objects.get(actor=admin_user).action == "roll_back"


def test_the_erased_are_in_no_comparison():
    live, run = judged(scores(0.1)), judged(scores(0.1, seed=2))
    registry.promote(live)
    unlearning.forget(range(1, 301))
    assert "on the same 100 customers" in gating.verdict(run)["reason"]


def test_two_trainings_of_one_shop_are_comparable():
    behaviour.world()
    gating.go_live(behaviour.train("item_knn", "discover"))
    worse = behaviour.train("popularity", "discover")
    found = worse.gate
    assert found["difference"] is not None
    assert found["passed"] is (found["difference"]["high"] >= 0)


def stage(run: ModelRun) -> str:
    return ModelRun.objects.get(pk=run.pk).stage

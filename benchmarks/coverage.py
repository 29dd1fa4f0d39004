"""How often the report's intervals hold the truth: `python benchmarks/coverage.py`.

Prints one JSON object: per scenario the share of rounds whose 95 % interval covered the
true difference and the true relative lift, called an effect where there was none, and
found the smallest effect that the arms said they could find (80 % is promised).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from campaigns.engine import stats  # noqa: E402


@dataclass(frozen=True)
class Scenario:
    """Two arms of these sizes, a control rate, and what buyers spend (0: counts)."""

    n_control: int
    n_treatment: int
    rate: float
    spend_sigma: float = 0.0
    sequential: int | None = None

    def draw(self, rng: np.random.Generator, n: int, rate: float) -> stats.Arm:
        if not self.spend_sigma:
            return stats.Arm.proportion(rng.binomial(n, rate), n)
        spend = rng.lognormal(0, self.spend_sigma, n) * (rng.random(n) < rate)
        return stats.Arm.of(spend / np.exp(self.spend_sigma**2 / 2))

    def lift(self, rng: np.random.Generator, effect: float) -> stats.Lift:
        return stats.compare(
            self.draw(rng, self.n_control, self.rate),
            self.draw(rng, self.n_treatment, self.rate + effect),
            sequential=self.sequential,
        )


SCENARIOS = {
    "conversions": Scenario(500, 1500, 0.05),
    "rare_conversions": Scenario(500, 1500, 0.008),
    "revenue": Scenario(500, 1500, 0.3, spend_sigma=1.0),
    "heavy_revenue": Scenario(500, 1500, 0.3, spend_sigma=1.6),
    "conversions_sequential": Scenario(5000, 15000, 0.05, sequential=20_000),
}


def measure(scenario: Scenario, rounds: int, seed: int) -> dict[str, float]:
    """Return the shares, each over `rounds` simulated campaigns."""
    rng = np.random.default_rng(seed)
    effect = scenario.rate / 2
    lifts = [scenario.lift(rng, effect) for _ in range(rounds)]
    nothing = [scenario.lift(rng, 0.0) for _ in range(rounds)]
    smallest = float(np.median([lift.smallest_detectable or 0 for lift in nothing]))
    at_smallest = [scenario.lift(rng, smallest) for _ in range(rounds)]
    return {
        "covers": _share(lifts, lambda x: _within(x.low, effect, x.high)),
        "covers_relative": _share(
            lifts, lambda x: _within(x.relative_low, 0.5, x.relative_high)
        ),
        "false_alarms": _share(nothing, lambda x: x.verdict != "cannot tell"),
        "found_smallest": _share(at_smallest, lambda x: x.verdict == "helped"),
    }


def _within(low: float | None, truth: float, high: float | None) -> bool:
    """Return whether an interval holds the truth; one that is not given does."""
    return low is None or high is None or low <= truth <= high


def _share(lifts: list[stats.Lift], holds: Callable[[stats.Lift], bool]) -> float:
    return sum(map(holds, lifts)) / len(lifts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    found = {
        name: measure(scenario, options.rounds, options.seed)
        for name, scenario in SCENARIOS.items()
    }
    sys.stdout.write(json.dumps({"rounds": options.rounds, **found}) + "\n")


if __name__ == "__main__":
    main()

"""What to try next: TPE of Optuna, each step made anew from what was tried before.

Nothing is kept between two steps but the trials themselves. So a search that was killed
goes on as if nothing had happened, and the same trials and seed give the same proposal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segmentation.engine.recommenders.spaces import Choice, Real, Space, Whole

STARTS = 8  # drawn at random before the estimator has something to go by
REPEATS = 20  # proposals that were tried already, before a space counts as exhausted


def propose(
    space: Space,
    tried: Sequence[tuple[dict[str, Any], float | None]],
    *,
    seed: int,
) -> dict[str, Any] | None:
    """Values worth trying after what was tried with which score (None: it failed).

    None where the space has nothing new any more.
    """
    before = [{name: each.get(name) for name in space} for each, _score in tried]
    for repeat in range(REPEATS):
        found = _ask(space, tried, seed * 100_003 + len(tried) * 101 + repeat)
        if found not in before:
            return found
    return None


def _ask(
    space: Space,
    tried: Sequence[tuple[dict[str, Any], float | None]],
    seed: int,
) -> dict[str, Any]:
    optuna = _optuna()
    ranges = {name: _distribution(optuna, found) for name, found in space.items()}
    sampler = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=STARTS)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for params, score in tried:
        inside = all(
            name in params and _holds(space[name], params[name]) for name in space
        )
        if inside and score is not None:
            values = {name: params[name] for name in space}
            study.add_trial(
                optuna.trial.create_trial(
                    params=values, distributions=ranges, value=score
                )
            )
    return dict(study.ask(ranges).params)


def _distribution(optuna: Any, found: Whole | Real | Choice) -> Any:
    kinds = optuna.distributions
    if isinstance(found, Choice):
        return kinds.CategoricalDistribution(found.values)
    if isinstance(found, Whole):
        return kinds.IntDistribution(found.low, found.high, log=found.log)
    return kinds.FloatDistribution(found.low, found.high, log=found.log)


def _holds(found: Whole | Real | Choice, value: Any) -> bool:
    if isinstance(found, Choice):
        return value in found.values
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and found.low <= value <= found.high


def _optuna() -> Any:
    """Imported where it is used: a web process never searches."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna

"""What a run may be told beside the model's own parameters, and whether it can be so.

Of the data: ``signal``, ``kind_weights``, ``half_life_days``, ``amount``. Of how it is
judged: ``split`` and what belongs to it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from segmentation.engine import recommenders, signals
from segmentation.engine.interactions import DataError
from segmentation.models import KIND_WEIGHTS, Kind

TEMPORAL, LAST_OUT, FOLDS = "temporal", "leave_last_out", "k_fold"
SPLITS = (TEMPORAL, LAST_OUT, FOLDS)
AUTO, BEHAVIOUR, RATINGS = "auto", "behaviour", "ratings"
SIGNALS = (AUTO, BEHAVIOUR, RATINGS)

# What is not told has these values; None is chosen, or found in the data.
PROTOCOL: dict[str, Any] = {
    "valid_from": None,
    "test_from": None,
    "test_until": None,
    "min_lines": 10,
    "period_days": 28,
    "split": TEMPORAL,
    "folds": 5,
    "signal": AUTO,
    # The budget of a search for parameters; without one the few candidates are tried.
    "trials": None,
    "minutes": None,
    "kind_weights": None,
    "half_life_days": None,
    "amount": None,
}
DATA = ("kind_weights", "half_life_days", "amount")
# What may be done with an item in it; a return takes back and has no weight.
KINDS = {
    kind.name.lower(): kind
    for kind in Kind
    if kind not in (Kind.RETURN, Kind.SEARCH, Kind.RATING)
}


def own_params(algorithm: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that the model takes itself; its half-life before the data's."""
    own = _own_names(algorithm)
    return {k: v for k, v in params.items() if k not in PROTOCOL or k in own}


def protocol(algorithm: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """All that is not the model's own, as told or as usual."""
    own = _own_names(algorithm)
    told = {k: v for k, v in params.items() if k in PROTOCOL and k not in own}
    return PROTOCOL | told


def check(algorithm: str, params: Mapping[str, Any]) -> None:
    """DataError or BadParameter, in a sentence, where a run cannot be told this."""
    recommenders.create(algorithm, **own_params(algorithm, params))
    told = protocol(algorithm, params)
    for name, is_good, what in _LIMITS:
        if not is_good(told[name]):
            words = {"name": name, "value": told[name], "what": what()}
            raise DataError(_("%(name)s is “%(value)s”; it must be %(what)s.") % words)
    _check_kinds(told["kind_weights"])
    has_ratings = recommenders.kind(algorithm).predicts_ratings
    if told["signal"] == BEHAVIOUR and has_ratings:
        raise DataError(
            _("%(name)s learns from ratings; leave signal out.") % {"name": algorithm}
        )
    if told["split"] == FOLDS and not (has_ratings or told["signal"] == RATINGS):
        raise DataError(
            _(
                "k_fold is for ratings: what somebody does next is not judged by what "
                "they did later. Use temporal or leave_last_out."
            )
        )


def weights_by_kind(told: Mapping[str, float] | None) -> dict[int, float]:
    """Weight of each kind that says something: as told, the others as usual."""
    named = {int(KINDS[name]): float(weight) for name, weight in (told or {}).items()}
    usual = {int(kind): weight for kind, weight in KIND_WEIGHTS.items()}
    return {kind: value for kind, value in (usual | named).items() if value > 0}


def has_half_life(algorithm: str) -> bool:
    """Whether the model forgets by itself, so that the data must not as well."""
    return "half_life_days" in _own_names(algorithm)


def _own_names(algorithm: str) -> set[str]:
    return set(inspect.signature(recommenders.kind(algorithm)).parameters)


def _check_kinds(told: Any) -> None:
    example = '{"view": 0.1, "purchase": 1}'
    if told is None:
        return
    if not isinstance(told, dict):
        words = {"value": told, "example": example}
        raise DataError(
            _("kind_weights is “%(value)s”; write an object such as %(example)s.")
            % words
        )
    for name, weight in told.items():
        if name not in KINDS:
            words = {"name": name, "names": ", ".join(KINDS)}
            raise DataError(
                _("kind_weights names “%(name)s”; there are %(names)s.") % words
            )
        if not (_is_number(weight) and weight >= 0):
            words = {"name": name, "value": weight}
            raise DataError(
                _("The weight of %(name)s is “%(value)s”; it must be 0 or more.")
                % words
            )
    if not weights_by_kind(told):
        raise DataError(_("kind_weights leaves no kind that says anything."))


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _one_of(names: tuple[str, ...]) -> Callable[[], str]:
    return lambda: _("one of %(names)s") % {"names": ", ".join(names)}


def _positive() -> str:
    return _("a positive number")


_LIMITS: tuple[tuple[str, Callable[[Any], bool], Callable[[], str]], ...] = (
    ("min_lines", _is_positive, _positive),
    ("period_days", _is_positive, _positive),
    ("half_life_days", lambda v: v is None or _is_positive(v), _positive),
    (
        "folds",
        lambda v: isinstance(v, int) and 3 <= v <= 20,
        lambda: _("a whole number from 3 to 20"),
    ),
    ("split", lambda v: v in SPLITS, _one_of(SPLITS)),
    ("signal", lambda v: v in SIGNALS, _one_of(SIGNALS)),
    (
        "amount",
        lambda v: v is None or v in signals.AMOUNTS,
        _one_of(signals.AMOUNTS),
    ),
)

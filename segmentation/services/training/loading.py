"""Rows → the parts of a training: learn, choose, judge, and everything."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from segmentation import frames, queries
from segmentation.engine import evaluation
from segmentation.engine.interactions import DataError, IdMap, Interactions
from segmentation.models import ModelRun

BUSY_SHARE = 0.01  # of all lines: fewer do not make a period to judge by

# What a run may be told about how it is judged, beside the model's own parameters.
PROTOCOL = {
    "valid_from": None,
    "test_from": None,
    "test_until": None,
    "min_lines": 10,
    "period_days": 28,
    # The budget of a search for parameters; without one the few candidates are tried.
    "trials": None,
    "minutes": None,
}


@dataclass
class Data:
    """The three parts as interactions over one catalogue."""

    fit: Interactions
    train: Interactions
    everything: Interactions
    validation_truth: Any
    test_truth: Any
    protocol: dict[str, Any]
    user_labels: dict[str, np.ndarray] = field(default_factory=dict)
    item_labels: dict[str, np.ndarray] = field(default_factory=dict)


def load(run: ModelRun) -> Data:
    known = frames.interest()
    log = known.as_of().to_pandas()
    if log.empty:
        raise DataError(_("There is no behaviour to learn from; import events first."))
    protocol = _protocol(run, log)
    # What is later, such as answers to a campaign, is learned from and not judged by.
    borders = {n: protocol[n] for n in ("valid_from", "test_from", "test_until")}
    parts = known.split(**borders)
    before = parts.train
    items = _catalogue(before, protocol["min_lines"])
    # Judged are those who took something of the catalogue before (protocol P2).
    train = Interactions.from_frame(before, items=items)
    users = train.users
    fit = Interactions.from_frame(parts.fit, users, items)
    everything = Interactions.from_frame(
        log, items=_catalogue(log, protocol["min_lines"])
    )
    told = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in protocol.items()
    }
    return Data(
        fit,
        train,
        everything,
        evaluation.truth(parts.validation, users, items),
        evaluation.truth(parts.test, users, items),
        told,
    )


def _protocol(run: ModelRun, log: pd.DataFrame) -> dict[str, Any]:
    """Where the parts begin: as told, else the last two busy periods of the data.

    The test lasts a period, if nothing else is told.
    """
    told = PROTOCOL | {k: v for k, v in run.params.items() if k in PROTOCOL}
    for name in ("min_lines", "period_days"):
        if not isinstance(told[name], int | float) or not told[name] > 0:
            raise DataError(
                _("%(name)s is “%(value)s”; it must be a positive number.")
                % {"name": name, "value": told[name]}
            )
    period = timedelta(days=float(told["period_days"]))
    newest = _last_busy_period(log["timestamp"].to_numpy(), period)
    told["test_from"] = _instant(told, "test_from", newest)
    told["valid_from"] = _instant(told, "valid_from", told["test_from"] - period)
    told["test_until"] = _instant(told, "test_until", told["test_from"] + period)
    if not told["valid_from"] < told["test_from"]:
        raise DataError(_("valid_from must be earlier than test_from."))
    return told


def _instant(told: dict[str, Any], name: str, default: datetime) -> datetime:
    value = told[name]
    parsed = parse_datetime(str(value)) if value else default
    if parsed is None:
        raise DataError(
            _("%(name)s is “%(value)s”; write a time such as 2017-12-04T05:00Z.")
            % {"name": name, "value": value}
        )
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _last_busy_period(days: np.ndarray, period: timedelta) -> datetime:
    """When the last period begins that, like the one before it, has its share of lines.

    A few lines long after all others, such as the first answers to a campaign in a
    shop whose history was brought in, must not be all there is to judge by.
    """
    length = period / timedelta(days=1)
    ages = ((days.max() - days) // length).astype(np.int64)
    busy = np.bincount(ages, minlength=2) >= len(days) * BUSY_SHARE
    both = np.flatnonzero(busy[:-1] & busy[1:])
    age = int(both[0]) if len(both) else 0
    newest = datetime.fromtimestamp(days.max() * 86_400, UTC)
    return newest - (age + 1) * period


def _catalogue(log: pd.DataFrame, min_lines: int) -> IdMap:
    """Items with enough lines to say anything about them."""
    ids, counts = np.unique(log["item_id"].to_numpy(), return_counts=True)
    enough = ids[counts >= int(min_lines)]
    if not len(enough):
        raise DataError(
            _("No item has %(n)d events; lower min_lines or import more.")
            % {"n": int(min_lines)}
        )
    return IdMap(enough)


def snapshot(data: Interactions) -> dict[str, Any]:
    digest = hashlib.blake2b(digest_size=16)
    matrix = data.user_items
    assert data.timestamp is not None, "the log always has times"
    for array in (data.users.ids, data.items.ids, matrix.indptr, matrix.indices):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(np.ascontiguousarray(matrix.data).tobytes())
    return {
        "users": len(data.users),
        "items": len(data.items),
        "lines": len(data.weight),
        "pairs": int(matrix.nnz),
        "quarantined": len(queries.quarantined()),
        "newest": datetime.fromtimestamp(
            float(np.max(data.timestamp)) * 86_400, UTC
        ).isoformat(),
        "hash": digest.hexdigest(),
    }

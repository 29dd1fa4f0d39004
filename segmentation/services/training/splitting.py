"""Learn, choose, judge: where a log is cut."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from segmentation import frames
from segmentation.engine import evaluation
from segmentation.engine.interactions import DataError, EmptyData
from segmentation.services.training import telling

BUSY_SHARE = 0.01  # of all lines: fewer do not make a period to judge by
BORDERS = ("valid_from", "test_from", "test_until")


def parts(
    known: frames.Interest, log: pd.DataFrame, told: dict[str, Any], seed: int
) -> tuple[frames.Parts, dict[str, Any]]:
    """The parts as the split says, and the protocol with its borders in full.

    ``log`` is all that is known by now. DataError where a part would be empty.
    """
    if told["split"] == telling.TEMPORAL:
        borders = _borders(told, log)
        # What is later, such as answers to a campaign, is learned from, not judged by.
        return known.split(**borders), told | borders
    told = {name: value for name, value in told.items() if name not in BORDERS}
    if told["split"] == telling.LAST_OUT:
        cut = evaluation.leave_last_out(log)
        return frames.Parts(cut.fit, cut.train, cut.validation, cut.test), told
    if len(log) < 3 * told["folds"]:
        words = {"n": len(log), "folds": told["folds"]}
        raise EmptyData(
            _("%(n)d ratings are too few for %(folds)d folds; import more.") % words
        )
    # Chosen on the second fold and judged on the first; RMSE is judged on all of them.
    folds = evaluation.k_fold(log, told["folds"], seed=seed)
    (train, test), (_rest, validation) = itertools.islice(folds, 2)
    fit = train.drop(index=validation.index)
    return frames.Parts(fit, train, validation, test), told


def _borders(told: dict[str, Any], log: pd.DataFrame) -> dict[str, datetime]:
    """Where the parts begin: as told, else the last two busy periods of the data.

    The test lasts a period, if nothing else is told.
    """
    period = timedelta(days=float(told["period_days"]))
    newest = _last_busy_period(log["timestamp"].to_numpy(), period)
    test_from = _instant(told, "test_from", newest)
    valid_from = _instant(told, "valid_from", test_from - period)
    test_until = _instant(told, "test_until", test_from + period)
    if not valid_from < test_from:
        raise DataError(_("valid_from must be earlier than test_from."))
    return {
        "valid_from": valid_from,
        "test_from": test_from,
        "test_until": test_until,
    }


def _instant(told: dict[str, Any], name: str, default: datetime) -> datetime:
    value = told[name]
    try:
        parsed = parse_datetime(str(value)) if value else default
    except ValueError:  # written like a time, such as the 32nd of a month
        parsed = None
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

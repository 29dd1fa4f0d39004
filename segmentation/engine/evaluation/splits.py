"""What is learned from, chosen on and judged by: no row is in two parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from segmentation.engine import columns, interactions
from segmentation.engine.interactions import EmptyData

Instant = datetime | np.datetime64 | float


@dataclass(frozen=True)
class Split:
    """Learn on `fit`, choose on `validation`, judge once on `test`."""

    fit: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    @property
    def train(self) -> pd.DataFrame:
        """All that was known before the test, for the refit of what was chosen."""
        return pd.concat([self.fit, self.validation])


def temporal_split(frame: Any, *, valid_from: Instant, test_from: Instant) -> Split:
    """Parts before `valid_from`, before `test_from` and from then on."""
    frame = interactions.as_pandas(frame)
    if columns.TIMESTAMP not in frame:
        raise interactions.NoTimestamps("A temporal split needs a timestamp column.")
    when = interactions.days(frame[columns.TIMESTAMP])
    first, second = (
        interactions.days([valid_from])[0],
        interactions.days([test_from])[0],
    )
    if not first < second:
        raise ValueError("The validation must begin before the test.")
    return _parts(frame, np.searchsorted([first, second], when, side="right"))


def leave_last_out(frame: Any) -> Split:
    """The last row of each user is the test, the one before it the validation.

    Of equal times the later row of the frame is the later one. Users with fewer than
    three rows are learned from and not judged. What others did later stays in the fit:
    use it to compare with published numbers, and `temporal_split` for a shop.
    """
    frame = interactions.as_pandas(frame)
    if columns.TIMESTAMP not in frame:
        raise interactions.NoTimestamps("Leaving the last out needs timestamps.")
    when = interactions.days(frame[columns.TIMESTAMP])
    user = pd.factorize(frame[columns.USER])[0]
    order = np.lexsort((when, user))  # a stable sort
    counts = np.bincount(user)
    ends = np.cumsum(counts)[user[order]]
    from_end = np.empty(len(frame), np.int64)
    from_end[order] = ends - 1 - np.arange(len(frame))
    part = np.where(counts[user] >= 3, np.maximum(2 - from_end, 0), 0)
    return _parts(frame, part)


def k_fold(
    frame: Any, k: int = 5, *, seed: int = 0
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """k times (train, test), each row in one test, of equal size to one row.

    For ratings only: what somebody does next is not judged by what they did later.
    """
    frame = interactions.as_pandas(frame)
    if not 2 <= k <= len(frame):
        raise ValueError(f"{len(frame)} rows cannot be cut into {k} folds.")
    fold = np.random.default_rng(seed).permutation(len(frame)) % k
    for number in range(k):
        yield frame[fold != number], frame[fold == number]


def _parts(frame: pd.DataFrame, part: Any) -> Split:
    fit, validation, test = (frame[part == number] for number in range(3))
    for name, rows in (("fit", fit), ("validation", validation), ("test", test)):
        if not len(rows):
            raise EmptyData(f"No interaction falls into the {name} part of the split.")
    return Split(fit, validation, test)

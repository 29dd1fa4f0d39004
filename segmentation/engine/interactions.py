"""IdMap and Interactions: the customer x item matrix and the log it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from segmentation.engine import columns
from segmentation.engine.catalogue import Catalogue

Rows = NDArray[np.int32]

# Ages are cut at this many half-lives: 2 ** -100 is still a float32, so that what
# was bought long ago keeps its place at the end instead of vanishing.
MAX_HALF_LIVES = 100.0


class DataError(ValueError):
    """The data cannot be learned from; the message is a sentence that says why."""


class MissingColumn(DataError):
    """A column that is needed is not in the frame."""


class BadValues(DataError):
    """A column holds values that cannot be used."""


class EmptyData(DataError):
    """There is nothing to learn from."""


class TooSmall(DataError):
    """There are fewer than two users or fewer than two items."""


class NoRatings(DataError):
    """Something about ratings was asked of interactions without ratings."""


class NoTimestamps(DataError):
    """Something about time was asked of interactions without timestamps."""


@dataclass(frozen=True, eq=False)
class IdMap:
    """Outside ids (int64 or text) <-> rows 0..n-1; the position in `ids` is the row."""

    ids: NDArray[Any]
    _sorted: NDArray[Any] = field(init=False, repr=False)
    _order: Rows = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ids = _as_ids(self.ids)
        order = np.argsort(ids, kind="stable")
        ranked = ids[order]
        if len(ids) > 1 and (ranked[1:] == ranked[:-1]).any():
            raise BadValues("An id occurs twice in an id map.")
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "_sorted", ranked)
        object.__setattr__(self, "_order", order.astype(np.int32))

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: ArrayLike | Iterable[Any]) -> Rows:
        """Row of each id, -1 where the id is unknown (int32, same length)."""
        wanted = _as_ids(ids)
        if not len(self) or wanted.dtype.kind != self.ids.dtype.kind:
            return np.full(len(wanted), -1, np.int32)
        at = np.searchsorted(self._sorted, wanted).clip(max=len(self) - 1)
        found = self._sorted[at] == wanted
        return np.where(found, self._order[at], -1).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Interactions:
    """A log of (user, item, weight[, rating][, time]) and its users x items matrix.

    `timestamp` is in days since 1970-01-01 UTC (float64).
    """

    users: IdMap
    items: IdMap
    user_row: Rows
    item_row: Rows
    weight: NDArray[np.float32]
    rating: NDArray[np.float32] | None = None
    timestamp: NDArray[np.float64] | None = None
    catalogue: Catalogue | None = None  # what is known of the items, for content models

    @classmethod
    def from_frame(
        cls, frame: Any, users: IdMap | None = None, items: IdMap | None = None
    ) -> Interactions:
        """Read a pandas DataFrame or pyarrow Table with the canonical columns.

        Where a map is given, rows whose id is not in it are left out; a map that is
        not given has the ids of the rows that stay.
        """
        frame = as_pandas(frame)
        if users is not None:
            frame = frame[users.rows(_column(frame, columns.USER)) >= 0]
        if items is not None:
            frame = frame[items.rows(_column(frame, columns.ITEM)) >= 0]
        users, user_row = _coded(_column(frame, columns.USER), users)
        items, item_row = _coded(_column(frame, columns.ITEM), items)
        rating = _numbers(frame, columns.RATING) if columns.RATING in frame else None
        has_time = columns.TIMESTAMP in frame
        return cls(
            users=users,
            items=items,
            user_row=user_row,
            item_row=item_row,
            weight=_numbers(frame, columns.WEIGHT),
            rating=rating,
            timestamp=days(frame[columns.TIMESTAMP]) if has_time else None,
        )

    def __len__(self) -> int:
        return len(self.weight)

    @cached_property
    def user_items(self) -> sparse.csr_matrix:
        """CSR float32 users x items of summed weights; sums <= 0 are absent."""
        matrix = sparse.csr_matrix(
            (self.weight, (self.user_row, self.item_row)),
            shape=(len(self.users), len(self.items)),
            dtype=np.float32,
        )
        matrix.sum_duplicates()
        matrix.data[matrix.data < 0] = 0  # more came back than was bought
        matrix.eliminate_zeros()
        return matrix

    def decayed(
        self,
        half_life_days: float,
        as_of: datetime | np.datetime64 | float | None = None,
    ) -> Interactions:
        """Weights halved per `half_life_days` of age at `as_of` (default: newest)."""
        if not half_life_days > 0:
            raise BadValues("A half-life must be a positive number of days.")
        if self.timestamp is None:
            raise NoTimestamps("A half-life needs interactions with a timestamp.")
        if not len(self):
            return self
        now = self.timestamp.max() if as_of is None else days([as_of])[0]
        age = np.maximum(now - self.timestamp, 0.0) / half_life_days
        factor = np.exp2(-np.minimum(age, MAX_HALF_LIVES)).astype(np.float32)
        return dataclasses.replace(self, weight=self.weight * factor)


def as_pandas(frame: Any) -> pd.DataFrame:
    """A pandas DataFrame from a DataFrame or a pyarrow Table."""
    return frame if isinstance(frame, pd.DataFrame) else frame.to_pandas()


def days(values: ArrayLike | Iterable[Any]) -> NDArray[np.float64]:
    """Instants (datetime64, aware or naive UTC) or numbers of days as float64 days."""
    series = pd.Series(values)
    if not pd.api.types.is_numeric_dtype(series):
        instants = pd.to_datetime(series, utc=True).dt.tz_localize(None)
        series = (instants - pd.Timestamp(0)) / pd.Timedelta(days=1)
    numbers = series.to_numpy(np.float64)
    if not np.isfinite(numbers).all():
        raise BadValues("Some timestamps are missing.")
    return numbers


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    if name not in frame:
        raise MissingColumn(f"The column {name} is missing.")
    if frame[name].hasnans:
        raise BadValues(f"Some values of {name} are missing.")
    return frame[name]


def _numbers(frame: pd.DataFrame, name: str) -> NDArray[np.float32]:
    numbers = _column(frame, name).to_numpy(np.float32)
    if not np.isfinite(numbers).all():
        raise BadValues(f"Some values of {name} are not finite numbers.")
    return numbers


def _coded(values: pd.Series, ids: IdMap | None) -> tuple[IdMap, Rows]:
    if ids is not None:
        return ids, ids.rows(values)
    codes, uniques = pd.factorize(values, sort=True)
    return IdMap(np.asarray(uniques)), codes.astype(np.int32)


def _as_ids(values: Any) -> NDArray[Any]:
    """int64 or fixed-width text; never objects, so that no id map needs pickle."""
    ids = np.asarray(values)
    if ids.ndim != 1:
        raise BadValues("Ids must be one-dimensional.")
    if not len(ids):
        return ids.astype(ids.dtype if ids.dtype.kind in "iU" else np.int64)
    if ids.dtype.kind in "iu":
        return ids.astype(np.int64, copy=False)
    if ids.dtype.kind in "OU":
        return ids.astype(np.str_)
    raise BadValues("Ids must be whole numbers or text.")

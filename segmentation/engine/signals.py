"""What one line of behaviour says: weight of its kind, how much, how long ago."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.interactions import BadValues, IdMap, Interactions

NONE, QUANTITY, AMOUNT = "none", "quantity", "amount"
AMOUNTS = (NONE, QUANTITY, AMOUNT)
FACTS = ("kind", "share", "quantity", "amount")


@dataclass(frozen=True)
class Weighting:
    """What makes a weight: ``kinds`` by number (others say nothing), age and amount."""

    kinds: Mapping[int, float]
    half_life_days: float | None = None
    amount: str = NONE


@dataclass(frozen=True, eq=False)
class Lines:
    """Interactions of weight 1, and of each line what a weight is made of.

    Weighed as often as asked, over the same customers and items.
    """

    log: Interactions
    kind: NDArray[np.int64]
    share: NDArray[np.float32]  # what did not go back, 0 to 1
    quantity: NDArray[np.float64]
    amount: NDArray[np.float64]  # NaN: not known

    @classmethod
    def from_frame(cls, frame: Any, users: IdMap | None, items: IdMap) -> Lines:
        """Read a frame of ``Interactions.from_frame`` that also has FACTS."""
        frame = frame[items.rows(frame["item_id"]) >= 0]
        if users is not None:
            frame = frame[users.rows(frame["user_id"]) >= 0]
        ones = frame.assign(weight=np.ones(len(frame), np.float32))
        return cls(
            Interactions.from_frame(ones, users, items),
            frame["kind"].to_numpy(np.int64),
            frame["share"].to_numpy(np.float32),
            frame["quantity"].to_numpy(np.float64),
            frame["amount"].to_numpy(np.float64),
        )

    def weighed(self, by: Weighting) -> Interactions:
        """The lines with their weights; those that say nothing are left out."""
        table = np.zeros(max(by.kinds, default=0) + 1, np.float32)
        table[list(by.kinds)] = list(by.kinds.values())
        # take, not an index: a kind above all that are told weighs nothing.
        weight = np.where(
            self.kind < len(table), table.take(self.kind, mode="clip"), np.float32(0)
        )
        weight = weight * self.share * self._much(by.amount)
        kept = weight > 0
        log = self.log if kept.all() else _taken(self.log, kept)
        weighed = dataclasses.replace(log, weight=weight[kept].astype(np.float32))
        half_life = by.half_life_days
        return weighed if half_life is None else weighed.decayed(half_life)

    def _much(self, amount: str) -> NDArray[np.float32] | np.float32:
        """log1p of how much, as a multiple of one piece or of the usual amount."""
        if amount == NONE:
            return np.float32(1)
        if amount not in AMOUNTS:
            raise BadValues(f"amount must be one of {', '.join(AMOUNTS)}.")
        much = self.quantity if amount == QUANTITY else self.amount
        told = much > 0  # also not NaN
        usual = 1.0 if amount == QUANTITY or not told.any() else np.median(much[told])
        factor = np.log1p(np.where(told, much, usual)) / np.log1p(usual)
        return factor.astype(np.float32)


def _taken(log: Interactions, kept: NDArray[np.bool_]) -> Interactions:
    return dataclasses.replace(
        log,
        user_row=log.user_row[kept],
        item_row=log.item_row[kept],
        weight=log.weight[kept],
        rating=None if log.rating is None else log.rating[kept],
        timestamp=None if log.timestamp is None else log.timestamp[kept],
    )

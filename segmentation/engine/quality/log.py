"""All events as arrays: who, what, which kind, when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

EARLIEST = 788_918_400.0  # 1995-01-01: before it nobody bought in a web shop
SESSION_GAP = 1800.0  # seconds of rest after which a new visit begins


@dataclass(frozen=True)
class Kinds:
    """Which numbers of kinds mean what; ``done_to`` is what the shop did itself."""

    view: tuple[int, ...]
    cart: tuple[int, ...]
    purchase: tuple[int, ...]
    search: tuple[int, ...]
    done_to: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Log:
    """One entry per event, by customer and then time; customers and items as positions
    in the sorted ids.

    ``item`` is -1 and ``order`` and ``session`` are 0 where there is none; ``at`` is in
    seconds since 1970, ``local`` the same on the shop's clock.
    """

    customer_ids: Ints
    item_ids: Ints
    customer: Ints
    item: Ints
    kind: Ints
    at: Floats
    local: Ints
    quantity: Floats
    amount: Floats
    order: Ints
    session: Ints
    kinds: Kinds

    @classmethod
    def from_table(cls, table: pa.Table, kinds: Kinds, time_zone: Any) -> Log:
        """Read columns user_id, item_id, kind, at, quantity, amount, order_key,
        session_key; an instant that no clock can show counts as 1970."""
        table = table.sort_by([("user_id", "ascending"), ("at", "ascending")])
        customer_ids, customer = np.unique(_ints(table, "user_id"), return_inverse=True)
        item_ids, item = np.unique(_ints(table, "item_id"), return_inverse=True)
        if len(item_ids) and item_ids[0] < 0:
            item_ids, item = item_ids[1:], item - 1
        at = _floats(table, "at")
        return cls(
            customer_ids,
            item_ids,
            customer.astype(np.int64),
            item.astype(np.int64),
            _ints(table, "kind"),
            at,
            _local(at, time_zone),
            _floats(table, "quantity"),
            _floats(table, "amount"),
            _ints(table, "order_key", 0),
            _ints(table, "session_key", 0),
            kinds,
        )

    def __len__(self) -> int:
        return len(self.kind)

    def is_of(self, numbers: tuple[int, ...]) -> Flags:
        return np.isin(self.kind, numbers)

    @cached_property
    def is_own(self) -> Flags:
        """What customers did themselves."""
        return ~self.is_of(self.kinds.done_to)

    @cached_property
    def has_hour(self) -> Flags:
        """Midnight sharp, here or in Greenwich, is a day without its hour."""
        return (self.local % 86_400 != 0) & (self.at % 86_400 != 0)

    @cached_property
    def visit(self) -> Ints:
        """A number, from 0 on, for the visit that each event belongs to.

        A visit is a session where the shop names it, else events of a customer with
        rests of at most half an hour.
        """
        order = np.lexsort((self.session, self.customer))  # stable: times stay
        session = self.session[order]
        first = starts(self.customer[order], session)
        rests = np.diff(self.at[order]) > SESSION_GAP
        first[1:] |= (session[1:] == 0) & rests
        visits = np.empty(len(self), np.int64)
        visits[order] = np.cumsum(first) - 1
        return visits

    @cached_property
    def pair(self) -> Ints:
        """A number, from 0 on, for customer and item of each event that has an item."""
        has = self.item >= 0
        keys = self.customer[has] * max(len(self.item_ids), 1) + self.item[has]
        pairs = np.full(len(self), -1)
        pairs[has] = np.unique(keys, return_inverse=True)[1]
        return pairs

    def per_customer(self, chosen: Flags, weights: Floats | None = None) -> Floats:
        """Events (or weights) of each customer."""
        if weights is not None:
            weights = np.nan_to_num(weights[chosen])
        n = len(self.customer_ids)
        return np.bincount(self.customer[chosen], weights, n).astype(np.float64)

    def per_item(self, chosen: Flags, weights: Floats | None = None) -> Floats:
        chosen = chosen & (self.item >= 0)
        if weights is not None:
            weights = np.nan_to_num(weights[chosen])
        n = len(self.item_ids)
        return np.bincount(self.item[chosen], weights, n).astype(np.float64)


def starts(*columns: NDArray[Any]) -> Flags:
    """Where a row of sorted columns differs from the one before."""
    first = np.zeros(len(columns[0]), dtype=bool)
    first[:1] = True
    for column in columns:
        first[1:] |= column[1:] != column[:-1]
    return first


def _ints(table: pa.Table, name: str, missing: int = -1) -> Ints:
    values = table[name].to_pandas()
    return np.asarray(values.fillna(missing), np.int64)


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table[name].to_pandas(), np.float64)


def _local(at: Floats, time_zone: Any) -> Ints:
    possible = np.where(np.abs(at) < 9e9, at, 0.0)  # what fits pandas' nanoseconds
    instants = pd.to_datetime(possible.astype(np.int64), unit="s", utc=True)
    naive = instants.tz_convert(time_zone).tz_localize(None)
    return np.asarray(naive.as_unit("s").asi8, np.int64)

"""Rows to numbers: the one border between the database and the engines."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from segmentation import bulk, queries
from segmentation.engine import columns, returns
from segmentation.engine.interactions import EmptyData
from segmentation.models import KIND_WEIGHTS, Kind

SECONDS_A_DAY = 86_400.0
RATING = columns.RATING


LIKED = {kind: weight for kind, weight in KIND_WEIGHTS.items() if weight > 0}

_only: ContextVar[np.ndarray | None] = ContextVar("only", default=None)


@contextmanager
def only_of(customer_ids: np.ndarray) -> Iterator[None]:
    """Within the block, read the behaviour of some thousand customers only.

    Through the index of whose it is: for lists of a few that are made anew, the log of
    all the others is never touched.
    """
    token = _only.set(customer_ids)
    try:
        yield
    finally:
        _only.reset(token)


@dataclass(frozen=True)
class Interest:
    """What was read of the log once, to be asked as of several instants.

    ``lines`` holds user_id, item_id, kind, order_key, quantity, at (seconds since
    1970) and the columns asked for, one row a customer, item, kind and order;
    ``returned`` what went back.
    """

    lines: pa.Table
    returned: pa.Table

    def as_of(self, instant: datetime | None = None) -> pa.Table:
        """The log as it was known before an instant, with each line's ``share``.

        What went back later had not gone back yet: a model that is judged by a later
        period must not know of it. ``timestamp`` is in days since 1970.
        """
        lines, returned = self.lines, self.returned
        if instant is not None:
            border = instant.timestamp()
            lines = lines.filter(pc.less(lines["at"], border))
            returned = returned.filter(pc.less(returned["at"], border))
        shares = _kept_shares(lines, returned)
        days = pc.divide(lines["at"], SECONDS_A_DAY)
        table = lines.append_column("share", pa.array(shares))
        table = table.append_column("timestamp", days).drop_columns(["at", "order_key"])
        table = table.filter(pa.array(shares > 0)) if len(returned) else table
        return _last_word(table) if RATING in table.column_names else table

    def split(
        self, *, valid_from: datetime, test_from: datetime, test_until: datetime
    ) -> Parts:
        """The parts of a training, each as it was known at its end.

        ``test_until`` is of the test, to the second. EmptyData where a part is empty.
        """
        fit, train, judged = (
            self.as_of(instant).to_pandas()
            for instant in (valid_from, test_from, test_until + timedelta(seconds=1))
        )
        validation = _since(valid_from, train)
        test = _since(test_from, judged)
        for name, rows in (("fit", fit), ("validation", validation), ("test", test)):
            if rows.empty:
                raise EmptyData(
                    f"No interaction falls into the {name} part of the split."
                )
        return Parts(fit, train, validation, test)


@dataclass(frozen=True)
class Parts:
    """Learn on ``fit``, choose on ``validation``, refit on ``train`` (all before the
    test), judge once on ``test``; the columns are those of ``Interest.as_of``."""

    fit: pd.DataFrame
    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


def _since(instant: datetime, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["timestamp"] >= instant.timestamp() / SECONDS_A_DAY]


def interactions(until: datetime | None = None) -> pa.Table:
    """The log of interest: user_id, item_id, weight, timestamp (days since 1970).

    One row per customer, item, kind and order: a basket counts a product once. Only
    kinds that speak for an item; lines without quantity say nothing. A return takes
    the interest of its purchase back (``engine.returns``). Sorted, so that equal data
    give equal models.
    """
    table = interest(until).as_of()
    weights = np.zeros(max(LIKED) + 1, dtype=np.float32)
    weights[list(LIKED)] = list(LIKED.values())
    weight = weights[table["kind"].to_numpy()] * table["share"].to_numpy()
    table = table.append_column("weight", pa.array(weight))
    return table.select(["user_id", "item_id", "weight", "timestamp"])


def interest(
    until: datetime | None = None,
    *,
    kinds: Collection[int] = tuple(LIKED),
    also: Collection[str] = (),
) -> Interest:
    """The log before its returns are taken off, of events before ``until``.

    ``also`` are columns beside the usual: ``amount``, summed over a basket (null: not
    known), and ``rating``, which leaves out events without one.
    """
    told = {"amount": "e.amount", RATING: "e.value AS rating"}
    usual = ["e.item_id, e.kind, coalesce(e.order_key, 0) AS order_key, e.quantity"]
    events = _events(
        ", ".join(usual + [told[name] for name in also]),
        [*kinds, Kind.RETURN],
        until,
        where="e.value IS NOT NULL" if RATING in also else "",
    )
    for name in also:  # without any value, SQLite has no type for a column
        at = events.schema.get_field_index(name)
        events = events.set_column(at, name, events[name].cast(pa.float64()))
    is_return = pc.equal(events["kind"], int(Kind.RETURN))
    returned = events.filter(is_return)
    events = events.filter(pc.invert(is_return)) if len(returned) else events
    keys = ["user_id", "item_id", "kind", "order_key"]
    baskets = events.filter(pc.not_equal(events["order_key"], 0))
    single = events.filter(pc.equal(events["order_key"], 0))
    sums = {"at": "min", "quantity": "sum", "amount": "sum", RATING: "mean"}
    own = ["at", "quantity", *also]
    once = baskets.group_by(keys).aggregate([(name, sums[name]) for name in own])
    once = once.rename_columns([*keys, *own]).select(single.column_names)
    rows = pa.concat_tables([once, single]).sort_by(
        [("at", "ascending"), *((key, "ascending") for key in keys)]
    )
    return Interest(rows, returned)


def _kept_shares(lines: pa.Table, returned: pa.Table) -> np.ndarray:
    """Of each line what did not go back, 0 to 1 (float32)."""
    shares = np.ones(len(lines), np.float32)
    if len(returned):
        bought = np.flatnonzero(lines["kind"].to_numpy() == Kind.PURCHASE)
        shares[bought] = returns.kept_shares(
            lines.take(pa.array(bought)).to_pandas(), returned.to_pandas()
        )
    return shares


def _last_word(ratings: pa.Table) -> pa.Table:
    """Of several ratings of one item by one customer the last; the order stays."""
    pairs = ratings.select(["user_id", "item_id"]).to_pandas()
    return ratings.filter(pa.array(~pairs.duplicated(keep="last").to_numpy()))


def purchases() -> pa.Table:
    """Every line that was bought: user_id, at (seconds since 1970), item_id, order_key.

    Lines without an order have order_key 0.
    """
    columns = "e.item_id, coalesce(e.order_key, 0) AS order_key"
    return _events(columns, [Kind.PURCHASE], None)


@dataclass(frozen=True)
class Spending:
    """What customers bought of each category; row i is ``customer_ids[i]``."""

    spend: sparse.csr_matrix  # customers × categories, amounts
    category_names: list[str]
    revenue: np.ndarray
    n_orders: np.ndarray


def spending(customer_ids: np.ndarray) -> Spending:
    """Purchases of these customers less their returns, by category and in all.

    No sum falls below zero: what went back may have been bought before the data begin.
    """
    events = _events(
        "coalesce(c.name, '') AS category, coalesce(e.amount, 0) AS amount, "
        "coalesce(e.order_key, 0) AS order_key, e.kind",
        [Kind.PURCHASE, Kind.RETURN],
        None,
        joins="JOIN segmentation_item t ON t.id = e.item_id "
        "LEFT JOIN segmentation_category c ON c.id = t.category_id",
    )
    rows = _positions(customer_ids, events["user_id"].to_numpy())
    known = rows >= 0
    rows = rows[known]
    bought = events["kind"].to_numpy()[known] == Kind.PURCHASE
    amount = events["amount"].to_numpy().astype(np.float64)[known]
    amount = np.where(bought, amount, -amount)
    categories = events["category"].combine_chunks().dictionary_encode()
    columns = categories.indices.to_numpy()[known]
    names = categories.dictionary.to_pylist()
    n = len(customer_ids)
    spend = sparse.csr_matrix(
        (amount, (rows, columns)), shape=(n, len(names)), dtype=np.float64
    )
    spend.data = np.maximum(spend.data, 0.0)
    visits = np.stack([rows, events["order_key"].to_numpy()[known]])[:, bought]
    ordered = np.unique(visits, axis=1)[0]
    return Spending(
        spend,
        names,
        np.maximum(np.bincount(rows, amount, minlength=n), 0.0),
        np.bincount(ordered, minlength=n),
    )


def _events(
    columns: str,
    kinds: list[int],
    until: datetime | None,
    *,
    joins: str = "",
    where: str = "",
) -> pa.Table:
    """Events with their customer; those of an unfinished import do not exist yet.

    Nothing is learned from customers in quarantine, nor from who does not want it.
    """
    conditions = [
        f"e.kind IN ({', '.join(str(int(kind)) for kind in kinds)})",
        "e.item_id IS NOT NULL",
        "e.quantity > 0",
        f"i.customer_id NOT IN ({queries.LEFT_OUT})",
    ]
    conditions += [where] if where else []
    params = []
    if until is not None:
        conditions.append(f"{bulk.epoch('e.occurred_at')} < %s")
        params.append(until.timestamp())
    if (ids := _only.get()) is not None:
        conditions.append(f"i.customer_id IN ({', '.join(map(str, ids.tolist()))})")
    hidden = ", ".join(map(str, queries.unfinished_imports()))
    if hidden:
        conditions.append(f"(e.import_id IS NULL OR e.import_id NOT IN ({hidden}))")
    return bulk.read(
        f"SELECT i.customer_id AS user_id, {bulk.epoch('e.occurred_at')} AS at, "
        f"{columns} FROM segmentation_event e "
        f"JOIN segmentation_identity i ON i.id = e.identity_id {joins} "
        f"WHERE {' AND '.join(conditions)}",
        params,
    )


def catalogue(ids: np.ndarray, *, texts: bool = True) -> pd.DataFrame:
    """item_id, category and brand of these items; with ``texts`` title, description,
    price and attributes (dictionaries), as ``engine.catalogue`` reads them."""
    told = ", t.title, t.description, t.price, CAST(t.attributes AS text) AS attributes"
    rows = bulk.read(
        "SELECT t.id AS item_id, coalesce(c.name, '') AS category, t.brand"
        f"{told if texts else ''} FROM segmentation_item t "
        "LEFT JOIN segmentation_category c ON c.id = t.category_id ORDER BY t.id"
    ).to_pandas()
    rows = rows[np.isin(rows["item_id"], ids)].reset_index(drop=True)
    if texts:
        rows["attributes"] = [json.loads(text) for text in rows["attributes"]]
    return rows


def current_segments() -> dict[str, pd.DataFrame]:
    """Name of each live set → customer_id, segment (its name)."""
    table = bulk.read(
        "SELECT s.name AS set_name, g.name AS segment, m.customer_id "
        "FROM segmentation_membership m "
        "JOIN segmentation_segment g ON g.id = m.segment_id "
        "JOIN segmentation_segmentset s ON s.id = g.segment_set_id "
        "WHERE s.stage = 'live' ORDER BY m.id"
    ).to_pandas()
    groups = table.groupby("set_name") if len(table) else ()
    return {str(name): rows for name, rows in groups}


def customer_attributes() -> pd.DataFrame:
    """customer_id, attributes (JSON text) of all who have any."""
    text = "CAST(attributes AS text)"
    return bulk.read(
        f"SELECT id AS customer_id, {text} AS attributes FROM segmentation_customer "
        f"WHERE {text} <> '{{}}'"
    ).to_pandas()


def _positions(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Position of each wanted id in ``ids``, -1 where it is not there."""
    if not len(ids):
        return np.full(len(wanted), -1)
    order = np.argsort(ids)
    at = np.searchsorted(ids, wanted, sorter=order).clip(max=len(ids) - 1)
    return np.where(ids[order[at]] == wanted, order[at], -1)

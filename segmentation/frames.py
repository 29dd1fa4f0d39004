"""Rows to numbers: the one border between the database and the engines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from segmentation import bulk, queries
from segmentation.engine import returns
from segmentation.engine.interactions import EmptyData
from segmentation.models import KIND_WEIGHTS, Kind

SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class Interest:
    """What was read of the log once, to be asked as of several instants.

    ``lines`` holds user_id, item_id, weight, kind, order_key, quantity and at (seconds
    since 1970), one row a customer, item, kind and order; ``returned`` what went back.
    """

    lines: pa.Table
    returned: pa.Table

    def as_of(self, instant: datetime | None = None) -> pa.Table:
        """The log as it was known before an instant: ``interactions``.

        What went back later had not gone back yet: a model that is judged by a later
        period must not know of it.
        """
        lines, returned = self.lines, self.returned
        if instant is not None:
            border = instant.timestamp()
            lines = lines.filter(pc.less(lines["at"], border))
            returned = returned.filter(pc.less(returned["at"], border))
        table = pa.table(
            {
                "user_id": lines["user_id"],
                "item_id": lines["item_id"],
                "weight": lines["weight"],
                "timestamp": pc.divide(lines["at"], SECONDS_A_DAY),
            }
        )
        return _less_returns(table, lines, returned) if len(returned) else table

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
    test), judge once on ``test``; the columns are those of ``interactions``."""

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
    return interest(until).as_of()


def interest(until: datetime | None = None) -> Interest:
    """The log before its returns are taken off, of events before ``until``."""
    liked = {kind: weight for kind, weight in KIND_WEIGHTS.items() if weight > 0}
    events = _events(
        "e.item_id, e.kind, coalesce(e.order_key, 0) AS order_key, e.quantity",
        [*liked, Kind.RETURN],
        until,
    )
    is_return = pc.equal(events["kind"], int(Kind.RETURN))
    returned = events.filter(is_return)
    events = events.filter(pc.invert(is_return)) if len(returned) else events
    keys = ["user_id", "item_id", "kind", "order_key"]
    baskets = events.filter(pc.not_equal(events["order_key"], 0))
    single = events.filter(pc.equal(events["order_key"], 0))
    once = baskets.group_by(keys).aggregate([("at", "min"), ("quantity", "sum")])
    once = once.rename_columns([*keys, "at", "quantity"]).select(single.column_names)
    rows = pa.concat_tables([once, single]).sort_by(
        [("at", "ascending"), *((key, "ascending") for key in keys)]
    )
    weights = np.zeros(max(liked) + 1, dtype=np.float32)
    weights[list(liked)] = list(liked.values())
    weight = pa.array(weights[rows["kind"].to_numpy()])
    return Interest(rows.append_column("weight", weight), returned)


def _less_returns(table: pa.Table, rows: pa.Table, returned: pa.Table) -> pa.Table:
    """The log without the interest that went back; ``rows`` are its lines."""
    bought = np.flatnonzero(rows["kind"].to_numpy() == Kind.PURCHASE)
    rows = rows.drop_columns("weight")
    shares = returns.kept_shares(
        rows.take(pa.array(bought)).to_pandas(), returned.to_pandas()
    )
    weight = table["weight"].to_numpy().copy()
    weight[bought] *= shares.astype(np.float32)
    index = table.schema.get_field_index("weight")
    table = table.set_column(index, "weight", pa.array(weight))
    return table.filter(pa.array(weight > 0))


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
    columns: str, kinds: list[int], until: datetime | None, joins: str = ""
) -> pa.Table:
    """Events with their customer; those of an unfinished import do not exist yet.

    Nothing is learned from customers in quarantine.
    """
    where = [
        f"e.kind IN ({', '.join(str(int(kind)) for kind in kinds)})",
        "e.item_id IS NOT NULL",
        "e.quantity > 0",
        f"i.customer_id NOT IN ({queries.QUARANTINED})",
    ]
    params = []
    if until is not None:
        where.append(f"{bulk.epoch('e.occurred_at')} < %s")
        params.append(until.timestamp())
    hidden = ", ".join(map(str, queries.unfinished_imports()))
    if hidden:
        where.append(f"(e.import_id IS NULL OR e.import_id NOT IN ({hidden}))")
    return bulk.read(
        f"SELECT i.customer_id AS user_id, {bulk.epoch('e.occurred_at')} AS at, "
        f"{columns} FROM segmentation_event e "
        f"JOIN segmentation_identity i ON i.id = e.identity_id {joins} "
        f"WHERE {' AND '.join(where)}",
        params,
    )


def _positions(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Position of each wanted id in ``ids``, -1 where it is not there."""
    if not len(ids):
        return np.full(len(wanted), -1)
    order = np.argsort(ids)
    at = np.searchsorted(ids, wanted, sorter=order).clip(max=len(ids) - 1)
    return np.where(ids[order[at]] == wanted, order[at], -1)

"""Blank cells filled by rules that an operator chose, from the item's past or kin.

A file of events takes a price from the history of its item: the one that held then,
else the first that is known, else the median of the item's group. A file of items takes
price, category and currency from what the item has already, else from items of its
group, of the file first. Keys of events are made before, of what the file says, so the
same file is the same events whatever is filled; undoing an import takes it all back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from segmentation import bulk, conf
from segmentation.models import ImportJob

Counts = dict[str, int]  # field → cells that were filled


class EventPrices:
    """Prices of items over time, of those that are sold in the reporting currency."""

    def __init__(self) -> None:
        ours = f"t.currency IN ('', '{conf.currency()}')"
        self._history = _frame(
            f"SELECT h.item_id, {bulk.epoch('h.changed_at')} AS at, h.price "
            "FROM segmentation_itemchange h JOIN segmentation_item t "
            f"ON t.id = h.item_id WHERE h.price IS NOT NULL AND {ours}"
        ).astype({"item_id": np.int64, "at": float})
        self._history = self._history.sort_values("at")
        items = _frame(
            'SELECT t.id AS item_id, t.price, t."group" AS kin '
            f"FROM segmentation_item t WHERE {ours}"
        ).set_index("item_id")
        kin = items["kin"].where(items["kin"] != "")
        median = items.groupby(kin)["price"].median()
        self._now = items["price"].astype(float).fillna(kin.map(median).astype(float))

    def filled(self, events: pa.Table) -> tuple[pa.Table, Counts]:
        """Events (as ``events.resolved`` makes them) with prices and amounts."""
        blank = np.asarray(
            pc.and_(events["price"].is_null(), events["amount"].is_null())
        )
        rows = np.flatnonzero(blank & np.asarray(events["item_id"].is_valid()))
        if not len(rows):
            return events, {"price": 0}
        asked = pd.DataFrame(
            {
                "row": rows,
                "item_id": events["item_id"].take(rows).to_numpy().astype(np.int64),
                "at": pc.divide(
                    events["occurred_at"]
                    .take(rows)
                    .cast(pa.int64())
                    .cast(pa.float64()),
                    1e6,
                ).to_numpy(),
            }
        ).sort_values("at", ignore_index=True)
        found = self._at(asked, "backward").fillna(self._at(asked, "forward"))
        found = found.fillna(asked["item_id"].map(self._now))
        prices = np.full(events.num_rows, np.nan)
        prices[asked["row"].to_numpy()] = found.to_numpy(float)
        price = pa.array(prices, from_pandas=True)
        for name, value in (
            ("price", price),
            ("amount", pc.multiply(price, events["quantity"])),
        ):
            index = events.schema.get_field_index(name)
            events = events.set_column(index, name, pc.coalesce(events[name], value))
        return events, {"price": len(price) - price.null_count}

    def _at(self, asked: pd.DataFrame, direction: str) -> pd.Series:
        if self._history.empty:
            return pd.Series(np.nan, index=range(len(asked)))
        found = pd.merge_asof(
            asked, self._history, on="at", by="item_id", direction=direction
        )
        return found["price"]


class ItemCells:
    """What items of a file have already, and what their kin have.

    A price is taken only from what is priced in the same currency.
    """

    def __init__(self, rows: pa.Table, fields: list[str]) -> None:
        self._fields = sorted(fields, key=lambda name: name == "price")
        names = ["item", "group", "currency", "category", "price"]
        told = rows.select(names).to_pandas().replace("", None)
        own = _frame(
            'SELECT t.external_id AS item, t."group", t.price, t.currency, '
            "c.name AS category FROM segmentation_item t "
            "LEFT JOIN segmentation_category c ON c.id = t.category_id"
        )[names].replace("", None)
        self._own = own.set_index("item")
        for name in ("group", "currency"):
            told[name] = told[name].fillna(told["item"].map(self._own[name]))
        self._kin = {
            name: _of_group(told, name).combine_first(_of_group(own, name))
            for name in self._fields
        }
        self._prices = _by_currency(own, "item")["price"]

    def filled(self, part: pa.Table) -> tuple[pa.Table, Counts]:
        """A chunk of the file with its blank cells filled where anybody knows."""
        counts = {}
        items = part["item"].to_pandas()
        groups = part["group"].to_pandas().replace("", None)
        groups = groups.fillna(items.map(self._own["group"]))
        for name in self._fields:
            cells, own = part[name].to_pandas(), self._own[name]
            known_as, kin_as = items, groups
            if name == "price":
                currency = part["currency"].to_pandas().replace("", None)
                currency = currency.fillna(items.map(self._own["currency"]))
                own, known_as = self._prices, _with_currency(items, currency)
                kin_as = _with_currency(groups, currency)
            known = cells.fillna(known_as.map(own)).fillna(kin_as.map(self._kin[name]))
            counts[name] = int((cells.isna() & known.notna()).sum())
            index = part.schema.get_field_index(name)
            values = pa.array(known, part.schema.field(name).type, from_pandas=True)
            part = part.set_column(index, name, values)
        return part, counts


def _of_group(frame: pd.DataFrame, name: str) -> pd.Series:
    """The median of a group's prices; of its texts the most frequent."""
    known = frame.dropna(subset=["group", name])
    if name == "price":
        return _by_currency(known, "group").groupby(level=0)["price"].median()
    counted = known.groupby(["group", name]).size().reset_index(name="n")
    counted = counted.sort_values(["group", "n", name], ascending=[True, False, True])
    return counted.drop_duplicates("group").set_index("group")[name]


def _by_currency(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame.set_index(_with_currency(frame[name], frame["currency"]))


def _with_currency(names: pd.Series, currency: pd.Series) -> pd.Series:
    """Names with their currency; one that is blank is the reporting currency."""
    return names + "\n" + currency.fillna(conf.currency()).str.upper()


def _frame(sql: str) -> pd.DataFrame:
    return bulk.read(sql).to_pandas()


def told(job: ImportJob, more: Counts, n_rows: int) -> dict[str, Any]:
    """What the rules filled so far, as cells and as shares of the rows."""
    before = job.findings.get("filled_rows", {})
    cells = {name: before.get(name, 0) + n for name, n in more.items()}
    shares = {name: round(n / max(n_rows, 1), 6) for name, n in cells.items()}
    found = {"filled_rows": cells, "filled": shares}
    return {
        "findings": job.findings | found,
        "quality": job.quality | {"filled": shares},
    }

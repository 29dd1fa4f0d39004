"""A file's quality, counted chunk by chunk in the same memory however long it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine.quality.amounts import Amounts
from segmentation.engine.quality.lines import Lines
from segmentation.engine.quality.log import EARLIEST

AMOUNTS = ("price", "quantity", "amount")
TIMES = ("occurred_at", "created_at")


class Tally:
    """What an operator should see about a file at a glance.

    ``add`` takes canonical chunks of one file, ``report`` answers JSON: ``missing`` per
    target field; for events ``first``, ``last``, ``zero_quantity``; ``rows``; ``times``
    (in the future, before 1995, at midnight sharp); ``out_of_range`` per amount
    (negative, outliers with the usual range, above and below it); ``duplicates``, lines
    that are equal to an earlier one in every mapped column (``is_estimate`` for long
    files); ``unknown`` per reference, where ``count_unknown`` was told.
    """

    def __init__(self, columns: Iterable[str], *, now: datetime) -> None:
        self._missing = dict.fromkeys(columns, 0)
        self._now = now
        self._n_rows = 0
        self._span: dict[str, Any] = {}
        self._times: dict[str, int] = {}
        self._n_zero = 0
        self._amounts: dict[str, Amounts] = {}
        self._lines = Lines()
        self._unknown: dict[str, int] = {}

    def add(self, table: pa.Table) -> None:
        self._n_rows += table.num_rows
        for name in self._missing:
            self._missing[name] += table.column(name).null_count
        if not table.num_rows:
            return
        for name in TIMES:
            if name in self._missing:
                self._add_times(name, table[name])
        if "quantity" in table.column_names:
            zero = pc.sum(pc.equal(table["quantity"], 0.0)).as_py()
            self._n_zero += zero or 0
        for name in AMOUNTS:
            if name in self._missing:
                found = self._amounts.setdefault(name, Amounts())
                found.add(table[name].drop_null().to_numpy())
        self._lines.add([table[name].combine_chunks() for name in self._missing])

    def count_unknown(self, name: str, n: int) -> None:
        """So many references to ``name`` ("item", "customer") nobody described."""
        self._unknown[name] = self._unknown.get(name, 0) + n

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = {"missing": self._missing, "rows": self._n_rows}
        if self._span:
            report["first"] = self._span["first"].isoformat()
            report["last"] = self._span["last"].isoformat()
            report["zero_quantity"] = self._n_zero
        if self._times:
            report["times"] = self._times
        ranges = {name: found.report() for name, found in self._amounts.items()}
        if ranges:
            report["out_of_range"] = ranges
        report |= self._lines.report()
        if self._unknown:
            report["unknown"] = self._unknown
        return report

    def _add_times(self, name: str, column: pa.ChunkedArray) -> None:
        span = pc.min_max(column).as_py()
        if span["min"] is None:
            return
        if name == "occurred_at":
            ends = self._span or {"first": span["min"], "last": span["max"]}
            self._span = {
                "first": min(ends["first"], span["min"]),
                "last": max(ends["last"], span["max"]),
            }
        seconds = column.drop_null().cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        seconds = seconds.to_numpy() / 1e6
        for what, found in (
            ("future", seconds > self._now.timestamp()),
            ("implausible", seconds < EARLIEST),
            ("no_hour", seconds % 86_400 == 0),
        ):
            self._times[what] = self._times.get(what, 0) + int(found.sum())

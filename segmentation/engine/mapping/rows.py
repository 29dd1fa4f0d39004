"""From the cells of a chunk to canonical columns, and the rows that cannot follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine import cleaning
from segmentation.engine.cleaning import TEXT, currencies
from segmentation.engine.mapping.fields import (
    FIELDS,
    LENGTHS,
    REQUIRED,
    MappingError,
    role_of,
)
from segmentation.engine.mapping.plans import Plan
from segmentation.engine.mapping.shapes import told
from segmentation.engine.mapping.specs import Column
from segmentation.engine.sentences import Sentence, gettext_noop

OF_FIELD = "%(field)s %(why)s"  # of a reject: its field, and what is wrong there
MISSING = Sentence(gettext_noop("is missing"))
NOBODY = Sentence(gettext_noop("is missing: nobody did this"))
SAME_AS_WHOM = Sentence(gettext_noop("is missing: the same as whom?"))
TOO_LARGE = Sentence(gettext_noop("is too large"))
TOO_LONG = gettext_noop("is longer than %(most)s characters")
FOREIGN = gettext_noop("is not %(currency)s, which amounts are kept in")
OTHER_SIGN = gettext_noop("is in another currency than %(currency)s")
OTHER_THAN_LINE = gettext_noop(
    "is in another currency than the item; map its currency too"
)


@dataclass(frozen=True)
class Rejects:
    """Rows that cannot come in: position in the chunk, target, value and reason.

    A reason is a `Sentence` that names the target first.
    """

    rows: np.ndarray
    columns: list[str]
    values: list[str]
    reasons: list[str]


@dataclass
class Canonical:
    """A chunk in canonical columns, and what was refused of it."""

    table: pa.Table
    kept: np.ndarray  # positions in the chunk that the table's rows came from
    rejects: Rejects
    ignored: int  # rows left aside on purpose: neither kept nor rejected
    chunk: pa.Table  # as it came, with what was filled down written in


def canonical(chunk: pa.Table, plan: Plan) -> Canonical:
    """Clean a chunk: every target column typed, rows that fail set aside."""
    given = told(chunk, plan)
    columns: dict[str, pa.Array] = {}
    found = _Findings(given.ignored)
    for target, role in FIELDS[plan.kind].items():
        column = plan.columns.get(target)
        if column is None:
            columns[target] = pa.nulls(chunk.num_rows, cleaning.type_of(role))
        else:
            raw = given.cells[target]
            columns[target], bad, why = _cleaned(raw, role, target, column, plan)
            found.add(bad, target, raw, why)
            if target in LENGTHS:
                most = LENGTHS[target]
                long = cleaning.longer(columns[target], most)
                why = Sentence(TOO_LONG, most=most)
                found.add(long, target, raw, why)
    for target in REQUIRED[plan.kind]:
        found.add(cleaning.is_null(columns[target]), target, None, MISSING)
    _check_currency(columns, given.cells, found, plan)
    if plan.kind == "events":
        _check_event_rows(columns, found, plan)
    if plan.kind == "links":
        other = (columns["same_as"], columns["visitor"])
        alone = cleaning.is_null(other[0]) & cleaning.is_null(other[1])
        found.add(alone, "same_as", None, SAME_AS_WHOM)
    for target, column in plan.more.items():
        role = role_of(plan.kind, target) or TEXT
        raw = given.cells[target]
        columns[target], bad, why = _cleaned(raw, role, target, column, plan)
        found.add(bad, target, raw, why)
    kept = np.flatnonzero(~found.bad)
    return Canonical(
        pa.table(columns).take(kept),
        kept,
        found.rejects(),
        int(given.ignored.sum()),
        given.chunk,
    )


def _check_event_rows(
    columns: dict[str, pa.Array], found: _Findings, plan: Plan
) -> None:
    nobody = cleaning.is_null(columns["customer"]) & cleaning.is_null(
        columns["visitor"]
    )
    found.add(nobody, "customer", None, NOBODY)
    itemless = pa.array(plan.itemless, pa.int64())
    may_lack = np.asarray(pc.is_in(columns["kind"], itemless))
    found.add(cleaning.is_null(columns["item"]) & ~may_lack, "item", None, MISSING)
    both = np.asarray(columns["customer"].is_valid())
    columns["visitor"] = pc.if_else(pa.array(both), None, columns["visitor"])
    columns["quantity"] = pc.fill_null(columns["quantity"], 1.0)
    quantity, price, amount = (columns[n] for n in ("quantity", "price", "amount"))
    counted = pc.if_else(pc.equal(quantity, 0.0), None, quantity)
    columns["amount"] = pc.coalesce(amount, pc.multiply(price, quantity))
    columns["price"] = pc.coalesce(price, pc.divide(amount, counted))
    for name in ("amount", "price"):
        beyond = cleaning.is_true(pc.invert(pc.is_finite(columns[name])))
        found.add(beyond, name, None, TOO_LARGE)


def _check_currency(
    columns: dict[str, pa.Array],
    cells: dict[str, pa.Array],
    found: _Findings,
    plan: Plan,
) -> None:
    """Amounts are summed, so they are in one currency or not at all.

    An item may be priced in another; then its line says so. A sign in a cell, such as
    “€ 5”, must not contradict.
    """
    if "currency" not in columns or not plan.currency:
        return
    own = columns["currency"] = pc.utf8_upper(columns["currency"])
    if plan.kind == "events":
        foreign = cleaning.is_true(pc.not_equal(own, plan.currency))
        why = Sentence(FOREIGN, currency=plan.currency)
        found.add(foreign, "currency", own, why)
    meant = pc.fill_null(own, plan.currency)
    for target in {"price", "amount"} & set(cells):
        foreign = currencies.foreign(cells[target], meant)
        why = Sentence(OTHER_SIGN, currency=plan.currency)
        if plan.kind == "items":
            why = Sentence(OTHER_THAN_LINE)
        found.add(foreign, target, cells[target], why)


class _Findings:
    """Collects the first thing wrong with each row."""

    def __init__(self, ignored: cleaning.Mask) -> None:
        self.bad = ignored.copy()  # nothing is said of these
        self._parts: list[tuple[np.ndarray, str, list[str | None], str]] = []

    def add(self, bad: np.ndarray, column: str, raw: pa.Array | None, why: str) -> None:
        rows = np.flatnonzero(bad & ~self.bad)
        if len(rows):
            self.bad[rows] = True
            values: list[str | None] = (
                [""] * len(rows)
                if raw is None
                else cleaning.as_text(raw.take(pa.array(rows)))
            )
            self._parts.append((rows, column, values, why))

    def rejects(self) -> Rejects:
        if not self._parts:
            return Rejects(np.empty(0, dtype=np.int64), [], [], [])
        rows = np.concatenate([part[0] for part in self._parts])
        columns = [c for part in self._parts for c in [part[1]] * len(part[0])]
        values = [v or "" for part in self._parts for v in part[2]]
        reasons: list[str] = []
        for found, column, _values, why in self._parts:
            reasons += [Sentence(OF_FIELD, field=column, why=why)] * len(found)
        return Rejects(rows, columns, values, reasons)


def _cleaned(
    raw: pa.Array, role: str, target: str, column: Column, plan: Plan
) -> cleaning.Cleaned:
    try:
        return cleaning.clean(raw, role, plan, column.format)
    except pa.ArrowException as error:
        raise MappingError(
            gettext_noop(
                "The column “%(name)s” (for %(target)s) holds %(type)s, which cannot "
                "be read as a %(role)s: %(error)s"
            ),
            name=column.name,
            target=target,
            type=str(raw.type),
            role=role,
            error=str(error),
        ) from error


def with_returns(table: pa.Table, kinds: dict[str, int]) -> pa.Table:
    """Canonical events in which a purchase of less than nothing is a return.

    Quantity, price and amount of a return are positive, however the file writes them.
    Keys of events are made before this: of what the file says.
    """
    kind = table["kind"].combine_chunks()
    less = pc.less(table["quantity"].combine_chunks(), 0.0)
    bought, returned = (pc.equal(kind, kinds[name]) for name in ("purchase", "return"))
    turned = pc.fill_null(pc.or_(returned, pc.and_(bought, less)), False)
    if not turned.true_count:
        return table
    back = pa.scalar(kinds["return"], kind.type)
    changes = {"kind": pc.if_else(turned, back, kind)}
    for name in ("quantity", "price", "amount"):
        cells = table[name].combine_chunks()
        changes[name] = pc.if_else(turned, pc.abs(cells), cells)
    for name, cells in changes.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), cells)
    return table

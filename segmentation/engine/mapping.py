"""From a file's columns to canonical columns, and the rows that cannot follow.

A mapping is ``{target field: header}``; ``=value`` stands for a constant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine import cleaning
from segmentation.engine.cleaning import FLAG, ID, KIND, NUMBER, TEXT, TIME

FIELDS: dict[str, dict[str, str]] = {
    "events": {
        "customer": ID,
        "visitor": ID,
        "item": ID,
        "kind": KIND,
        "occurred_at": TIME,
        "value": NUMBER,
        "quantity": NUMBER,
        "price": NUMBER,
        "amount": NUMBER,
        "currency": TEXT,
        "order": ID,
        "event_id": ID,
        "session": ID,
    },
    "items": {
        "item": ID,
        "title": TEXT,
        "group": ID,
        "category": TEXT,
        "brand": TEXT,
        "price": NUMBER,
        "currency": TEXT,
        "url": TEXT,
        "image": TEXT,
        "available": FLAG,
        "description": TEXT,
    },
    "customers": {
        "customer": ID,
        "email": TEXT,
        "phone": TEXT,
        "name": TEXT,
        "locale": TEXT,
        "timezone": TEXT,
        "created_at": TIME,
    },
}
REQUIRED = {
    "events": ("kind", "occurred_at"),
    "items": ("item",),
    "customers": ("customer",),
}
ATTRIBUTES = "attributes."
# As long as the columns that they go to.
LENGTHS = {
    "title": 300,
    "category": 200,
    "brand": 200,
    "currency": 3,
    "url": 2000,
    "image": 2000,
    "locale": 20,
    "timezone": 50,
}
NULLS = cleaning.NULLS


class MappingError(ValueError):
    """The mapping does not fit the file or the kind; the text says how."""


@dataclass(frozen=True)
class Rejects:
    """Rows that cannot come in: position in the chunk, target, value and reason."""

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


@dataclass
class Plan:
    """A checked mapping: where each target column comes from."""

    kind: str
    columns: dict[str, str]
    time_zone: ZoneInfo
    kinds: dict[str, int]
    itemless: tuple[int, ...] = ()  # kinds that can be without an item
    attributes: dict[str, str] = field(default_factory=dict)
    currency: str = ""  # the only one that amounts of events may be in; "": any


def plan(
    kind: str,
    columns: dict[str, str],
    headers: list[str],
    *,
    time_zone: ZoneInfo,
    kinds: dict[str, int],
    itemless: tuple[int, ...] = (),
    currency: str = "",
) -> Plan:
    """Check a mapping against the file's headers; MappingError names what is wrong."""
    known = FIELDS[kind]
    attributes = {}
    for target, header in columns.items():
        if target.startswith(ATTRIBUTES) and kind != "events":
            attributes[target.removeprefix(ATTRIBUTES)] = header
        elif target not in known:
            raise MappingError(
                f"“{target}” is no field of {kind}; the fields are {', '.join(known)}."
            )
        if not header.startswith("=") and header not in headers:
            raise MappingError(
                f"The file has no column “{header}” (for {target}); "
                f"it has {', '.join(headers[:30])}."
            )
    missing = [name for name in REQUIRED[kind] if name not in columns]
    if kind == "events" and not {"customer", "visitor"} & set(columns):
        missing.append("customer or visitor")
    if missing:
        raise MappingError(
            f"The mapping says nothing about {', '.join(missing)}; name its column, "
            "or a constant such as =purchase."
        )
    plain = {k: v for k, v in columns.items() if k in known}
    return Plan(kind, plain, time_zone, kinds, itemless, attributes, currency)


def guess(kind: str, headers: list[str]) -> dict[str, str]:
    """Take headers that are called like the fields themselves."""
    lower = {header.strip().lower(): header for header in headers}
    aliases = {"item": ("item", "item_id"), "customer": ("customer", "customer_id")}
    found = {}
    for name in FIELDS[kind]:
        for alias in aliases.get(name, (name,)):
            if alias in lower:
                found[name] = lower[alias]
                break
    return found


def canonical(chunk: pa.Table, plan: Plan) -> Canonical:
    """Clean a chunk: every target column typed, rows that fail set aside."""
    columns: dict[str, pa.Array] = {}
    found = _Findings(chunk.num_rows)
    for target, role in FIELDS[plan.kind].items():
        header = plan.columns.get(target)
        if header is None:
            columns[target] = pa.nulls(chunk.num_rows, cleaning.type_of(role))
        else:
            raw = _raw(chunk, header)
            columns[target], bad, why = _cleaned(raw, role, target, header, plan)
            found.add(bad, target, raw, why)
            if target in LENGTHS:
                most = LENGTHS[target]
                long = cleaning.longer(columns[target], most)
                found.add(long, target, raw, f"is longer than {most} characters")
    for target in REQUIRED[plan.kind]:
        found.add(cleaning.is_null(columns[target]), target, None, "is missing")
    if plan.kind == "events":
        _check_event_rows(columns, found, plan)
    for name, header in plan.attributes.items():
        raw = _raw(chunk, header)
        text, bad, why = _cleaned(raw, TEXT, ATTRIBUTES + name, header, plan)
        columns[ATTRIBUTES + name] = text
        found.add(bad, ATTRIBUTES + name, raw, why)
    kept = np.flatnonzero(~found.bad)
    return Canonical(pa.table(columns).take(kept), kept, found.rejects())


def _check_event_rows(
    columns: dict[str, pa.Array], found: _Findings, plan: Plan
) -> None:
    nobody = cleaning.is_null(columns["customer"]) & cleaning.is_null(
        columns["visitor"]
    )
    found.add(nobody, "customer", None, "is missing: nobody did this")
    itemless = pa.array(plan.itemless, pa.int64())
    may_lack = np.asarray(pc.is_in(columns["kind"], itemless))
    found.add(cleaning.is_null(columns["item"]) & ~may_lack, "item", None, "is missing")
    _check_currency(columns, found, plan)
    both = np.asarray(columns["customer"].is_valid())
    columns["visitor"] = pc.if_else(pa.array(both), None, columns["visitor"])
    columns["quantity"] = pc.fill_null(columns["quantity"], 1.0)
    quantity, price, amount = (columns[n] for n in ("quantity", "price", "amount"))
    counted = pc.if_else(pc.equal(quantity, 0.0), None, quantity)
    columns["amount"] = pc.coalesce(amount, pc.multiply(price, quantity))
    columns["price"] = pc.coalesce(price, pc.divide(amount, counted))
    for name in ("amount", "price"):
        beyond = cleaning.is_true(pc.invert(pc.is_finite(columns[name])))
        found.add(beyond, name, None, "is too large")


def _check_currency(columns: dict[str, pa.Array], found: _Findings, plan: Plan) -> None:
    """Amounts are summed, so they are in one currency or not at all."""
    columns["currency"] = pc.utf8_upper(columns["currency"])
    if plan.currency:
        foreign = cleaning.is_true(pc.not_equal(columns["currency"], plan.currency))
        why = f"is not {plan.currency}, which amounts are kept in"
        found.add(foreign, "currency", columns["currency"], why)


class _Findings:
    """Collects the first thing wrong with each row."""

    def __init__(self, n_rows: int) -> None:
        self.bad = np.zeros(n_rows, dtype=bool)
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
        reasons = [f"{part[1]} {part[3]}" for part in self._parts for _row in part[0]]
        return Rejects(rows, columns, values, reasons)


def _raw(chunk: pa.Table, header: str) -> pa.Array:
    if header.startswith("="):
        return pa.repeat(pa.scalar(header[1:]), chunk.num_rows)
    return chunk.column(header).combine_chunks()


def _cleaned(
    raw: pa.Array, role: str, target: str, header: str, plan: Plan
) -> cleaning.Cleaned:
    try:
        return cleaning.clean(raw, role, plan)
    except pa.ArrowException as error:
        raise MappingError(
            f"The column “{header}” (for {target}) holds {raw.type}, which cannot be "
            f"read as a {role}: {error}"
        ) from error

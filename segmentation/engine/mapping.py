"""From a file's columns to canonical columns, and the rows that cannot follow.

A mapping is ``{target field: header}``; ``=value`` stands for a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TEXT, ID, NUMBER, TIME, FLAG, KIND = "text", "id", "number", "time", "flag", "kind"

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
NULLS = ("", "nan", "null", "none", "na", "n/a", "nat", "\\n")


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


def plan(
    kind: str,
    columns: dict[str, str],
    headers: list[str],
    *,
    time_zone: ZoneInfo,
    kinds: dict[str, int],
    itemless: tuple[int, ...] = (),
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
    return Plan(kind, plain, time_zone, kinds, itemless, attributes)


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
            columns[target] = pa.nulls(chunk.num_rows, _type_of(role))
        else:
            raw = _raw(chunk, header)
            columns[target], bad, why = _CLEANERS[role](raw, plan)
            found.add(bad, target, raw, why)
    for target in REQUIRED[plan.kind]:
        found.add(_is_null(columns[target]), target, None, "is missing")
    if plan.kind == "events":
        _check_event_rows(columns, found, plan)
    columns |= {
        ATTRIBUTES + name: _clean_text(_raw(chunk, header), plan)[0]
        for name, header in plan.attributes.items()
    }
    kept = np.flatnonzero(~found.bad)
    return Canonical(pa.table(columns).take(kept), kept, found.rejects())


def _check_event_rows(
    columns: dict[str, pa.Array], found: _Findings, plan: Plan
) -> None:
    nobody = _is_null(columns["customer"]) & _is_null(columns["visitor"])
    found.add(nobody, "customer", None, "is missing: nobody did this")
    itemless = pa.array(plan.itemless, pa.int64())
    may_lack = np.asarray(pc.is_in(columns["kind"], itemless))
    found.add(_is_null(columns["item"]) & ~may_lack, "item", None, "is missing")
    both = np.asarray(columns["customer"].is_valid())
    columns["visitor"] = pc.if_else(pa.array(both), None, columns["visitor"])
    columns["quantity"] = pc.fill_null(columns["quantity"], 1.0)
    quantity, price, amount = (columns[n] for n in ("quantity", "price", "amount"))
    counted = pc.if_else(pc.equal(quantity, 0.0), None, quantity)
    columns["amount"] = pc.coalesce(amount, pc.multiply(price, quantity))
    columns["price"] = pc.coalesce(price, pc.divide(amount, counted))


class _Findings:
    """Collects the first thing wrong with each row."""

    def __init__(self, n_rows: int) -> None:
        self.bad = np.zeros(n_rows, dtype=bool)
        self._parts: list[tuple[np.ndarray, str, list[str], str]] = []

    def add(self, bad: np.ndarray, column: str, raw: pa.Array | None, why: str) -> None:
        rows = np.flatnonzero(bad & ~self.bad)
        if len(rows):
            self.bad[rows] = True
            values = (
                [""] * len(rows)
                if raw is None
                else raw.take(pa.array(rows)).cast(pa.string()).to_pylist()
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


def _type_of(role: str) -> pa.DataType:
    return {
        NUMBER: pa.float64(),
        TIME: pa.timestamp("us", "UTC"),
        FLAG: pa.bool_(),
        KIND: pa.int64(),
    }.get(role, pa.string())


Cleaned = tuple[pa.Array, np.ndarray, str]


def _clean_text(raw: pa.Array, _plan: Plan) -> Cleaned:
    if pa.types.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    text = pc.utf8_trim_whitespace(raw.cast(pa.string()))
    text = pc.if_else(pc.equal(text, ""), None, text)
    nul = np.asarray(pc.fill_null(pc.match_substring(text, "\x00"), False))
    return text, nul, "holds a NUL character"


def _clean_id(raw: pa.Array, plan: Plan) -> Cleaned:
    """Ids are text. A spreadsheet's 17850.0 is 17850; a blank or “nan” is no id."""
    if pa.types.is_floating(raw.type):
        raw = pc.if_else(pc.is_nan(raw), None, raw)
    text, nul, _why = _clean_text(raw, plan)
    text = pc.replace_substring_regex(text, r"^(\d+)\.0$", r"\1")
    nothing = pc.is_in(pc.utf8_lower(text), pa.array(NULLS))
    text = pc.if_else(nothing, None, text)
    long = np.asarray(pc.fill_null(pc.greater(pc.utf8_length(text), 120), False))
    return text, long | nul, "is longer than 120 characters or holds a NUL"


def _clean_number(raw: pa.Array, plan: Plan) -> Cleaned:
    if pa.types.is_integer(raw.type) or pa.types.is_floating(raw.type):
        number = raw.cast(pa.float64())
        return pc.if_else(pc.is_nan(number), None, number), _none_bad(raw), ""
    text = _null_words(raw, plan)
    number = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(np.float64)
    bad = np.asarray(text.is_valid()) & ~np.isfinite(number)
    return pa.array(number, from_pandas=True), bad, "is not a number"


def _clean_time(raw: pa.Array, plan: Plan) -> Cleaned:
    if pa.types.is_timestamp(raw.type) or pa.types.is_date(raw.type):
        times = raw.cast(pa.timestamp("us", getattr(raw.type, "tz", None)))
        if times.type.tz is None:
            times = pc.assume_timezone(
                times, plan.time_zone.key, ambiguous="earliest", nonexistent="latest"
            )
        return times.cast(pa.timestamp("us", "UTC")), _none_bad(raw), ""
    text = _null_words(raw, plan)
    zoned = pc.match_substring_regex(text, r"\d\d:\d\d.*(Z|[+-]\d\d:?\d\d)$")
    local = _parsed(pc.if_else(zoned, None, text)).dt.tz_localize(
        plan.time_zone.key, ambiguous=True, nonexistent="shift_forward"
    )
    absolute = _parsed(pc.if_else(zoned, text, None), utc=True)
    times = pc.coalesce(_instants(local), _instants(absolute))
    bad = np.asarray(text.is_valid()) & _is_null(times)
    return times, bad, "is not a date and time such as 2017-01-31 18:05:00"


def _parsed(text: pa.Array, *, utc: bool = False) -> pd.Series:
    return pd.to_datetime(text.to_pandas(), errors="coerce", format="ISO8601", utc=utc)


def _instants(times: pd.Series) -> pa.Array:
    utc = times.dt.tz_convert("UTC").dt.as_unit("us")
    return pa.array(utc, pa.timestamp("us", "UTC"), from_pandas=True)


def _clean_flag(raw: pa.Array, plan: Plan) -> Cleaned:
    if pa.types.is_boolean(raw.type):
        return raw, _none_bad(raw), ""
    text = pc.utf8_lower(_null_words(raw, plan))
    yes = pc.is_in(text, pa.array(["1", "true", "t", "yes", "y", "in stock"]))
    no = pc.is_in(text, pa.array(["0", "false", "f", "no", "n", "out of stock"]))
    bad = np.asarray(text.is_valid()) & ~np.asarray(yes) & ~np.asarray(no)
    return pc.if_else(text.is_valid(), yes, None), bad, "is neither yes nor no"


def _clean_kind(raw: pa.Array, plan: Plan) -> Cleaned:
    text = pc.utf8_lower(_null_words(raw, plan))
    names = pa.array(list(plan.kinds))
    codes = pa.array(list(plan.kinds.values()), pa.int64())
    found = pc.index_in(text, names)
    bad = np.asarray(text.is_valid()) & _is_null(found)
    return codes.take(found), bad, f"is none of {', '.join(plan.kinds)}"


def _null_words(raw: pa.Array, plan: Plan) -> pa.Array:
    text = _clean_text(raw, plan)[0]
    nothing = pc.is_in(pc.utf8_lower(text), pa.array(NULLS))
    return pc.if_else(nothing, None, text)


def _none_bad(raw: pa.Array) -> np.ndarray:
    return np.zeros(len(raw), dtype=bool)


def _is_null(column: pa.Array) -> np.ndarray:
    return np.asarray(column.is_null())


_CLEANERS: dict[str, Callable[[pa.Array, Plan], Cleaned]] = {
    TEXT: _clean_text,
    ID: _clean_id,
    NUMBER: _clean_number,
    TIME: _clean_time,
    FLAG: _clean_flag,
    KIND: _clean_kind,
}

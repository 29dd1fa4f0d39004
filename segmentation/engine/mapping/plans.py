"""A mapping checked against a file: what is read from where, line by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from segmentation.engine.cleaning import NUMBER, TIME
from segmentation.engine.mapping.fields import (
    FIELDS,
    REQUIRED,
    MappingError,
    role_of,
)
from segmentation.engine.mapping.names import normal
from segmentation.engine.mapping.specs import Column, Spec, read_columns
from segmentation.engine.sentences import gettext_noop

# How lines belong together, and the field that says which do.
SHAPES = {"": "", "order_lines": "order", "variant_lines": "group"}
_SHAPE_KIND = {"order_lines": "events", "variant_lines": "items"}


@dataclass
class Carried:
    """What the lines of the next chunk need of this one's."""

    group: str | None = None
    cells: dict[str, pa.Scalar] = field(default_factory=dict)


@dataclass
class Plan:
    """A checked mapping. It carries values over the borders of chunks, so it is for
    one pass through one file, from its first chunk to its last."""

    kind: str
    columns: dict[str, Column]
    time_zone: ZoneInfo
    kinds: dict[str, int]
    itemless: tuple[int, ...] = ()  # kinds that can be without an item
    more: dict[str, Column] = field(default_factory=dict)  # attributes.*, consent.*
    currency: str = ""  # the only one that amounts of events may be in; "": any
    shape: str = ""
    carried: Carried = field(default_factory=Carried)


def plan(
    kind: str,
    columns: Mapping[str, Any],
    headers: list[str],
    *,
    time_zone: ZoneInfo,
    kinds: dict[str, int],
    itemless: tuple[int, ...] = (),
    currency: str = "",
    shape: str = "",
) -> Plan:
    """Check a mapping against the file's headers; MappingError names what is wrong."""
    read = read_columns(columns)
    for target, column in read.items():
        _check_column(kind, target, column, headers)
    missing = [name for name in REQUIRED[kind] if name not in read]
    if kind == "events":
        if not {"customer", "visitor"} & set(read):
            missing.append("customer or visitor")
        if "item" not in read and _needs_item(read.get("kind"), kinds, itemless):
            missing.append("item")
    if kind == "links" and not {"same_as", "visitor"} & set(read):
        missing.append("same_as or visitor")
    if missing:
        raise MappingError(
            gettext_noop(
                "The mapping says nothing about %(missing)s; name its column, or a "
                "constant such as =purchase."
            ),
            missing=", ".join(missing),
        )
    _check_shape(kind, shape, read)
    plain = {name: column for name, column in read.items() if name in FIELDS[kind]}
    more = {name: column for name, column in read.items() if name not in plain}
    return Plan(kind, plain, time_zone, kinds, itemless, more, currency, shape)


def fitted(
    kind: str, columns: Mapping[str, Any], headers: list[str]
) -> dict[str, Spec]:
    """A mapping of another file of this sort, by the names that this one has.

    Capitals, blanks and signs in names do not count. What the file has no column for
    is left out, unless it is required: then `plan` says that it is missing.
    """
    there = {normal(header): header for header in reversed(headers)}
    found: dict[str, Spec] = {}
    for target, column in read_columns(columns).items():
        names = [there[n] for n in map(normal, column.headers) if n in there]
        if len(names) == 1:
            column = replace(column, join=None)
        if names:
            column = replace(column, headers=tuple(names))
        if names or not column.headers or target in REQUIRED[kind]:
            found[target] = column.as_json()
    return found


def _needs_item(
    column: Column | None, kinds: dict[str, int], itemless: tuple[int, ...]
) -> bool:
    """Whether no row can come in without an item: all are of one kind that has one."""
    if column is None or column.headers:
        return False
    return kinds.get(column.constant.lower(), -1) not in itemless


def _check_column(kind: str, target: str, column: Column, headers: list[str]) -> None:
    role = role_of(kind, target)
    if role is None:
        raise MappingError(
            gettext_noop(
                "“%(target)s” is no field of %(kind)s; the fields are %(known)s."
            ),
            target=target,
            kind=kind,
            known=", ".join(FIELDS[kind]),
        )
    for header in column.headers:
        if header not in headers:
            raise MappingError(
                gettext_noop(
                    "The file has no column “%(header)s” (for %(target)s); it has "
                    "%(known)s."
                ),
                header=header,
                target=target,
                known=", ".join(headers[:30]),
            )
    form = column.format
    if form.decimal and role != NUMBER:
        raise MappingError(
            gettext_noop("“%(target)s” is no number: it cannot have “number”."),
            target=target,
        )
    if (form.date or form.time_zone) and role != TIME:
        raise MappingError(
            gettext_noop(
                "“%(target)s” is no time: it cannot have “date” or “time_zone”."
            ),
            target=target,
        )


def _check_shape(kind: str, shape: str, columns: Mapping[str, Column]) -> None:
    if not shape:
        return
    if shape not in SHAPES:
        known = ", ".join(name for name in SHAPES if name)
        raise MappingError(
            gettext_noop("“%(shape)s” is no shape of a file; there are %(known)s."),
            shape=shape,
            known=known,
        )
    if kind != _SHAPE_KIND[shape]:
        raise MappingError(
            gettext_noop("The shape %(shape)s is for %(other)s, not %(kind)s."),
            shape=shape,
            other=_SHAPE_KIND[shape],
            kind=kind,
        )
    group = SHAPES[shape]
    if group not in columns or not columns[group].headers:
        raise MappingError(
            gettext_noop(
                "The shape %(shape)s needs a column for “%(group)s”: lines with the "
                "same %(group)s belong together."
            ),
            shape=shape,
            group=group,
        )

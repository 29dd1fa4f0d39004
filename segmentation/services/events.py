"""The single door for behaviour: nothing else writes Event."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from segmentation import bulk, conf, queries
from segmentation.bulk import literals
from segmentation.engine import cleaning, keys, mapping
from segmentation.models import (
    WITHOUT_ITEM,
    Event,
    EventClaim,
    EventDetail,
    Identity,
    Item,
    Kind,
    RefKind,
    Source,
)
from segmentation.services import catalog, identities, references

# What a call tells; its source is that of its key, whatever the rows say.
TOLD = [name for name in mapping.FIELDS["events"] if name != "source"]
AHEAD = timedelta(minutes=10)  # how far a shop's clock may be ahead of ours
KINDS = {kind.name.lower(): kind.value for kind in Kind}

SCHEMA = pa.schema(
    [
        ("event_key", pa.binary(16)),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("identity_id", pa.int64()),
        ("item_id", pa.int64()),
        ("amount", pa.float64()),
        ("price", pa.float64()),
        ("order_key", pa.int64()),
        ("session_key", pa.int64()),
        ("ref_id", pa.int64()),
        ("import_id", pa.int64()),
        ("quantity", pa.float64()),
        ("value", pa.float64()),
        ("kind", pa.int64()),
        ("ref_kind", pa.int64()),
        ("currency", pa.string()),
    ]
)


@dataclass(frozen=True, order=True)
class RowError:
    index: int
    field: str
    message: str


@dataclass(frozen=True)
class Recorded:
    n_new: int
    n_duplicate: int
    errors: list[RowError]


@dataclass(frozen=True)
class KnownEvent:
    """An event whose identity and item we know already: an outcome of our own."""

    identity_id: int
    kind: Kind
    occurred_at: datetime
    event_id: str
    item_id: int | None = None
    amount: float | None = None
    ref_kind: RefKind | None = None
    ref_id: int | None = None


def record_events(
    rows: Sequence[Mapping[str, Any]], *, source: Source, now: datetime
) -> Recorded:
    """Record what a shop tells, in its own ids; bad rows are told, good ones kept.

    The same row again (by ``event_id``, or by its facts) adds nothing. An event that
    names a customer and a visitor says that they are one: the visitor is linked.
    """
    table = _as_table(rows, now)
    plan = mapping.plan(
        "events",
        {name: name for name in TOLD},
        table.column_names,
        time_zone=conf.time_zone(),
        kinds=KINDS,
        itemless=WITHOUT_ITEM,
        currency=conf.currency(),
    )
    chunk = mapping.canonical(table, plan)
    too_late = pc.greater(chunk.table["occurred_at"], pa.scalar(now + AHEAD))
    errors = _row_errors(chunk.rejects) + _ahead(chunk.kept, too_late)
    known = chunk.table.filter(pc.invert(too_late))
    at = chunk.kept[~too_late.to_numpy()]
    if not known.num_rows:
        return Recorded(0, 0, sorted(errors))
    kept = [rows[index] for index in at.tolist()]
    event_keys = keys.to_binary(keys.of_events(known, source.name))
    details = references.details(event_keys, kept)
    n_new = None
    while n_new is None:  # again, if an undo removed what was just looked up
        _link_visitors(table.take(at), source)
        lookups = look_up(known, source)
        events = resolved(known, event_keys, lookups, import_id=None)
        n_new = _write(references.added(events, kept), details)
    return Recorded(n_new, known.num_rows - n_new, sorted(errors))


def _write(events: pa.Table, details: list[EventDetail]) -> int | None:
    """Insert what a call told; how many were new, None where a named row is gone."""
    with bulk.staged(events) as staging, transaction.atomic():
        are_there = catalog.hold(Identity, events["identity_id"])
        if not (are_there and catalog.hold(Item, events["item_id"])):
            return None
        n_new = insert(staging)
        if n_new < events.num_rows:
            _keep_for_ever(staging)
            # What an undo removed just before that is not there any more.
            n_new += insert(staging)
        EventDetail.objects.bulk_create(details, ignore_conflicts=True)
    return n_new


def append(events: Sequence[KnownEvent]) -> int:
    """Record outcomes of our own; answers how many were new."""
    if not events:
        return 0
    ids = pa.array([event.event_id for event in events])
    lanes = keys.line_keys([ids], "strata")
    columns: dict[str, Any] = {
        name: [getattr(event, name) for event in events]
        for name in (
            "occurred_at",
            "identity_id",
            "item_id",
            "amount",
            "ref_id",
            "kind",
            "ref_kind",
        )
    }
    n = len(events)
    columns |= {"event_key": keys.to_binary(lanes), "quantity": [1.0] * n}
    columns["currency"] = [""] * n
    with bulk.staged(_table_of(columns, n)) as staging, transaction.atomic():
        return insert(staging)


def insert(staging: str, *, import_id: int | None = None, all_new: bool = False) -> int:
    """Insert staged events in key order; answers how many were not there before.

    Call inside a transaction. Sorted by key the unique index is walked once. An event
    of somebody else's import that never finished is not there for any reader
    (``frames``): it becomes ours and counts as new, or it would be lost for good. The
    same holds for an import that is being taken back. Both keep a claim on it: they may
    go on, or stay after all, and then ours is taken back.

    ``all_new``: very likely none is there. Then PostgreSQL need not look for each
    before it writes it.
    """
    columns = ", ".join(f'"{name}"' for name in SCHEMA.names)
    table = Event._meta.db_table
    write = (
        f"INSERT INTO {table} ({columns}) "
        f"SELECT {columns} FROM {staging} WHERE true ORDER BY event_key"
    )
    if all_new and literals.is_postgres():
        with (
            contextlib.suppress(IntegrityError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(write)
            return cursor.rowcount
    others = _listed(queries.unfinished_imports(but=import_id))
    n_adopted = 0
    lock = " FOR UPDATE OF t" if literals.is_postgres() else ""
    with connection.cursor() as cursor:
        if others:
            cursor.execute(
                f"INSERT INTO {EventClaim._meta.db_table} (event_key, import_id) "
                f"SELECT t.event_key, t.import_id FROM {staging} s "
                f"JOIN {table} t ON t.event_key = s.event_key "
                f"WHERE t.import_id IN ({others}) "
                # An undo that removes them meanwhile is waited for, or waits.
                f"ORDER BY t.event_key{lock} ON CONFLICT DO NOTHING"
            )
            cursor.execute(
                f"UPDATE {table} AS t SET import_id = s.import_id FROM {staging} s "
                f"WHERE t.event_key = s.event_key AND t.import_id IN ({others})"
            )
            n_adopted = cursor.rowcount
        cursor.execute(f"{write} ON CONFLICT DO NOTHING")
        return n_adopted + cursor.rowcount


def claim(staging: str, import_id: int) -> None:
    """Note which staged events another import or a call brought before this import.

    In the transaction of ``insert``, where that found events that were there.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {EventClaim._meta.db_table} (event_key, import_id) "
            f"SELECT DISTINCT t.event_key, {import_id} FROM {staging} s "
            f"JOIN {Event._meta.db_table} t ON t.event_key = s.event_key "
            f"WHERE t.import_id IS DISTINCT FROM {import_id} "
            "ORDER BY t.event_key ON CONFLICT DO NOTHING"
        )


def _keep_for_ever(staging: str) -> None:
    """What a shop also tells by a call stays when the import that brought it goes."""
    same = f"FROM {staging} s WHERE s.event_key = t.event_key"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {EventClaim._meta.db_table} (event_key, import_id) "
            f"SELECT DISTINCT t.event_key, t.import_id FROM {staging} s "
            f"JOIN {Event._meta.db_table} t ON t.event_key = s.event_key "
            "WHERE t.import_id IS NOT NULL ON CONFLICT DO NOTHING"
        )
        cursor.execute(
            f"UPDATE {Event._meta.db_table} AS t SET import_id = NULL {same} "
            "AND t.import_id IS NOT NULL"
        )


def count_known(staging: str, *, but: int | None) -> int:
    """How many staged keys readers can see already; each key is staged once."""
    others = _listed(queries.unfinished_imports(but=but))
    visible = f"(t.import_id IS NULL OR t.import_id NOT IN ({others}))"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM {staging} s JOIN {Event._meta.db_table} t "
            f"ON t.event_key = s.event_key WHERE {visible if others else 'true'}"
        )
        return cursor.fetchone()[0]


@dataclass(frozen=True)
class Lookups:
    """Our ids for everything that a set of canonical events names."""

    customers: dict[str, catalog.Lookup]  # by the name of their source
    source_name: str  # of lines that name none
    visitors: catalog.Lookup
    items: catalog.Lookup


def look_up(table: pa.Table, source: Source, **by: Any) -> Lookups:
    """Find the ids of all that is named; unknown customers and items are created.

    ``by`` whom: ``import_id`` and ``guard`` of a deed (``newcomers``).
    """
    visitor, item = (pc.unique(table[name]) for name in ("visitor", "item"))
    customers = {}
    names = pc.fill_null(table["source"], source.name)
    for name in sorted(pc.unique(names).to_pylist()):
        own = table["customer"]
        if name != source.name or table["source"].null_count < table.num_rows:
            own = own.filter(pc.equal(names, name))
        of = source if name == source.name else _source(name)
        customers[name] = catalog.identities(of, pc.unique(own), **by)
    return Lookups(
        customers,
        source.name,
        catalog.visitors(visitor, **by),
        catalog.items(item, **by),
    )


def resolved(
    table: pa.Table,
    event_keys: pa.Array,
    lookups: Lookups,
    *,
    import_id: int | None,
) -> pa.Table:
    """Canonical events with our ids in place of theirs, as ``insert`` wants them.

    Their keys are made before: of what the file says, not of what we call a return.
    """
    table = mapping.with_returns(table, KINDS)
    known = _identities(table, lookups)
    visitors = lookups.visitors.of(table["visitor"].combine_chunks())
    n = table.num_rows
    columns: dict[str, Any] = {
        "event_key": event_keys,
        "identity_id": pc.coalesce(known, visitors),
        "item_id": lookups.items.of(table["item"].combine_chunks()),
        "order_key": keys.short_keys(table["order"].combine_chunks()),
        "session_key": keys.short_keys(table["session"].combine_chunks()),
        "currency": pc.fill_null(table["currency"].combine_chunks(), ""),
        "import_id": pa.repeat(pa.scalar(import_id, pa.int64()), n),
    }
    for name in ("occurred_at", "amount", "price", "quantity", "value", "kind"):
        columns[name] = table[name].combine_chunks()
    return _table_of(columns, n)


def _identities(table: pa.Table, lookups: Lookups) -> pa.Array:
    customers = table["customer"].combine_chunks()
    if len(lookups.customers) == 1:
        return next(iter(lookups.customers.values())).of(customers)
    names = pc.fill_null(table["source"].combine_chunks(), lookups.source_name)
    found = pa.nulls(table.num_rows, pa.int64())
    for name, lookup in lookups.customers.items():
        own = pc.if_else(pc.equal(names, name), customers, None)
        found = pc.coalesce(found, lookup.of(own))
    return found


def _source(name: str) -> Source:
    return Source.objects.get_or_create(name=name)[0]


def _link_visitors(table: pa.Table, source: Source) -> None:
    """A row with both ids is a login: the visitor is that customer from now on."""
    columns = (table[name].combine_chunks() for name in ("customer", "visitor"))
    both = zip(*(cleaning.clean_ids(c).to_pylist() for c in columns), strict=True)
    identities.link_all({pair for pair in both if None not in pair}, source)


def _as_table(rows: Sequence[Mapping[str, Any]], now: datetime) -> pa.Table:
    """Rows of a request as text columns, so that one brain cleans files and calls."""
    columns = {}
    for name in TOLD:
        values = [row.get(name) for row in rows]
        if name == "occurred_at":
            values = [now if value is None else value for value in values]
        columns[name] = pa.array(
            [references.text(value) for value in values], pa.string()
        )
    return pa.table(columns)


def _row_errors(rejects: mapping.Rejects) -> list[RowError]:
    found = zip(rejects.rows.tolist(), rejects.columns, rejects.reasons, strict=True)
    return [RowError(*row) for row in found]


def _ahead(rows: np.ndarray, too_late: pa.ChunkedArray) -> list[RowError]:
    """An event of next year would be newest for a year: in models, segments, caps."""
    reason = _("The time is more than %(n)d minutes ahead of this server's clock.")
    text = reason % {"n": AHEAD / timedelta(minutes=1)}
    late = rows[too_late.to_numpy()].tolist()
    return [RowError(index, "occurred_at", text) for index in late]


def _listed(ids: list[int]) -> str:
    """Ids of ours for an SQL list."""
    return ", ".join(map(str, ids))


def _table_of(columns: Mapping[str, Any], n: int) -> pa.Table:
    arrays = []
    for field in SCHEMA:
        values = columns.get(field.name)
        if values is None:
            arrays.append(pa.nulls(n, field.type))
        elif isinstance(values, pa.Array):
            arrays.append(values.cast(field.type))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.table(arrays, schema=SCHEMA)

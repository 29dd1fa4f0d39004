"""Items, customers and identities, written in sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection
from django.db.models import Model, QuerySet

from segmentation import bulk, conf
from segmentation.bulk import literals
from segmentation.models import Identity, ImportKind, Item, Source
from segmentation.services import changes, newcomers

NEW_ROWS = 20_000  # made in one transaction: none may hold SQLite for a second
FEW = 2000  # names that are looked up one by one rather than by reading a column


@dataclass(frozen=True)
class Written:
    """How many rows a set brought: new, changed, equal to what was there, double."""

    n_new: int
    n_updated: int
    n_unchanged: int
    n_duplicate: int = 0


@dataclass(frozen=True)
class Lookup:
    """Names that others use and our ids for them."""

    names: pa.Array
    ids: pa.Array

    def of(self, names: pa.Array) -> pa.Array:
        """Our ids, aligned with ``names``; null where there is none."""
        return self.ids.take(pc.index_in(names, self.names))


def items(external_ids: pa.Array, **by: Any) -> Lookup:
    """Our ids of items; those that nobody described yet are created.

    ``by``: the ``import_id`` and ``guard`` of the deed that makes them (``newcomers``).
    """
    return _lookup(
        external_ids,
        Item.objects.all(),
        "external_id",
        lambda names: newcomers.create_items(names, **by),
    )


def identities(source: Source, external_ids: pa.Array, **by: Any) -> Lookup:
    """Ids of identities in a source; unknown customers are created, as ``items``."""
    return _lookup(
        external_ids,
        Identity.objects.filter(source=source),
        "external_id",
        lambda names: newcomers.create_identities(names, source, **by),
    )


def find_items(external_ids: pa.Array) -> pa.Array:
    """Our ids of items, aligned; null where there is none. Nothing is created."""
    names = pc.unique(external_ids).drop_null()
    return _known(names, Item.objects.all(), "external_id", "pk").of(external_ids)


def find_identities(source: Source, external_ids: pa.Array) -> pa.Array:
    """Our ids of identities in a source, aligned; nothing is created."""
    names = pc.unique(external_ids).drop_null()
    rows = Identity.objects.filter(source=source)
    return _known(names, rows, "external_id", "pk").of(external_ids)


def hold(model: type[Model], ids: pa.Array) -> bool:
    """Let nobody remove these rows before the transaction ends; whether all are there.

    An undo removes what nobody uses. SQLite has one writer, so looking is enough.
    """
    wanted = pc.unique(ids).drop_null().to_pylist()
    if not wanted:
        return True
    lock = " FOR KEY SHARE" if literals.is_postgres() else ""
    with connection.cursor() as c:
        c.execute(
            f"SELECT count(*) FROM (SELECT id FROM {model._meta.db_table} "
            f"WHERE id IN ({', '.join(map(str, wanted))}) ORDER BY id{lock}) found"
        )
        n_found: int = c.fetchone()[0]
    return n_found == len(wanted)


def known_items(external_ids: pa.Array) -> pa.Array:
    """Those of the (distinct) names that an item has."""
    return _known(external_ids, Item.objects.all(), "external_id", "pk").names


def known_customers(source_name: str, external_ids: pa.Array) -> pa.Array:
    """Those of the (distinct) names that a customer has in a source."""
    rows = Identity.objects.filter(source__name=source_name)
    return _known(external_ids, rows, "external_id", "pk").names


def customers_of(source_name: str, external_ids: pa.Array) -> pa.Array:
    """Who has these ids in a source, aligned; null where nobody has."""
    names = pc.unique(external_ids).drop_null()
    rows = Identity.objects.filter(source__name=source_name)
    return _known(names, rows, "external_id", "customer_id").of(external_ids)


def customers_of_visitors(visitor_ids: pa.Array) -> pa.Array:
    """Who these visitors are, aligned; null where nobody knows."""
    names = pc.unique(visitor_ids).drop_null()
    rows = Identity.objects.filter(source=None)
    return _known(names, rows, "visitor_id", "customer_id").of(visitor_ids)


def known_visitors(visitor_ids: pa.Array) -> pa.Array:
    """Those of the (distinct) visitor ids that we know."""
    return _known(
        visitor_ids, Identity.objects.filter(source=None), "visitor_id", "pk"
    ).names


def customers(source: Source, external_ids: pa.Array, **by: Any) -> Lookup:
    """Ids of customers by their id in a source; new ones are of this import."""
    return _lookup(
        external_ids,
        Identity.objects.filter(source=source),
        "external_id",
        lambda names: newcomers.create_identities(names, source, **by),
        answer="customer_id",
    )


def visitors(visitor_ids: pa.Array, **by: Any) -> Lookup:
    """Ids of anonymous identities; new visitors are created."""
    return _lookup(
        visitor_ids,
        Identity.objects.filter(source=None),
        "visitor_id",
        lambda names: newcomers.create_identities(names, None, **by),
    )


def ensure_categories(staging: str) -> None:
    """Make the categories that staged items name and nobody made before."""
    with connection.cursor() as c:
        c.execute(
            "INSERT INTO segmentation_category (name) "
            "SELECT name FROM (SELECT DISTINCT category AS name "
            f"FROM {staging} WHERE category IS NOT NULL) named "
            f"ORDER BY {literals.bytewise('name')} ON CONFLICT DO NOTHING"
        )


def upsert_items(staging: str, columns: list[str], import_id: int) -> Written:
    """Bring described items in.

    Call inside a transaction. ``columns`` are the described ones. A cell that is NULL,
    like a column that is not there, leaves what was told before.
    """
    targets = {
        '"group"' if name == "group" else name: _staged(name) for name in columns
    }
    if "category" in targets:
        targets["category_id"] = targets.pop("category")
    _note_price_and_stock(staging, targets, import_id)
    match = "t.external_id = s.item"
    _note(ImportKind.ITEMS, staging, targets, match, import_id)
    n_updated = _update("segmentation_item", staging, targets, match)
    n_new = _insert_items(staging, targets, import_id)
    with connection.cursor() as c:
        c.execute(f"SELECT count(*) FROM {staging}")
        n_rows = c.fetchone()[0]
    return Written(n_new, n_updated, n_rows - n_new - n_updated)


def _insert_items(staging: str, targets: dict[str, str], import_id: int) -> int:
    defaults = newcomers.ITEM_DEFAULTS | {"available": literals.true()}
    values = {"external_id": "s.item"} | defaults
    for name, cell in targets.items():
        default = defaults.get(name)
        values[name] = f"coalesce({cell}, {default})" if default else cell
    values |= {"created_at": literals.now(), "updated_at": literals.now()}
    values["import_id"] = str(import_id)
    with connection.cursor() as c:
        c.execute(
            f"INSERT INTO segmentation_item ({', '.join(values)}) "
            f"SELECT {literals.as_jsons(values)} FROM {staging} s WHERE true "
            f"ORDER BY {literals.bytewise('s.item')} ON CONFLICT DO NOTHING"
        )
        n_new: int = c.rowcount
        # What an item costs at first is the beginning of its history.
        c.execute(
            "WITH made AS MATERIALIZED (SELECT i.id, i.price, i.available "
            f"FROM {staging} s JOIN segmentation_item i ON i.external_id = s.item "
            f"WHERE {_is_of(import_id, 'i')} AND i.price IS NOT NULL) "
            "INSERT INTO segmentation_itemchange "
            "(item_id, changed_at, price, available, import_id) "
            f"SELECT id, {literals.now()}, price, available, {import_id} "
            "FROM made WHERE NOT EXISTS "
            "(SELECT 1 FROM segmentation_itemchange h WHERE h.item_id = made.id)"
        )
    return n_new


def upsert_customers(staging: str, columns: list[str], import_id: int) -> Written:
    """Bring described customers in; the staging table holds their ``customer_id``.

    Those that this import itself created (``customers``) count as new. A cell that is
    NULL leaves what was told before.
    """
    targets = {name: _staged(name) for name in columns}
    if "created_at" in targets:
        targets["created_at"] = _since()
    table = "segmentation_customer"
    ours = _is_of(import_id, "t")
    match = "t.id = s.customer_id"
    _note(ImportKind.CUSTOMERS, staging, targets, match, import_id)
    _update(table, staging, targets, f"{match} AND {ours}")
    n_updated = _update(table, staging, targets, f"{match} AND NOT ({ours})")
    with connection.cursor() as c:
        c.execute(
            f"SELECT count(*), count(CASE WHEN {ours} THEN 1 END) "
            f"FROM {staging} s JOIN {table} t ON {match}"
        )
        n_rows, n_new = c.fetchone()
    return Written(n_new, n_updated, n_rows - n_new - n_updated)


def _is_of(import_id: int, table: str) -> str:
    """SQL of whether an import made a row; never null.

    PostgreSQL must not guess from its statistics here: they do not know a new import
    yet, so it takes its rows for one, and compares each with all that is staged.
    """
    return f"{table}.import_id + 0 IS NOT DISTINCT FROM {import_id}"


def _since() -> str:
    """SQL of since when a customer is known: a blank cell takes nothing back.

    Nor does the second that we know a part of: files tell whole seconds, ours too.
    """
    within = "date_trunc('second', t.created_at)"
    if not literals.is_postgres():
        within = "substr(t.created_at, 1, 19)"
    return (
        f"CASE WHEN s.created_at IS NULL OR s.created_at = {within} "
        "THEN t.created_at ELSE s.created_at END"
    )


def _lookup(
    names: pa.Array,
    rows: QuerySet,
    column: str,
    create: Callable[[pa.Array], None],
    answer: str = "pk",
) -> Lookup:
    """Look names up; create what is missing; look again."""
    distinct = pc.unique(names).drop_null()
    known = _known(distinct, rows, column, answer)
    unknown = distinct.filter(pc.invert(pc.is_in(distinct, known.names)))
    if len(unknown):
        # In their order, so that ids do not depend on how many a set takes.
        unknown = unknown.take(pc.sort_indices(unknown))
        for start in range(0, len(unknown), NEW_ROWS):
            create(unknown.slice(start, NEW_ROWS))
        known = _known(distinct, rows, column, answer)
    return known


def _known(distinct: pa.Array, rows: QuerySet, column: str, answer: str) -> Lookup:
    """Few names are asked for by name; for many the whole column is read."""
    rows = rows.filter(**{f"{column}__isnull": False})
    if len(distinct) <= FEW:
        rows = rows.filter(**{f"{column}__in": distinct.to_pylist()})
        found = list(rows.values_list(column, answer))
        names, ids = zip(*found, strict=True) if found else ((), ())
        return Lookup(pa.array(names, pa.string()), pa.array(ids, pa.int64()))
    table = bulk.read(*rows.values_list(column, answer).query.sql_with_params())
    names, ids = (table.column(i).combine_chunks() for i in (0, 1))
    return Lookup(names.cast(pa.string()), ids.cast(pa.int64()))


def _note(
    kind: str, staging: str, targets: dict[str, str], match: str, import_id: int
) -> None:
    """Keep what is about to be overwritten, so that the import can be taken back."""
    values, told = {}, {}
    for quoted, value in _values(targets).items():
        name = quoted.strip('"')
        values[name] = literals.as_json(value, name)
        told[name] = f"{targets[quoted]} IS NOT NULL"
    changes.note(kind, staging, values, told, match, import_id)


def _values(targets: dict[str, str], row: str = "t") -> dict[str, str]:
    """Column → what a row holds after: what the file says, or what it has."""
    values = {name: f"coalesce({cell}, {row}.{name})" for name, cell in targets.items()}
    if "attributes" in targets:
        over = literals.json_over(f"{row}.attributes", targets["attributes"])
        values["attributes"] = over
    if {"price", "currency"} <= set(targets):
        # A price is of its currency: 700 in one is not 700 in another.
        was, is_now = (
            _currency(sql) for sql in (f"{row}.currency", values["currency"])
        )
        values["price"] = (
            f"CASE WHEN {was} = {is_now} THEN {values['price']} "
            f"ELSE {targets['price']} END"
        )
    return values


def _currency(value: str) -> str:
    return f"upper(coalesce(nullif({value}, ''), '{conf.currency()}'))"


def _note_price_and_stock(
    staging: str, targets: dict[str, str], import_id: int
) -> None:
    """Keep what an item costs, and whether it is there, with the time it became so."""
    told = [name for name in ("price", "available") if name in targets]
    if not told:
        return
    now = {name: f"i.{name}" for name in ("price", "available")}
    now |= {name: v for name, v in _values(targets, "i").items() if name in told}
    differs = " OR ".join(f"i.{name} IS DISTINCT FROM {now[name]}" for name in told)
    with connection.cursor() as c:
        c.execute(
            "INSERT INTO segmentation_itemchange "
            "(item_id, changed_at, price, available, import_id) "
            f"SELECT i.id, {literals.now()}, {now['price']}, {now['available']}, "
            f"{import_id} "
            f"FROM {staging} s "
            "JOIN segmentation_item i ON i.external_id = s.item "
            f"WHERE {differs} ON CONFLICT DO NOTHING"
        )


def _update(table: str, staging: str, targets: dict[str, str], match: str) -> int:
    """UPDATE the rows that differ in a target, and only those; answers how many."""
    if not targets:
        return 0
    values = _values(targets)
    differs = " OR ".join(
        f"{_comparable('t.' + name, name)} IS DISTINCT FROM {_comparable(value, name)}"
        for name, value in values.items()
    )
    assigned = ", ".join(f"{n} = {literals.as_json(v, n)}" for n, v in values.items())
    with connection.cursor() as c:
        c.execute(
            f"UPDATE {table} AS t SET {assigned}, updated_at = {literals.now()} "
            f"FROM {staging} s WHERE {match} AND ({differs})"
        )
        return c.rowcount


def _staged(name: str) -> str:
    if name == "category":
        return "(SELECT c.id FROM segmentation_category c WHERE c.name = s.category)"
    return f's."{name}"'


def _comparable(value: str, name: str) -> str:
    if name == "attributes" and not literals.is_postgres():
        return literals.json_over(value, "NULL")
    return literals.as_json(value, name)

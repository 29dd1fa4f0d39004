"""Items, customers and identities, written in sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from segmentation import bulk
from segmentation.models import Identity, Item, Source

FEW = 2000  # names that are looked up one by one rather than by reading a column

# What an item has when a file says nothing about it.
ITEM_DEFAULTS = {
    "title": "''",
    '"group"': "''",
    "brand": "''",
    "currency": "''",
    "url": "''",
    "image": "''",
    "description": "''",
    "attributes": "'{}'",
}
TEXTS = ("name", "email", "email_hash", "phone", "phone_hash", "locale", "timezone")
CUSTOMER_DEFAULTS = dict.fromkeys(TEXTS, "''") | {"attributes": "'{}'"}


@dataclass(frozen=True)
class Written:
    """How many rows a set brought: new, changed, and equal to what was there."""

    n_new: int
    n_updated: int
    n_unchanged: int


@dataclass(frozen=True)
class Lookup:
    """Names that others use and our ids for them."""

    names: pa.Array
    ids: pa.Array

    def of(self, names: pa.Array) -> pa.Array:
        """Our ids, aligned with ``names``; null where there is none."""
        return self.ids.take(pc.index_in(names, self.names))


def items(external_ids: pa.Array) -> Lookup:
    """Our ids of items; those that nobody described yet are created."""
    return _lookup(external_ids, Item.objects.all(), "external_id", _create_items)


def identities(source: Source, external_ids: pa.Array) -> Lookup:
    """Ids of identities in a source; unknown customers are created."""
    return _lookup(
        external_ids,
        Identity.objects.filter(source=source),
        "external_id",
        lambda names: _create_identities(names, source),
    )


def customers(source: Source, external_ids: pa.Array, *, import_id: int) -> Lookup:
    """Ids of customers by their id in a source; new ones are of this import."""
    return _lookup(
        external_ids,
        Identity.objects.filter(source=source),
        "external_id",
        lambda names: _create_identities(names, source, import_id),
        answer="customer_id",
    )


def visitors(visitor_ids: pa.Array) -> Lookup:
    """Ids of anonymous identities; new visitors are created."""
    return _lookup(
        visitor_ids,
        Identity.objects.filter(source=None),
        "visitor_id",
        lambda names: _create_identities(names, None),
    )


def ensure_categories(staging: str) -> None:
    """Make the categories that staged items name and nobody made before."""
    with connection.cursor() as c:
        c.execute(
            "INSERT INTO segmentation_category (name) "
            "SELECT name FROM (SELECT DISTINCT category AS name "
            f"FROM {staging} WHERE category IS NOT NULL) named "
            f"ORDER BY {_bytewise('name')} ON CONFLICT DO NOTHING"
        )


def upsert_items(staging: str, columns: list[str], import_id: int) -> Written:
    """Bring described items in from a staging table; call inside a transaction.

    ``columns`` are the described ones; the others of a known item stay as they are.
    """
    targets = {
        '"group"' if name == "group" else name: _staged(name) for name in columns
    }
    if "category" in targets:
        targets["category_id"] = targets.pop("category")
    _note_price_and_stock(staging, targets)
    defaults = ITEM_DEFAULTS | {"available": _true()}
    match = "t.external_id = s.item"
    n_updated = _update("segmentation_item", staging, targets, defaults, match)
    values = {"external_id": "s.item"} | defaults
    values |= {name: _or_default(v, name, defaults) for name, v in targets.items()}
    values |= {"created_at": _now(), "updated_at": _now(), "import_id": str(import_id)}
    with connection.cursor() as c:
        c.execute(
            f"INSERT INTO segmentation_item ({', '.join(values)}) "
            f"SELECT {_casts(values)} FROM {staging} s WHERE true "
            f"ORDER BY {_bytewise('s.item')} ON CONFLICT DO NOTHING"
        )
        n_new = c.rowcount
        # What an item costs at first is the beginning of its history.
        c.execute(
            "INSERT INTO segmentation_itemchange "
            "(item_id, changed_at, price, available) "
            f"SELECT i.id, {_now()}, i.price, i.available FROM {staging} s "
            "JOIN segmentation_item i ON i.external_id = s.item "
            f"WHERE i.import_id = {import_id} AND i.price IS NOT NULL AND NOT EXISTS "
            "(SELECT 1 FROM segmentation_itemchange h WHERE h.item_id = i.id)"
        )
        c.execute(f"SELECT count(*) FROM {staging}")
        n_rows = c.fetchone()[0]
    return Written(n_new, n_updated, n_rows - n_new - n_updated)


def upsert_customers(staging: str, columns: list[str], import_id: int) -> Written:
    """Bring described customers in; the staging table holds their ``customer_id``.

    Those that this import itself created (``customers``) count as new.
    """
    targets = {name: _staged(name) for name in columns}
    if "created_at" in targets:  # a blank cell takes nothing back
        targets["created_at"] = "coalesce(s.created_at, t.created_at)"
    table = "segmentation_customer"
    ours = f"t.import_id IS NOT DISTINCT FROM {import_id}"
    match = "t.id = s.customer_id"
    _update(table, staging, targets, CUSTOMER_DEFAULTS, f"{match} AND {ours}")
    n_updated = _update(
        table, staging, targets, CUSTOMER_DEFAULTS, f"{match} AND NOT ({ours})"
    )
    with connection.cursor() as c:
        c.execute(
            f"SELECT count(*), count(CASE WHEN {ours} THEN 1 END) "
            f"FROM {staging} s JOIN {table} t ON {match}"
        )
        n_rows, n_new = c.fetchone()
    return Written(n_new, n_updated, n_rows - n_new - n_updated)


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
        create(unknown)
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


def _create_items(names: pa.Array) -> None:
    columns = {"external_id": "name", "available": _true()} | ITEM_DEFAULTS
    columns |= {"created_at": _now(), "updated_at": _now()}
    with bulk.staged(pa.table({"name": names})) as staging, connection.cursor() as c:
        c.execute(
            f"INSERT INTO segmentation_item ({', '.join(columns)}) "
            f"SELECT {_casts(columns)} FROM {staging} WHERE true "
            f"ORDER BY {_bytewise('name')} ON CONFLICT DO NOTHING"
        )


def _create_identities(
    names: pa.Array, source: Source | None, import_id: int | None = None
) -> None:
    """A customer and an identity for each name, in one statement or transaction.

    In the order of the names, so that two sets cannot wait for each other. Somebody
    else may create one of them meanwhile; then the set is tried again, less those.
    """
    for attempt in (1, 2, 3):
        try:
            with bulk.staged(pa.table({"name": names})) as staging:
                _insert_identities(staging, source, import_id)
            return
        except IntegrityError:
            if attempt == 3:
                raise


def _insert_identities(
    staging: str, source: Source | None, import_id: int | None
) -> None:
    column = "external_id" if source else "visitor_id"
    of_source = f"i.source_id = {source.pk}" if source else "i.source_id IS NULL"
    wanting = (
        f"FROM {staging} s WHERE NOT EXISTS (SELECT 1 FROM segmentation_identity i "
        f"WHERE i.{column} = s.name AND {of_source})"
    )
    customer = {"created_at": _now(), "updated_at": _now()} | CUSTOMER_DEFAULTS
    customer["import_id"] = (
        "CAST(NULL AS bigint)" if import_id is None else str(import_id)
    )
    into_customer = f"segmentation_customer (id, {', '.join(customer)})"
    into_identity = (
        f"segmentation_identity (customer_id, source_id, {column}, created_at)"
    )
    source_id = source.pk if source else "CAST(NULL AS bigint)"
    with transaction.atomic(), connection.cursor() as c:
        if connection.vendor == "postgresql":
            sequence = "pg_get_serial_sequence('segmentation_customer', 'id')"
            c.execute(
                # In the order of names, so that both databases give equal ids.
                f"WITH new AS MATERIALIZED (SELECT name, nextval({sequence}) AS id "
                f'FROM (SELECT s.name {wanting} ORDER BY s.name COLLATE "C") named), '
                f"made AS (INSERT INTO {into_customer} "
                f"SELECT id, {_casts(customer)} FROM new) "
                f"INSERT INTO {into_identity} "
                f"SELECT id, {source_id}, name, {_now()} FROM new ORDER BY id"
            )
            return
        # SQLite: the transaction is IMMEDIATE, so nobody else can take these ids.
        c.execute(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence "
            "WHERE name = 'segmentation_customer'), 0)"
        )
        first = c.fetchone()[0] + 1
        c.execute(
            f"CREATE TEMPORARY TABLE strata_new AS SELECT s.name, "
            f"{first} - 1 + row_number() OVER (ORDER BY s.name) AS id {wanting}"
        )
        c.execute(
            f"INSERT INTO {into_customer} "
            f"SELECT id, {', '.join(customer.values())} FROM strata_new"
        )
        c.execute(
            f"INSERT INTO {into_identity} "
            f"SELECT id, {source_id}, name, {_now()} FROM strata_new"
        )
        c.execute("DROP TABLE strata_new")


def _note_price_and_stock(staging: str, targets: dict[str, str]) -> None:
    """Keep what an item costs, and whether it is there, with the time it became so."""
    changes = [
        f"i.{name} IS DISTINCT FROM {targets[name]}"
        for name in ("price", "available")
        if name in targets
    ]
    if not changes:
        return
    price = targets.get("price", "i.price")
    available = f"coalesce({targets.get('available', 'i.available')}, {_true()})"
    with connection.cursor() as c:
        c.execute(
            "INSERT INTO segmentation_itemchange "
            "(item_id, changed_at, price, available) "
            f"SELECT i.id, {_now()}, {price}, {available} FROM {staging} s "
            "JOIN segmentation_item i ON i.external_id = s.item "
            f"WHERE {' OR '.join(changes)} ON CONFLICT DO NOTHING"
        )


def _update(
    table: str,
    staging: str,
    targets: dict[str, str],
    defaults: dict[str, str],
    match: str,
) -> int:
    """UPDATE the rows that differ in a target, and only those; answers how many."""
    if not targets:
        return 0
    values = {name: _or_default(v, name, defaults) for name, v in targets.items()}
    differs = " OR ".join(
        f"{_comparable('t.' + name, name)} IS DISTINCT FROM {_comparable(value, name)}"
        for name, value in values.items()
    )
    assigned = ", ".join(f"{n} = {_cast(v, n)}" for n, v in values.items())
    with connection.cursor() as c:
        c.execute(
            f"UPDATE {table} AS t SET {assigned}, updated_at = {_now()} "
            f"FROM {staging} s WHERE {match} AND ({differs})"
        )
        return c.rowcount


def _staged(name: str) -> str:
    if name == "category":
        return "(SELECT c.id FROM segmentation_category c WHERE c.name = s.category)"
    return f's."{name}"'


def _or_default(value: str, name: str, defaults: dict[str, str]) -> str:
    default = defaults.get(name)
    return f"coalesce({value}, {default})" if default else value


def _comparable(value: str, name: str) -> str:
    if name != "attributes":
        return value
    if connection.vendor == "postgresql":
        return f"CAST({value} AS jsonb)"
    return f"json({value})"


def _cast(value: str, name: str) -> str:
    if name == "attributes" and connection.vendor == "postgresql":
        return f"CAST({value} AS jsonb)"
    return value


def _casts(columns: dict[str, str]) -> str:
    return ", ".join(_cast(value, name) for name, value in columns.items())


def _bytewise(column: str) -> str:
    """An order that is the same on both databases, so that ids are too."""
    return f'{column} COLLATE "C"' if connection.vendor == "postgresql" else column


def _true() -> str:
    return "true" if connection.vendor == "postgresql" else "1"


def _now() -> str:
    """This instant as a literal that both databases compare as Django does."""
    now = timezone.now().strftime("%Y-%m-%d %H:%M:%S.%f")
    if connection.vendor == "postgresql":
        return f"CAST('{now}+00' AS timestamptz)"
    return f"'{now}'"

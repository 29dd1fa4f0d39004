"""Items and customers whom somebody names for the first time, made in sets."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from django.db import IntegrityError, connection, transaction

from segmentation import bulk
from segmentation.bulk import literals
from segmentation.models import Source

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


Guard = Callable[[], None]


def nobody_else() -> None:
    """The guard of who makes rows for no deed."""


def create_items(
    names: pa.Array, *, import_id: int | None = None, guard: Guard = nobody_else
) -> None:
    """Items with nothing but a name.

    ``guard`` is called first in the transaction, as by any deed that writes: a worker
    that lost its lease makes nothing.
    """
    columns = {"external_id": "name", "available": literals.true()} | ITEM_DEFAULTS
    columns |= {"created_at": literals.now(), "updated_at": literals.now()}
    columns["import_id"] = literals.integer(import_id)
    with (
        bulk.staged(pa.table({"name": names})) as staging,
        transaction.atomic(),
        connection.cursor() as c,
    ):
        guard()
        c.execute(
            f"INSERT INTO segmentation_item ({', '.join(columns)}) "
            f"SELECT {literals.as_jsons(columns)} FROM {staging} WHERE true "
            f"ORDER BY {literals.bytewise('name')} ON CONFLICT DO NOTHING"
        )


def create_identities(
    names: pa.Array,
    source: Source | None,
    *,
    import_id: int | None = None,
    guard: Guard = nobody_else,
) -> None:
    """A customer and an identity for each name, in one statement or transaction.

    In the order of the names, so that two sets cannot wait for each other. Somebody
    else may create one of them meanwhile; then the set is tried again, less those.
    """
    for attempt in (1, 2, 3):
        try:
            staged = bulk.staged(pa.table({"name": names}))
            with staged as staging, transaction.atomic():
                guard()
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
    customer = {
        "created_at": literals.now(),
        "updated_at": literals.now(),
    } | CUSTOMER_DEFAULTS
    customer["import_id"] = literals.integer(import_id)
    source_id = source.pk if source else "CAST(NULL AS bigint)"
    people = (
        f"INSERT INTO segmentation_customer (id, {', '.join(customer)}) "
        f"SELECT id, {literals.as_jsons(customer)} FROM"
    )
    identities = (
        "INSERT INTO segmentation_identity "
        f"(customer_id, source_id, {column}, created_at) "
        f"SELECT id, {source_id}, name, {literals.now()} FROM"
    )
    with connection.cursor() as c:
        if literals.is_postgres():
            c.execute(
                f"WITH new AS MATERIALIZED ({_numbered(wanting)}), "
                f"made AS ({people} new) {identities} new ORDER BY id"
            )
        else:
            # The transaction is IMMEDIATE, so nobody else can take these ids.
            c.execute(f"CREATE TEMPORARY TABLE strata_new AS {_numbered(wanting)}")
            c.execute(f"{people} strata_new")
            c.execute(f"{identities} strata_new")
            c.execute("DROP TABLE strata_new")


def _numbered(wanting: str) -> str:
    """Names with the ids of their customers, in order: equal on both databases."""
    if literals.is_postgres():
        sequence = "pg_get_serial_sequence('segmentation_customer', 'id')"
        return (
            f"SELECT name, nextval({sequence}) AS id "
            f'FROM (SELECT s.name {wanting} ORDER BY s.name COLLATE "C") named'
        )
    last = "SELECT seq FROM sqlite_sequence WHERE name = 'segmentation_customer'"
    return (
        f"SELECT s.name, coalesce(({last}), 0) "
        f"+ row_number() OVER (ORDER BY s.name) AS id {wanting}"
    )

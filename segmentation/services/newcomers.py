"""Items and customers whom somebody names for the first time, made in sets."""

from __future__ import annotations

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


def create_items(names: pa.Array, import_id: int | None = None) -> None:
    columns = {"external_id": "name", "available": literals.true()} | ITEM_DEFAULTS
    columns |= {"created_at": literals.now(), "updated_at": literals.now()}
    columns["import_id"] = literals.integer(import_id)
    with bulk.staged(pa.table({"name": names})) as staging, connection.cursor() as c:
        c.execute(
            f"INSERT INTO segmentation_item ({', '.join(columns)}) "
            f"SELECT {literals.as_jsons(columns)} FROM {staging} WHERE true "
            f"ORDER BY {literals.bytewise('name')} ON CONFLICT DO NOTHING"
        )


def create_identities(
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
    customer = {
        "created_at": literals.now(),
        "updated_at": literals.now(),
    } | CUSTOMER_DEFAULTS
    customer["import_id"] = literals.integer(import_id)
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
                f"SELECT id, {literals.as_jsons(customer)} FROM new) "
                f"INSERT INTO {into_identity} "
                f"SELECT id, {source_id}, name, {literals.now()} FROM new ORDER BY id"
            )
            return
        # SQLite: the transaction is IMMEDIATE, so nobody else can take these ids.
        c.execute(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence "
            "WHERE name = 'segmentation_customer'), 0)"
        )
        first = c.fetchone()[0] + 1
        c.execute(
            f"CREATE TEMPORARY TABLE strata_new AS SELECT s.name, {first} - 1 "
            f"+ row_number() OVER (ORDER BY s.name) AS id {wanting}"
        )
        c.execute(
            f"INSERT INTO {into_customer} "
            f"SELECT id, {', '.join(customer.values())} FROM strata_new"
        )
        c.execute(
            f"INSERT INTO {into_identity} "
            f"SELECT id, {source_id}, name, {literals.now()} FROM strata_new"
        )
        c.execute("DROP TABLE strata_new")

"""Encrypted columns and their fingerprints, written again under the newest keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.db import connection, models, transaction
from django.utils.translation import gettext as _

from segmentation import bulk
from segmentation.models.fields import EncryptedField, decrypt, encrypt
from segmentation.services import jobs

BLOCK_ROWS = 5000


def rekey(said: Callable[[str], None]) -> dict[str, int]:
    """Write every encrypted column again; answers the rows of each model.

    Refused where a row cannot be read with any key. Twice does no harm, and a row that
    somebody changes meanwhile is left as they wrote it, under the newest key too.
    """
    done: dict[str, int] = {}
    for model in apps.get_models():
        fields = [f for f in model._meta.fields if isinstance(f, EncryptedField)]
        if fields:
            said(model._meta.label_lower)
            done[model._meta.label_lower] = _rekey(model, fields)
    return done


def _rekey(model: type[models.Model], fields: list[EncryptedField]) -> int:
    last, n_rows = 0, 0
    while rows := _block(model, fields, last):
        try:
            table = _sealed(rows, fields)
        except InvalidToken as error:
            raise jobs.Refused(
                _(
                    "%(model)s has rows that no key can read; name the key that wrote "
                    "them in SECRET_KEY_FALLBACKS or STRATA_FIELD_KEYS."
                )
                % {"model": model._meta.label_lower}
            ) from error
        _write(model, fields, table)
        last, n_rows = rows[-1][0], n_rows + len(rows)
    return n_rows


def _block(
    model: type[models.Model], fields: list[EncryptedField], last: int
) -> list[tuple[Any, ...]]:
    """The next rows by their key: the key and the cipher texts."""
    columns = ", ".join(["id", *(f'"{field.attname}"' for field in fields)])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM {model._meta.db_table} WHERE id > %s "
            f"ORDER BY id LIMIT {BLOCK_ROWS}",
            [last],
        )
        return cursor.fetchall()


def _sealed(rows: list[tuple[Any, ...]], fields: list[EncryptedField]) -> pa.Table:
    """The key, and of each field the former and the new cipher text and fingerprint."""
    ids, *former = zip(*rows, strict=True)
    columns: dict[str, pa.Array] = {"id": pa.array(ids, pa.int64())}
    for field, texts in zip(fields, former, strict=True):
        plain = decrypt(list(texts))
        columns[f"{field.attname}_former"] = pa.array(texts, pa.string())
        columns[field.attname] = pa.array(encrypt(plain), pa.string())
        if field.named_by is not None:
            hashes = [field.fingerprint_of(text) for text in plain]
            columns[f"{field.attname}_hash"] = pa.array(hashes, pa.string())
    return pa.table(columns)


def _write(
    model: type[models.Model], fields: list[EncryptedField], table: pa.Table
) -> None:
    names = [n for n in table.column_names if n != "id" and not n.endswith("_former")]
    assigned = ", ".join(f'"{name}" = s."{name}"' for name in names)
    same = " AND ".join(f't."{f.attname}" = s."{f.attname}_former"' for f in fields)
    with (
        bulk.staged(table) as staging,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            f"UPDATE {model._meta.db_table} AS t SET {assigned} "
            f"FROM {staging} s WHERE t.id = s.id AND {same}"
        )

"""Columns that are stored encrypted, and how an import leaves unchanged ones alone."""

from __future__ import annotations

import pyarrow as pa
from django.db.models import TextField
from django.db.models.functions import Cast

from segmentation.models import Customer
from segmentation.models.fields import decrypt, encrypt

HIDDEN = "•••"  # what names a person is stored encrypted, and nowhere else
SECRET = frozenset({"email", "name", "phone"})
HASHED = frozenset({"email", "phone"})


def sealed(part: pa.Table, name: str) -> pa.Table:
    """Encrypt a column of customers (``customer_id``); add a hash that finds equals.

    The same text encrypts differently each time, so a value that is stored already
    keeps its very cipher text: otherwise every line of a file would look changed. A
    blank cell stays blank.
    """
    told = part[name].to_pylist()
    plain = ["" if value is None else value for value in told]
    stored = _stored(part["customer_id"].to_pylist(), name)
    same = [old == new for old, new in zip(decrypt(stored), plain, strict=True)]
    fresh = encrypt(
        ["" if kept else new for kept, new in zip(same, plain, strict=True)]
    )
    cells = [
        None if value is None else old if kept else new
        for value, kept, old, new in zip(told, same, stored, fresh, strict=True)
    ]
    index = part.schema.get_field_index(name)
    part = part.set_column(index, name, pa.array(cells, pa.string()))
    if name not in HASHED:
        return part
    hashes = [value and Customer.mark_of(name, value) for value in told]
    return part.append_column(f"{name}_hash", pa.array(hashes, pa.string()))


def _stored(customer_ids: list[int], name: str) -> list[str]:
    """Cipher texts of these customers, aligned; "" where there is none."""
    rows = Customer.objects.filter(pk__in=customer_ids)
    raw = rows.annotate(raw=Cast(name, TextField())).values_list("pk", "raw")
    known = dict(raw)
    return [known.get(pk, "") for pk in customer_ids]

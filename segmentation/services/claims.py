"""What each source says about a customer, and whom to believe, field by field.

The most trusted source is believed, among equals the one that told last. An empty cell
says nothing. ``attributes`` are settled key by key. A claim is what all imports of a
source told, the last on top; the layer of each is kept beside it (``Telling``), so that
it can be taken back (``unsaying``).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from segmentation.models import Customer, CustomerClaim, Merge, Source, Telling
from segmentation.models.fields import encrypt

FIELDS = ("name", "email", "phone", "locale", "timezone")
ATTRIBUTES = "attributes"
HASHED = ("email", "phone")


@dataclass(frozen=True)
class Told:
    """One claim: who told what about whom."""

    customer_id: int  # who the customer is after all merges
    source: Source
    told_at: datetime
    values: dict[str, Any]

    @property
    def weight(self) -> tuple[int, datetime]:
        return self.source.trust, self.told_at


def about(
    customer_ids: Collection[int], *, but: Source | None = None
) -> dict[int, list[Told]]:
    """Claims about customers and those merged into them, the most believed first.

    ``but`` leaves out what one source says.
    """
    now = homes(customer_ids)
    rows = CustomerClaim.objects.filter(customer__in=now).select_related("source")
    rows = rows.exclude(source=but) if but else rows
    found: dict[int, list[Told]] = {}
    for row in rows:
        home = now[row.customer_id]
        told = Told(home, row.source, row.told_at, json.loads(row.values or "{}"))
        found.setdefault(home, []).append(told)
    for several in found.values():
        several.sort(key=lambda claim: claim.weight, reverse=True)
    return found


def believed(told: list[Told]) -> dict[str, Any]:
    """The value of each field that anybody told; ``told`` as ``about`` sorts it."""
    best: dict[str, Any] = {}
    for claim in reversed(told):
        best = over(best, {name: v for name, v in claim.values.items() if v})
    return best


def settle(customer_ids: Collection[int]) -> None:
    """Write what is believed now, after a merge or its taking back.

    A field that nobody tells any more, and that still holds what was told about a
    customer who went away, is emptied; a field that no source ever told stays.
    """
    told = about(customer_ids)
    once_told = _told_of_those_apart(customer_ids)
    changed: dict[str, list[Customer]] = {}
    for customer in Customer.objects.filter(pk__in=customer_ids):
        pk, best = customer.pk, believed(told.get(customer.pk, []))
        for field in (*FIELDS, ATTRIBUTES):
            value, present = best.get(field), getattr(customer, field)
            if value is None and field != ATTRIBUTES:
                value = "" if present in once_told.get(pk, ()) else None
            if value is not None and value != present:
                setattr(customer, field, value)
                changed.setdefault(field, []).append(customer)
    put(changed)


def put(changed: dict[str, list[Customer]]) -> None:
    """Write fields of customers that changed, and no others.

    A text that is encrypted anew would look changed to the undo of an import.
    """
    for field, customers in changed.items():
        columns = [field, "updated_at"]
        for customer in customers:
            customer.updated_at = timezone.now()
        if field in HASHED:
            columns.append(f"{field}_hash")
            for customer in customers:
                mark = Customer.mark_of(field, getattr(customer, field))
                setattr(customer, f"{field}_hash", mark)
        Customer.objects.bulk_update(customers, columns, batch_size=100)


def settled(part: pa.Table, source: Source, columns: list[str]) -> pa.Table:
    """A chunk of one source's customers with the cells that others know better.

    ``part`` holds ``customer_id`` and plain ``columns``. A cell gives way to a claim
    of a more trusted source; one that is blank says nothing and stays blank.
    """
    columns = [name for name in columns if name in (*FIELDS, ATTRIBUTES)]
    ids = part["customer_id"].to_pylist()
    above = {
        pk: believed([one for one in told if one.source.trust > source.trust])
        for pk, told in about(set(ids), but=source).items()
    }
    rows = {pk: row for row, pk in enumerate(ids) if above.get(pk)}
    if not rows or not columns:
        return part
    for name in columns:
        cells = part[name].to_pylist()
        for pk, row in rows.items():
            if cells[row] is not None:
                cells[row] = _better(name, cells[row], above[pk])
        index = part.schema.get_field_index(name)
        part = part.set_column(index, name, pa.array(cells, pa.string()))
    return part


def _better(name: str, cell: str, above: dict[str, Any]) -> str:
    if name != ATTRIBUTES:
        return above.get(name) or cell
    best, own = above.get(name, {}), json.loads(cell)
    return _dumped({key: best.get(key, value) for key, value in own.items()})


def as_rows(
    part: pa.Table, source: Source, columns: list[str], import_id: int
) -> pa.Table:
    """What a source tells about a chunk of customers, ready for ``write``.

    ``part`` as its file told it: before ``settled``, before encryption. What the
    source told before about other fields still holds, and so does what it told about
    a field that is blank now.
    """
    columns = [name for name in columns if name in (*FIELDS, ATTRIBUTES)]
    ids = part["customer_id"].to_pylist()
    before = _values(CustomerClaim.objects.filter(customer__in=ids, source=source))
    # Two ids of one person may stand in two chunks.
    own = _values(Telling.objects.filter(customer__in=ids, import_id=import_id))
    whole, layers = [], []
    for pk, row in zip(ids, part.select(columns).to_pylist(), strict=True):
        if ATTRIBUTES in row:
            row[ATTRIBUTES] = json.loads(row[ATTRIBUTES] or "{}")
        said = {name: value for name, value in row.items() if value}
        whole.append(_dumped(over(before.get(pk, {}), said)))
        layers.append(_dumped(over(own.get(pk, {}), said)))
    n, now = part.num_rows, pa.scalar(timezone.now(), pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "customer_id": part["customer_id"],
            "source_id": pa.repeat(pa.scalar(source.pk, pa.int64()), n),
            "told": pa.array(encrypt(whole), pa.string()),
            "layer": pa.array(encrypt(layers), pa.string()),
            "told_at": pa.repeat(now, n),
            "import_id": pa.repeat(pa.scalar(import_id, pa.int64()), n),
        }
    )


def write(staging: str) -> None:
    """Keep staged claims (``as_rows``) and their layers; in a transaction."""
    for table, told, key in (
        (CustomerClaim, "told", "customer_id, source_id"),
        (Telling, "layer", "import_id, customer_id"),
    ):
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table._meta.db_table} "
                '(customer_id, source_id, "values", told_at, import_id) '
                f"SELECT customer_id, source_id, {told}, told_at, import_id "
                f"FROM {staging} WHERE true ON CONFLICT ({key}) DO UPDATE SET "
                '"values" = excluded."values", told_at = excluded.told_at, '
                "import_id = excluded.import_id"
            )


def over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """What is told once more, field by field, and attributes key by key."""
    told = below | above
    if ATTRIBUTES in told:
        told[ATTRIBUTES] = below.get(ATTRIBUTES, {}) | above.get(ATTRIBUTES, {})
    return told


def _dumped(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)


def _values(rows: QuerySet) -> dict[int, dict[str, Any]]:
    told = rows.values_list("customer_id", "values")
    return {pk: json.loads(values or "{}") for pk, values in told}


def homes(customer_ids: Collection[int]) -> dict[int, int]:
    """These customers and all who went into them → who they are now."""
    found = {pk: pk for pk in customer_ids}
    frontier = set(found)
    while frontier:
        rows = Merge.objects.filter(kept__in=frontier, undone_at=None)
        more = dict(rows.values_list("merged_id", "kept_id"))
        frontier = set(more) - set(found)
        found |= {merged: found[kept] for merged, kept in more.items()}
    return found


def _told_of_those_apart(customer_ids: Collection[int]) -> dict[int, set[str]]:
    """Customer → what was told about those they were merged with and are no more."""
    undone = Merge.objects.exclude(undone_at=None).filter(
        Q(kept__in=customer_ids) | Q(merged__in=customer_ids)
    )
    pairs = set(undone.values_list("kept_id", "merged_id"))
    told = about({pk for pair in pairs for pk in pair})
    values: dict[int, set[str]] = {}
    for one, other in (*pairs, *((b, a) for a, b in pairs)):
        for claim in told.get(other, ()):
            texts = (claim.values.get(field) for field in FIELDS)
            values.setdefault(one, set()).update(filter(None, texts))
    return values

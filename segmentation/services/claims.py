"""What each source says about a customer, and whom to believe, field by field.

The most trusted source is believed, among equals the one that told last. An empty cell
says nothing. ``attributes`` are settled key by key.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from segmentation.models import Customer, CustomerClaim, Merge, Source
from segmentation.models.fields import encrypt

FIELDS = ("name", "email", "phone", "locale", "timezone")
ATTRIBUTES = "attributes"
TAKEN_AT_ONCE = 5000


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


def about(customer_ids: Collection[int]) -> dict[int, list[Told]]:
    """Claims about customers and those merged into them, the most believed first."""
    now = homes(customer_ids)
    rows = CustomerClaim.objects.filter(customer__in=now).select_related("source")
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
        attributes = claim.values.get(ATTRIBUTES) or {}
        told_fields = {k: v for k, v in claim.values.items() if k != ATTRIBUTES and v}
        best |= told_fields
        if attributes:
            best[ATTRIBUTES] = best.get(ATTRIBUTES, {}) | attributes
    return best


def settle(customer_ids: Collection[int]) -> None:
    """Write what is believed now, after a merge or its taking back.

    A field that nobody tells any more, and that still holds what was told about a
    customer who went away, is emptied; a field that no source ever told stays.
    """
    told = about(customer_ids)
    once_told = _told_of_those_apart(customer_ids)
    customers = list(Customer.objects.filter(pk__in=customer_ids))
    for customer in customers:
        pk, best = customer.pk, believed(told.get(customer.pk, []))
        for field in FIELDS:
            value = best.get(field)
            if value is None and getattr(customer, field) in once_told.get(pk, ()):
                value = ""
            if value is not None:
                setattr(customer, field, value)
        if best.get(ATTRIBUTES):
            customer.attributes = best[ATTRIBUTES]
        for field in ("email", "phone"):
            mark = Customer.mark_of(field, getattr(customer, field))
            setattr(customer, f"{field}_hash", mark)
        customer.updated_at = timezone.now()
    Customer.objects.bulk_update(
        customers,
        [*FIELDS, "email_hash", "phone_hash", ATTRIBUTES, "updated_at"],
        batch_size=100,
    )


def settled(part: pa.Table, source: Source, columns: list[str]) -> pa.Table:
    """A chunk of one source's customers with the cells that others know better.

    ``part`` holds ``customer_id`` and plain ``columns``. A cell gives way to a claim
    of a more trusted source; an empty one to whatever anybody told.
    """
    columns = [name for name in columns if name in (*FIELDS, ATTRIBUTES)]
    ids = part["customer_id"].to_pylist()
    others = {
        pk: [claim for claim in told if claim.source.pk != source.pk]
        for pk, told in about(set(ids)).items()
    }
    rows = {pk: row for row, pk in enumerate(ids) if others.get(pk)}
    if not rows or not columns:
        return part
    for name in columns:
        cells = part[name].to_pylist()
        for pk, row in rows.items():
            cells[row] = _better(name, cells[row], others[pk], source)
        index = part.schema.get_field_index(name)
        part = part.set_column(index, name, pa.array(cells, pa.string()))
    return part


def _better(name: str, cell: str | None, others: list[Told], source: Source) -> Any:
    above = [claim for claim in others if claim.source.trust > source.trust]
    rest = [claim for claim in others if claim.source.trust <= source.trust]
    if name == ATTRIBUTES:
        merged: dict[str, Any] = believed(rest).get(name, {})
        own = {k: v for k, v in json.loads(cell or "{}").items() if v is not None}
        merged = merged | own | believed(above).get(name, {})
        return json.dumps(merged, ensure_ascii=False)
    return believed(above).get(name) or cell or believed(rest).get(name)


def as_rows(
    part: pa.Table, source: Source, columns: list[str], import_id: int
) -> pa.Table:
    """What a source tells about a chunk of customers, ready for ``write``.

    ``part`` as its file told it: before ``settled``, before encryption. What the
    source told before about other fields still holds.
    """
    columns = [name for name in columns if name in (*FIELDS, ATTRIBUTES)]
    ids = part["customer_id"].to_pylist()
    before = CustomerClaim.objects.filter(customer__in=ids, source=source)
    known = dict(before.values_list("customer_id", "values"))
    lines = []
    for pk, row in zip(ids, part.select(columns).to_pylist(), strict=True):
        if ATTRIBUTES in row:
            row[ATTRIBUTES] = json.loads(row[ATTRIBUTES] or "{}")
        told = json.loads(known.get(pk) or "{}") | row
        kept = {name: value for name, value in told.items() if value}
        lines.append(json.dumps(kept, ensure_ascii=False))
    n, now = part.num_rows, pa.scalar(timezone.now(), pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "customer_id": part["customer_id"],
            "source_id": pa.repeat(pa.scalar(source.pk, pa.int64()), n),
            "told": pa.array(encrypt(lines), pa.string()),
            "told_at": pa.repeat(now, n),
            "import_id": pa.repeat(pa.scalar(import_id, pa.int64()), n),
        }
    )


def write(staging: str) -> None:
    """Keep staged claims (``as_rows``), one a customer and source; in a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            'INSERT INTO segmentation_customerclaim (customer_id, source_id, "values", '
            "told_at, import_id) SELECT customer_id, source_id, told, told_at, "
            f"import_id FROM {staging} WHERE true ON CONFLICT (customer_id, source_id) "
            'DO UPDATE SET "values" = excluded."values", told_at = excluded.told_at, '
            "import_id = excluded.import_id"
        )


def take_back(import_id: int) -> int:
    """Forget some of what an import told, in a transaction; answers how many."""
    told = CustomerClaim.objects.filter(import_id=import_id).order_by("pk")
    some = list(told.values_list("pk", flat=True)[:TAKEN_AT_ONCE])
    return CustomerClaim.objects.filter(pk__in=some).delete()[0]


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

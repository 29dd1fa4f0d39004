"""What an import changes on what was there, for a person to look at: old and new."""

from __future__ import annotations

from typing import Any

from segmentation.models import (
    Category,
    Identity,
    ImportChange,
    ImportJob,
    ImportKind,
    Item,
)
from segmentation.services.importing import sealing

SHOWN = 20
_HASHES = {"email_hash", "phone_hash"}


def changes(job: ImportJob) -> dict[str, Any]:
    """The job's findings with its first changes: id, column, old value, new value.

    A dry run adds to those of its earlier chunks, which are rolled back by now.
    """
    before = job.findings.get("changes", []) if job.is_dry_run else []
    shown: list[list[Any]] = list(before)
    if len(shown) < SHOWN:
        rows = ImportChange.objects.filter(import_id=job.pk, kind=job.kind)
        rows = rows.exclude(after={})
        found = list(rows.order_by("pk")[: SHOWN - len(shown)])
        names = _names(job, [row.object_id for row in found])
        for row in found:
            for column in sorted(set(row.after) - _HASHES):
                old, new = row.before[column], row.after[column]
                shown.append([names.get(row.object_id, ""), column, old, new])
    return job.findings | {"changes": _readable(shown[:SHOWN])}


def _names(job: ImportJob, object_ids: list[int]) -> dict[int, str]:
    if job.kind == ImportKind.ITEMS:
        items = Item.objects.filter(pk__in=object_ids)
        return dict(items.values_list("pk", "external_id"))
    people = Identity.objects.filter(
        customer__in=object_ids, external_id__isnull=False, source=job.source
    )
    pairs = people.values_list("customer_id", "external_id")
    return {pk: name or "" for pk, name in pairs}


def _readable(shown: list[list[Any]]) -> list[list[Any]]:
    """Categories by their name; what is secret as dots."""
    ids = {value for row in shown if row[1] == "category_id" for value in row[2:]}
    names = dict(Category.objects.filter(pk__in=ids - {None}).values_list("pk", "name"))
    readable = []
    for name, column, old, new in shown:
        if column == "category_id":
            column, old, new = "category", names.get(old), names.get(new)
        elif column in sealing.SECRET:
            old, new = (sealing.HIDDEN if value else "" for value in (old, new))
        readable.append([name, column, old, new])
    return readable

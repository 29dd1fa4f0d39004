"""What an import told about customers is taken back, as if it had never told it.

Its layers go, the claims of its source are made of those that are left, and a customer
who still holds what was believed because of it holds what is believed now.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

from segmentation.models import (
    Customer,
    CustomerClaim,
    ImportChange,
    ImportKind,
    Merge,
    Telling,
)
from segmentation.models.fields import decrypt
from segmentation.services import claims
from segmentation.services.claims import ATTRIBUTES, FIELDS

AT_ONCE = 1000  # customers in one transaction: each has a few values to decrypt
_SEALED = {"name", "email", "phone"}


def take_back(import_id: int) -> int:
    """Forget some of what an import told, in a transaction; answers how many.

    After what it changed came back (``changes``): that knows what nobody claims.
    """
    layers = list(Telling.objects.filter(import_id=import_id).order_by("pk")[:AT_ONCE])
    if not layers:
        return 0
    people = {layer.customer_id for layer in layers}
    merges = Merge.objects.filter(merged__in=people, undone_at=None)
    kept = set(merges.values_list("home_id", flat=True))
    before = _believed(people | kept)
    Telling.objects.filter(pk__in=[layer.pk for layer in layers]).delete()
    _claim_anew(people, layers[0].source_id)
    _settle(before, _believed(people | kept), kept)
    return len(layers)


def _believed(customer_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    told = claims.about(customer_ids)
    return {pk: claims.believed(told.get(pk, [])) for pk in customer_ids}


def _claim_anew(customer_ids: Collection[int], source_id: int) -> None:
    """The claims of a source, of the layers that are left."""
    rows = Telling.objects.filter(customer__in=customer_ids, source=source_id)
    made: dict[int, CustomerClaim] = {}
    told: dict[int, dict[str, Any]] = {}
    for layer in rows.order_by("pk"):
        who, values = layer.customer_id, json.loads(layer.values or "{}")
        told[who] = claims.over(told.get(who, {}), values)
        made[who] = CustomerClaim(
            customer_id=who,
            source_id=source_id,
            values=json.dumps(told[who], ensure_ascii=False),
            told_at=layer.told_at,
            import_id=layer.import_id,
        )
    gone = set(customer_ids) - set(made)
    CustomerClaim.objects.filter(customer__in=gone, source=source_id).delete()
    CustomerClaim.objects.bulk_create(
        made.values(),
        update_conflicts=True,
        unique_fields=["customer", "source"],
        update_fields=["values", "told_at", "import_id"],
        batch_size=200,
    )


def _settle(
    before: dict[int, dict[str, Any]],
    after: dict[int, dict[str, Any]],
    kept: Collection[int],
) -> None:
    """What customers hold because it was believed before, as it is believed now.

    A field that nobody tells any more is as ``changes`` left it, but for who holds it
    by a merge (``kept``): there it is emptied.
    """
    differing = [pk for pk, told in before.items() if told != after[pk]]
    changed: dict[str, list[Customer]] = {}
    held: dict[tuple[int, str], Any] = {}  # what customers held until now
    for customer in Customer.objects.filter(pk__in=differing):
        was, is_now = before[customer.pk], after[customer.pk]
        for field in (*FIELDS, ATTRIBUTES):
            present = getattr(customer, field)
            value = _settled(field, present, was.get(field), is_now.get(field))
            if value is None and customer.pk in kept and present == was.get(field):
                value = {} if field == ATTRIBUTES else ""
            if value is not None and value != present:
                held[customer.pk, field] = present
                setattr(customer, field, value)
                changed.setdefault(field, []).append(customer)
    claims.put(changed)
    _note(held)


def _settled(field: str, present: Any, was: Any, is_now: Any) -> Any:
    """The new value of a field; None where it stays."""
    if field != ATTRIBUTES:
        return is_now if is_now and present == was else None
    was, is_now = was or {}, is_now or {}
    if not is_now:
        return None
    ours = {k for k, v in was.items() if present.get(k) == v and is_now.get(k) != v}
    left = {k: v for k, v in present.items() if k not in ours}
    return left | {k: is_now[k] for k in ours if k in is_now}


def _note(held: dict[tuple[int, str], Any]) -> None:
    """The last import that wrote such a field is known to have left what is there now.

    Else its own undo would take the field as changed by somebody since.
    """
    ids = {pk for pk, _field in held}
    raw = {f"raw_{name}": Cast(name, TextField()) for name in sorted(_SEALED)}
    rows = Customer.objects.filter(pk__in=ids).annotate(**raw)
    now = {customer.pk: customer for customer in rows}
    log = ImportChange.objects.filter(kind=ImportKind.CUSTOMERS, object_id__in=ids)
    last: dict[tuple[int, str], ImportChange] = {}
    for change in log.order_by("pk"):
        last |= {(change.object_id, column): change for column in change.after}
    mended: dict[int, ImportChange] = {}
    for (pk, field), former in held.items():
        noted = last.get((pk, field))
        if noted is None or _plain(field, noted.after[field]) != former:
            continue
        for column in _columns(field, noted.after):
            name = f"raw_{column}" if column in _SEALED else column
            noted.after[column] = getattr(now[pk], name)
        mended[noted.pk] = noted
    ImportChange.objects.bulk_update(mended.values(), ["after"], batch_size=100)


def _plain(field: str, value: Any) -> Any:
    return decrypt([value])[0] if field in _SEALED and value else value


def _columns(field: str, noted: Iterable[str]) -> list[str]:
    """A field's own column, and that of its hash."""
    names = (field, f"{field}_hash")
    return [name for name in names if name in noted]

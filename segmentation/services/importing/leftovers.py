"""Items and customers that an import made: who else needs them, and their removal.

In use is whatever any table refers to, by a foreign key or, as events do, by a bare id,
and what somebody changed by hand.
What belongs to the row itself is no use of it: its names, its prices, what the import
told about it.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connection

from segmentation.bulk import literals
from segmentation.models import (
    Customer,
    CustomerClaim,
    Event,
    Identity,
    ImportChange,
    ImportJob,
    ImportKind,
    Item,
    ItemChange,
    Telling,
    UndoJob,
)
from segmentation.services import changes

PASSED, IN_USE, EMPTIED = "passed", "in_use", "emptied"
Span = tuple[int, int]

_MODELS = {ImportKind.ITEMS: Item, ImportKind.CUSTOMERS: Customer}
_OWN = {ItemChange, Identity, CustomerClaim, Telling}
_OF_CUSTOMER = (CustomerClaim, Telling, Identity)
_LOG = ImportChange._meta.db_table
_EVENTS = Event._meta.db_table
_NAMES = Identity._meta.db_table


def heirs(job: ImportJob) -> str:
    """Imports that can take over what this one brought, for an SQL list.

    One that stopped half-way too: it may go on, and does not do again what it did.
    One whose own undo waits too: that may be cancelled, and removes the rows if not.
    """
    others = ImportJob.objects.filter(is_dry_run=False, undone_at=None)
    others = others.exclude(pk=job.pk)
    others = others.exclude(pk__in=UndoJob.objects.begun().values("job"))
    return ", ".join(map(str, others.order_by("pk").values_list("pk", flat=True)))


def next_span(kind: str, import_id: int, after: int, size: int) -> Span | None:
    """The next ids that the import made: after the first, up to the second."""
    rows = _MODELS[ImportKind(kind)]._default_manager.filter(
        import_id=import_id, pk__gt=after
    )
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:size])
    return (after, ids[-1]) if ids else None


def remove(kind: str, job: ImportJob, span: Span) -> dict[str, int]:
    """Remove what is not in use of a span, in a transaction; answers what was done."""
    is_items = kind == ImportKind.ITEMS
    table = _MODELS[ImportKind(kind)]._meta.db_table
    ours = f"t.id > {span[0]} AND t.id <= {span[1]} AND t.import_id = {job.pk}"
    with connection.cursor() as cursor:
        if literals.is_postgres():
            _lock(cursor, is_items, table, ours)
        n_passed = 0
        if others := heirs(job):
            n_passed = _passed(cursor, job, kind, ours, others, span)
        uses = " OR ".join(_uses(kind, job.pk))
        used = _ids(cursor, table, f"{ours} AND ({uses})")
        n_emptied = _empty(cursor, job, kind, used)
        if used:
            cursor.execute(
                f"UPDATE {table} AS t SET import_id = {_one_user(is_items)} "
                f"WHERE t.id IN ({_listed(used)})"
            )
        gone = f"(SELECT t.id FROM {table} t WHERE {ours})"
        for model in (ItemChange,) if is_items else _OF_CUSTOMER:
            column = "item_id" if is_items else "customer_id"
            cursor.execute(
                f"DELETE FROM {model._meta.db_table} WHERE {column} IN {gone}"
            )
        cursor.execute(f"DELETE FROM {table} AS t WHERE {ours}")
        return {
            "removed": cursor.rowcount,
            PASSED: n_passed,
            IN_USE: len(used) - n_emptied,
            EMPTIED: n_emptied,
        }


def _ids(cursor: Any, table: str, which: str) -> list[int]:
    cursor.execute(f"SELECT t.id FROM {table} t WHERE {which} ORDER BY t.id")
    return [row[0] for row in cursor.fetchall()]


def _listed(ids: list[int]) -> str:
    return ", ".join(map(str, ids))


def _empty(cursor: Any, job: ImportJob, kind: str, ids: list[int]) -> int:
    """What the import told about rows that stay goes; answers about how many it did."""
    if not ids or job.kind != kind:
        return 0
    n_emptied = changes.empty(kind, ids)
    if kind == ImportKind.ITEMS:
        cursor.execute(
            f"DELETE FROM {ItemChange._meta.db_table} WHERE import_id = {job.pk} "
            f"AND item_id IN (SELECT t.id FROM {Item._meta.db_table} t "
            f"WHERE t.id IN ({_listed(ids)}) AND t.price IS NULL)"
        )
    return n_emptied


def _lock(cursor: Any, is_items: bool, table: str, ours: str) -> None:
    """Wait for calls that name the rows (``catalog.hold``): then their events show."""
    rows = f"SELECT t.id FROM {table} t"
    names = f"SELECT n.id FROM {_NAMES} n JOIN {table} t ON t.id = n.customer_id"
    for each, alias in ((rows, "t"),) if is_items else ((rows, "t"), (names, "n")):
        cursor.execute(f"{each} WHERE {ours} ORDER BY {alias}.id FOR UPDATE OF {alias}")


def _passed(
    cursor: Any, job: ImportJob, kind: str, ours: str, others: str, span: Span
) -> int:
    """What another import described too is its making from now on."""
    table = _MODELS[ImportKind(kind)]._meta.db_table
    theirs = (
        f"FROM {_LOG} c WHERE c.kind = '{kind}' AND c.object_id = t.id "
        f"AND c.import_id IN ({others})"
    )
    passed = _ids(cursor, table, f"{ours} AND EXISTS (SELECT 1 {theirs})")
    if not passed:
        return 0
    _empty(cursor, job, kind, passed)
    cursor.execute(
        f"UPDATE {table} AS t SET import_id = (SELECT min(c.import_id) {theirs}) "
        f"WHERE t.id IN ({_listed(passed)})"
    )
    cursor.execute(
        f"DELETE FROM {_LOG} AS c WHERE c.kind = '{kind}' "
        f"AND c.object_id > {span[0]} AND c.object_id <= {span[1]} AND EXISTS "
        f"(SELECT 1 FROM {table} t WHERE t.id = c.object_id "
        "AND t.import_id = c.import_id)"
    )
    return len(passed)


def _uses(kind: str, import_id: int) -> list[str]:
    """Conditions under which a row ``t`` is needed by somebody."""
    is_items = kind == ImportKind.ITEMS
    column = "item_id" if is_items else "customer_id"
    found = [
        _there_is(f"{table} u WHERE u.{name} = t.id")
        for table, name in _references(_MODELS[ImportKind(kind)], column)
    ]
    found.append(
        _there_is(
            f"{_LOG} u WHERE u.kind = '{kind}' AND u.object_id = t.id "
            f"AND u.import_id <> {import_id}"
        )
    )
    by_hand = changes.by_hand(kind)
    found.append(f"CAST(t.id AS varchar) IN ({by_hand})")
    if not is_items:
        done = (
            _there_is(f"{table} u WHERE u.{name} = n.id")
            for table, name in _references(Identity, "identity_id")
        )
        found += [
            _there_is(f"{_NAMES} n WHERE n.customer_id = t.id AND {each}")
            for each in done
        ]
        found.append(
            _there_is(
                f"{Telling._meta.db_table} u WHERE u.customer_id = t.id "
                f"AND u.import_id IS DISTINCT FROM {import_id}"
            )
        )
    return found


def _there_is(what: str) -> str:
    """EXISTS that is answered row by row, from an index.

    PostgreSQL may answer a plain one by hashing the whole other table, every time.
    """
    return f"(SELECT 1 FROM {what} LIMIT 1) IS NOT NULL"


def _references(model: type, bare: str) -> list[tuple[str, str]]:
    """Tables and columns that refer to a model, by a foreign key or by a bare id."""
    found = set()
    for each in apps.get_models():
        if each in _OWN:
            continue
        for field in each._meta.local_fields:
            related = field.related_model if field.is_relation else None
            if related is model or (related is None and field.column == bare):
                quoted = connection.ops.quote_name(str(field.column))
                found.add((each._meta.db_table, quoted))
    return sorted(found)


def _one_user(is_items: bool) -> str:
    """An import whose events need the row: undoing that one may remove it then."""
    if is_items:
        return f"(SELECT e.import_id FROM {_EVENTS} e WHERE e.item_id = t.id LIMIT 1)"
    return (
        f"(SELECT max((SELECT e.import_id FROM {_EVENTS} e WHERE e.identity_id = n.id "
        f"LIMIT 1)) FROM {_NAMES} n WHERE n.customer_id = t.id)"
    )

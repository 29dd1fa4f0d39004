"""What imports overwrite, kept so that one of them can be taken back.

``note`` runs before the overwriting, in its transaction; ``take_back`` puts former
values back where nobody changed them since. Both are a few statements for a set of
rows. Values are compared and kept as JSON, which both databases can do.

A column that stands in ``before`` alone, as null, was told again as it was: it is of
both imports, and stays when the earlier one goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection, models

from segmentation.bulk import literals
from segmentation.models import (
    AuditEntry,
    Customer,
    ImportKind,
    Item,
    ItemChange,
    Merge,
)
from segmentation.services import newcomers

_MODELS: dict[str, type[models.Model]] = {
    ImportKind.ITEMS: Item,
    ImportKind.CUSTOMERS: Customer,
}
_LOG = "segmentation_importchange"


@dataclass(frozen=True)
class TakenBack:
    """Rows restored, rows somebody changed since, and rows another told so too."""

    n_restored: int
    n_changed_since: int
    n_passed: int


def note(
    kind: str,
    staging: str,
    values: dict[str, str],
    told: dict[str, str],
    match: str,
    import_id: int,
) -> None:
    """Keep old and new of the rows that are about to change.

    ``values`` is column → SQL of its new value, ``told`` of whether the file says
    anything about it, of the staging table ``s`` and the present row ``t``, which
    ``match`` brings together. What another import made or changed, and this one brings
    unchanged, is noted too, without the value.
    """
    fields = {name: _field(kind, name) for name in values}
    differs = {
        name: f"{_comparable(fields[name], f't.{_quoted(name)}')} IS DISTINCT FROM "
        f"{_comparable(fields[name], value)}"
        for name, value in values.items()
    }
    another = _of_another(kind, import_id)
    noted = {n: f"({d} OR {told[n]} AND {another})" for n, d in differs.items()}
    before = _object(
        {
            n: (noted[n], f"CASE WHEN {d} THEN {_old(fields[n])} ELSE {_none()} END")
            for n, d in differs.items()
        }
    )
    after = _object({n: (differs[n], _json(fields[n], v)) for n, v in values.items()})
    any_differs = " OR ".join(differs.values()) or literals.false()
    lock = " FOR UPDATE OF t" if literals.is_postgres() else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_LOG} (import_id, kind, object_id, before, after) "
            f"SELECT {import_id}, '{kind}', t.id, {before}, {after} "
            f"FROM {_table(kind)} t JOIN {staging} s ON {match} "
            f"WHERE t.import_id IS DISTINCT FROM {import_id} "
            f"AND ({another} OR {any_differs}) "
            # In the order of ids, so that two imports cannot wait for each other.
            f"ORDER BY t.id{lock} ON CONFLICT (import_id, kind, object_id) "
            f"DO UPDATE SET {_noted_again(list(values))}"
        )


def _noted_again(names: list[str]) -> str:
    """What is kept where an import changes a row once more: two ids of one person."""
    old, new = f"{_LOG}.before", "excluded.before"
    was_told = {n: f"({_has(old, n)} AND {_raw(old, n)} <> {_null()})" for n in names}
    before = {
        n: (
            f"{_has(old, n)} OR {_has(new, n)}",
            f"CASE WHEN {was} THEN {_raw(old, n)} ELSE {_raw(new, n)} END",
        )
        for n, was in was_told.items()
    }
    old, new = f"{_LOG}.after", "excluded.after"
    after = {
        n: (
            f"{_has(old, n)} OR {_has(new, n)}",
            f"CASE WHEN {_has(new, n)} THEN {_raw(new, n)} ELSE {_raw(old, n)} END",
        )
        for n in names
    }
    return f"before = {_object(before)}, after = {_object(after)}"


def _raw(document: str, name: str) -> str:
    """A member as JSON, to be put into another object."""
    path = name if literals.is_postgres() else f"$.{name}"
    return f"({document} -> '{path}')"


def _null() -> str:
    return "'null'::jsonb" if literals.is_postgres() else "'null'"


def _of_another(kind: str, import_id: int) -> str:
    """Whether another import made or changed a row."""
    return (
        f"(t.import_id IS NOT NULL OR (SELECT 1 FROM {_LOG} l WHERE l.kind = '{kind}' "
        f"AND l.object_id = t.id AND l.import_id <> {import_id} LIMIT 1) IS NOT NULL)"
    )


def _old(field: models.Field) -> str:
    return _json(field, f"t.{_quoted(str(field.column))}")


def _none() -> str:
    return "NULL" if literals.is_postgres() else "'null'"


def take_back(kind: str, import_id: int, last_id: int) -> TakenBack:
    """Put back what an import changed, up to a row of the log; in a transaction.

    A column that a later import changed too, or that holds something else by now,
    stays; the later import then gives back what was there before both.
    """
    chunk = f"c.import_id = {import_id} AND c.kind = '{kind}' AND c.id <= {last_id}"
    columns = _columns_of(chunk)
    counted = _put_back(kind, chunk, columns) if columns else TakenBack(0, 0, 0)
    with connection.cursor() as cursor:
        if kind == ImportKind.ITEMS:  # what it told of their prices is not true
            cursor.execute(
                f"DELETE FROM {ItemChange._meta.db_table} "
                f"WHERE import_id = {import_id} AND item_id IN "
                f"(SELECT c.object_id FROM {_LOG} c WHERE {chunk})"
            )
        cursor.execute(f"DELETE FROM {_LOG} AS c WHERE {chunk}")
    return counted


def _put_back(kind: str, chunk: str, columns: list[str]) -> TakenBack:
    fields = {name: _field(kind, name) for name in columns}
    free = {name: _is_free(name, fields[name]) for name in columns}
    table = _table(kind)
    assigned = ", ".join(
        f"{_quoted(name)} = CASE WHEN {free[name]} "
        f"THEN {_value(fields[name])} ELSE t.{_quoted(name)} END"
        for name in columns
    )
    with connection.cursor() as cursor:
        cursor.execute(_counts(fields, free, chunk, table))
        counted = TakenBack(*cursor.fetchone())
        cursor.execute(
            f"UPDATE {table} AS t SET {assigned}, updated_at = {literals.now()} "
            f"FROM {_LOG} c WHERE {chunk} AND t.id = c.object_id AND ({_any(free)})"
        )
        for name in columns:
            cursor.execute(_hand_down(name, chunk))
    return counted


def empty(kind: str, ids: list[int]) -> int:
    """Empty what its import told about rows it made, that stay; in a transaction.

    A column that another import told stays, one that somebody changed by hand, and
    those of merged customers, which others told too. Answers how many rows had any.
    """
    blanks = _blanks(kind)
    told = {
        name: f"(t.{_quoted(name)} IS DISTINCT FROM {blank} "
        f"AND NOT {_is_kept(kind, name)})"
        for name, blank in blanks.items()
    }
    assigned = ", ".join(
        f"{_quoted(name)} = CASE WHEN {told[name]} THEN {blank} "
        f"ELSE t.{_quoted(name)} END"
        for name, blank in blanks.items()
    )
    ours = f"t.id IN ({', '.join(map(str, ids))})"
    if kind == ImportKind.CUSTOMERS:
        ours += (
            f" AND NOT EXISTS (SELECT 1 FROM {Merge._meta.db_table} m "
            "WHERE m.kept_id = t.id OR m.merged_id = t.id)"
        )
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_table(kind)} AS t SET {assigned}, updated_at = {literals.now()} "
            f"WHERE {ours} AND ({_any(told)})"
        )
        n_emptied: int = cursor.rowcount
    return n_emptied


def _blanks(kind: str) -> dict[str, str]:
    """Column → what it holds when nobody told anything."""
    if kind == ImportKind.CUSTOMERS:
        blanks = newcomers.CUSTOMER_DEFAULTS
    else:
        blanks = {"category_id": "NULL", "price": "NULL", "available": literals.true()}
        blanks |= newcomers.ITEM_DEFAULTS
    return {
        (name := quoted.strip('"')): literals.as_json(value, name)
        for quoted, value in blanks.items()
    }


def _is_kept(kind: str, column: str) -> str:
    """Whether another import told a column of a row, or somebody changed it by hand."""
    field = _field(kind, column).name.removesuffix("_hash")
    return (
        f"((SELECT 1 FROM {_LOG} l WHERE l.kind = '{kind}' AND l.object_id = t.id "
        f"AND {_has('l.before', column)} LIMIT 1) IS NOT NULL OR "
        f"CAST(t.id AS varchar) IN ({by_hand(kind)} AND {_has('h.changes', field)}))"
    )


def _counts(
    fields: dict[str, models.Field], free: dict[str, str], chunk: str, table: str
) -> str:
    """SQL of how many rows are restored, were changed since, were told so too."""
    held, same = {}, {}
    for name, is_free in free.items():
        stays = f"{_has('c.after', name)} AND NOT ({is_free})"
        present = _json_of(fields[name], f"t.{_quoted(name)}")
        is_same = f"{present} IS NOT DISTINCT FROM {_part('c.after', name)}"
        held[name] = f"({stays} AND NOT ({is_same}))"
        same[name] = f"({stays} AND {is_same})"
    return (
        "SELECT count(CASE WHEN is_free AND NOT is_held AND NOT is_same THEN 1 END), "
        "count(CASE WHEN is_held THEN 1 END), "
        "count(CASE WHEN is_same AND NOT is_held THEN 1 END) FROM ("
        f"SELECT ({_any(free)}) AS is_free, ({_any(held)}) AS is_held, "
        f"({_any(same)}) AS is_same "
        f"FROM {_LOG} c JOIN {table} t ON t.id = c.object_id WHERE {chunk}) counted"
    )


def by_hand(kind: str) -> str:
    """SQL of the ids, as text, of the rows that somebody changed on a page."""
    label = _MODELS[kind]._meta.label_lower
    return (
        f"SELECT h.subject_id FROM {AuditEntry._meta.db_table} h "
        f"WHERE h.subject_kind = '{label}' AND h.action = 'change'"
    )


def _is_free(name: str, field: models.Field) -> str:
    """Whether a column still holds what the import wrote, and nobody wrote it since."""
    present = _json_of(field, f"t.{_quoted(name)}")
    later = (
        f"SELECT 1 FROM {_LOG} l WHERE l.kind = c.kind "
        f"AND l.object_id = c.object_id AND l.id > c.id AND {_has('l.before', name)}"
    )
    return (
        f"({_has('c.after', name)} AND {present} IS NOT DISTINCT FROM "
        f"{_part('c.after', name)} AND ({later} LIMIT 1) IS NULL)"
    )


def _hand_down(name: str, chunk: str) -> str:
    """Tell the next import that changed a column what was there before this one."""
    between = (
        f"SELECT 1 FROM {_LOG} m WHERE m.kind = c.kind AND m.object_id = c.object_id "
        f"AND m.id > c.id AND m.id < l.id AND {_has('m.before', name)} LIMIT 1"
    )

    def told(document: str, source: str) -> str:
        if literals.is_postgres():
            return f"jsonb_set({document}, '{{{name}}}', {source} -> '{name}')"
        return f"json_set({document}, '$.{name}', json({source} -> '$.{name}'))"

    return (
        f"UPDATE {_LOG} AS l SET before = {told('l.before', 'c.before')}, "
        f"after = CASE WHEN {_has('l.after', name)} THEN l.after "
        f"ELSE {told('l.after', 'c.after')} END "
        f"FROM {_LOG} c WHERE {chunk} "
        "AND l.kind = c.kind AND l.object_id = c.object_id AND l.id > c.id "
        f"AND {_has('c.after', name)} AND {_has('l.before', name)} "
        f"AND ({between}) IS NULL "
        f"AND (NOT {_has('l.after', name)} OR "
        f"{_part('l.before', name)} IS NOT DISTINCT FROM {_part('c.after', name)})"
    )


def _columns_of(chunk: str) -> list[str]:
    """The columns that these changes are about."""
    if literals.is_postgres():
        keys = f"SELECT DISTINCT jsonb_object_keys(c.before) FROM {_LOG} c WHERE"
    else:
        keys = f"SELECT DISTINCT e.key FROM {_LOG} c, json_each(c.before) e WHERE"
    with connection.cursor() as cursor:
        cursor.execute(f"{keys} {chunk}")
        return sorted(row[0] for row in cursor.fetchall())


def _any(conditions: dict[str, str]) -> str:
    return " OR ".join(conditions.values())


def _table(kind: str) -> str:
    return _MODELS[kind]._meta.db_table


def _field(kind: str, column: str) -> models.Field:
    meta = _MODELS[kind]._meta
    return next(f for f in meta.concrete_fields if f.column == column)


def _quoted(column: str) -> str:
    return connection.ops.quote_name(column)


def _comparable(field: models.Field, value: str) -> str:
    if isinstance(field, models.JSONField) and not literals.is_postgres():
        return f"json({value})"
    return value


def _object(parts: dict[str, tuple[str, str]]) -> str:
    """A JSON object of those parts whose condition holds."""
    if not parts:
        return "'{}'"
    if literals.is_postgres():
        cases = (
            f"CASE WHEN {when} THEN jsonb_build_object('{name}', {value}) "
            "ELSE '{}'::jsonb END"
            for name, (when, value) in parts.items()
        )
        return " || ".join(cases)
    cases = (
        f"""CASE WHEN {when} THEN ',"{name}":' || {value} ELSE '' END"""
        for name, (when, value) in parts.items()
    )
    return "'{' || substr(" + " || ".join(cases) + ", 2) || '}'"


def _json(field: models.Field, value: str) -> str:
    """A value inside an object: SQL of JSON text on SQLite, of anything on PostgreSQL.

    SQLite's own JSON functions round a float to 15 digits; 17 tell every float apart.
    """
    if literals.is_postgres():
        return value
    if isinstance(field, models.FloatField):
        text = f"printf('%!.17g', {value})"
    elif isinstance(field, models.BooleanField):
        text = f"CASE WHEN {value} THEN 'true' ELSE 'false' END"
    elif isinstance(field, models.JSONField):
        text = f"json({value})"
    else:
        text = f"json_quote({value})"
    return f"CASE WHEN {value} IS NULL THEN 'null' ELSE {text} END"


def _json_of(field: models.Field, value: str) -> str:
    """A present value as ``_part`` answers a noted one."""
    if literals.is_postgres():
        return f"coalesce(to_jsonb({value}), 'null'::jsonb)"
    return f"json_extract('[' || {_json(field, value)} || ']', '$[0]')"


def _part(document: str, name: str) -> str:
    if literals.is_postgres():
        return f"({document} -> '{name}')"
    return f"json_extract({document}, '$.{name}')"


def _has(document: str, name: str) -> str:
    if literals.is_postgres():
        return f"jsonb_exists({document}, '{name}')"
    return f"(json_type({document}, '$.{name}') IS NOT NULL)"


def _value(field: models.Field) -> str:
    """The former value as the column holds it."""
    column = str(field.column)
    if not literals.is_postgres() or isinstance(field, models.JSONField):
        return _part("c.before", column)
    kind = field.rel_db_type(connection) if field.is_relation else None
    kind = kind or field.db_type(connection)
    return f"CAST(c.before ->> '{column}' AS {kind})"

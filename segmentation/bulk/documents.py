"""JSON of rows, put together and taken apart by the database, in both dialects."""

from __future__ import annotations

from django.db import connection, models

from segmentation.bulk import literals


def raw(document: str, name: str) -> str:
    """A member as JSON, to be put into another object."""
    path = name if literals.is_postgres() else f"$.{name}"
    return f"({document} -> '{path}')"


def null() -> str:
    """No value, as ``raw`` answers it."""
    return "'null'::jsonb" if literals.is_postgres() else "'null'"


def nothing() -> str:
    """No value, inside an object."""
    return "NULL" if literals.is_postgres() else "'null'"


def quoted(column: str) -> str:
    return connection.ops.quote_name(column)


def comparable(field: models.Field, value: str) -> str:
    if isinstance(field, models.JSONField) and not literals.is_postgres():
        return f"json({value})"
    return value


def object_of(parts: dict[str, tuple[str, str]]) -> str:
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


def member(field: models.Field, value: str) -> str:
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


def present(field: models.Field, value: str) -> str:
    """A present value as ``part`` answers a noted one."""
    if literals.is_postgres():
        return f"coalesce(to_jsonb({value}), 'null'::jsonb)"
    return f"json_extract('[' || {member(field, value)} || ']', '$[0]')"


def part(document: str, name: str) -> str:
    if literals.is_postgres():
        return f"({document} -> '{name}')"
    return f"json_extract({document}, '$.{name}')"


def has(document: str, name: str) -> str:
    if literals.is_postgres():
        return f"jsonb_exists({document}, '{name}')"
    return f"(json_type({document}, '$.{name}') IS NOT NULL)"


def former(document: str, field: models.Field) -> str:
    """A member as its column holds it."""
    column = str(field.column)
    if not literals.is_postgres() or isinstance(field, models.JSONField):
        return part(document, column)
    kind = field.rel_db_type(connection) if field.is_relation else None
    kind = kind or field.db_type(connection)
    return f"CAST({document} ->> '{column}' AS {kind})"

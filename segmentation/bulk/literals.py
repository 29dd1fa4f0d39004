"""Words of SQL that the two databases spell differently."""

from __future__ import annotations

from django.db import connection
from django.utils import timezone


def is_postgres() -> bool:
    return connection.vendor == "postgresql"


def now() -> str:
    """This instant as a literal that both databases compare as Django does."""
    text = timezone.now().strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"CAST('{text}+00' AS timestamptz)" if is_postgres() else f"'{text}'"


def true() -> str:
    return "true" if is_postgres() else "1"


def false() -> str:
    return "false" if is_postgres() else "0"


def integer(value: int | None) -> str:
    return "CAST(NULL AS bigint)" if value is None else str(int(value))


def bytewise(column: str) -> str:
    """An order that is the same on both databases, so that ids are too."""
    return f'{column} COLLATE "C"' if is_postgres() else column


def as_json(value: str, column: str) -> str:
    """A value on its way to a column; ``attributes`` are JSON."""
    if column == "attributes" and is_postgres():
        return f"CAST({value} AS jsonb)"
    return value


def json_over(below: str, above: str) -> str:
    """A JSON object with the members of another over its own; NULL changes nothing."""
    if is_postgres():
        return f"({below} || coalesce(CAST({above} AS jsonb), '{{}}'::jsonb))"
    # json_patch would merge nested objects too, and take a null for a removal.
    return (
        f"(SELECT json_group_object(key, {_MEMBER}) FROM ("
        f"SELECT * FROM json_each({below}) WHERE key NOT IN "
        f"(SELECT key FROM json_each({above})) "
        f"UNION ALL SELECT * FROM json_each({above}) ORDER BY key))"
    )


# A row of json_each as what it was made from.
_MEMBER = (
    "CASE type WHEN 'true' THEN json('true') WHEN 'false' THEN json('false') "
    "WHEN 'object' THEN json(value) WHEN 'array' THEN json(value) ELSE value END"
)


def as_jsons(columns: dict[str, str]) -> str:
    return ", ".join(as_json(value, name) for name, value in columns.items())

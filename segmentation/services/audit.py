"""One table of who changed what: every door that changes something writes here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.db.models import CharField, Field, JSONField, Model, QuerySet, TextField

from segmentation.models import AuditEntry
from segmentation.models.fields import EncryptedField

HIDDEN = "•••"  # that a person's data changed is recorded, the data is not
LONGEST = 500
# Rows about one person: an entry must not outlive their erasure with their data in it.
PERSONAL = frozenset(
    {"segmentation.customer", "segmentation.identity", "campaigns.contactpoint"}
)


def record(
    actor: Any,
    action: str,
    subject: Model,
    changes: Mapping[str, Any] | None = None,
    *,
    actor_name: str = "",
) -> AuditEntry:
    """Add one entry; ``changes`` is {field: [old, new]}, ``actor`` a user or None.

    ``actor_name`` says who it was where no user did it, such as an API key.
    """
    entry = _entry(actor, action, subject, changes or {}, actor_name)
    entry.save(force_insert=True)
    return entry


def record_all(actor: Any, action: str, subjects: Iterable[Model]) -> None:
    """Add an entry for each of many rows that the same was done to."""
    entries = [_entry(actor, action, subject, {}, "") for subject in subjects]
    AuditEntry.objects.bulk_create(entries)


def _entry(
    actor: Any, action: str, subject: Model, changes: Mapping[str, Any], name: str
) -> AuditEntry:
    return AuditEntry(
        actor=actor if getattr(actor, "pk", None) else None,
        actor_name=(actor.get_username() if actor else name)[:150],
        action=action[:60],
        subject_kind=subject._meta.label_lower,
        subject_id="" if subject.pk is None else str(subject.pk)[:80],
        subject=_name_of(subject)[:200],
        changes=_as_words(subject, changes),
    )


def values_of(subject: Model) -> dict[str, Any]:
    """Every stored value of a row, for an entry about its removal."""
    names = [field.attname for field in subject._meta.concrete_fields]
    return {name: [getattr(subject, name), None] for name in names}


def _name_of(subject: Model) -> str:
    if subject._meta.label_lower in PERSONAL:
        return f"{subject._meta.verbose_name} {subject.pk}"
    return str(subject)


def _as_words(subject: Model, changes: Mapping[str, Any]) -> dict[str, Any]:
    personal = subject._meta.label_lower in PERSONAL
    secret = {
        name
        for field in subject._meta.concrete_fields
        if _is_secret(field, personal)
        for name in (field.name, field.attname)
    }
    return {
        name: _hidden(pair) if name in secret or "password" in name else _word(pair)
        for name, pair in changes.items()
    }


def _is_secret(field: Field, personal: bool) -> bool:
    if isinstance(field, EncryptedField):
        return True
    if field.name == "password" or field.name.endswith("_hash"):
        return True
    return personal and isinstance(field, CharField | TextField | JSONField)


def _hidden(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_hidden(part) for part in value]
    return HIDDEN if value else value


def _word(value: Any) -> Any:
    """Anything as JSON that a person can read."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | QuerySet):
        return [_word(part) for part in list(value)[:100]]
    if isinstance(value, dict):
        return {str(key): _word(part) for key, part in value.items()}
    return str(value)[:LONGEST]

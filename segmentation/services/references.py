"""What led to an event, and the words that only a few events have."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from segmentation.models import EventDetail, RefKind, ServedList
from segmentation.services.serving import served


def details(
    event_keys: pa.Array, rows: Sequence[Mapping[str, Any]]
) -> list[EventDetail]:
    """Side rows of the few events that have words of their own."""
    found = []
    for key, row in zip(event_keys.to_pylist(), rows, strict=True):
        terms, page = (_words(row.get(name)) for name in ("search_terms", "page"))
        if terms or page:
            found.append(
                EventDetail(
                    event_key=uuid.UUID(bytes=key),
                    search_terms=terms[:300],
                    page=page[:2000],
                )
            )
    return found


def _words(value: Any) -> str:
    """Free text as PostgreSQL takes it."""
    return (text(value) or "").replace("\x00", "").strip()


def added(events: pa.Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """What led to each event: a campaign launch, an ad or a served list."""
    named = {_uuid(row.get("recommendation_id")) for row in rows} - {None}
    # An id of ours carries its key: the row of the list may not be written yet.
    known_lists = {each: served.key_of(each) for each in named if each is not None}
    older = [each for each, key in known_lists.items() if key is None]
    if older:
        found = ServedList.objects.filter(recommendation_id__in=older)
        known_lists |= dict(found.values_list("recommendation_id", "pk"))
    kinds: list[int | None] = []
    ids: list[int | None] = []
    for row in rows:
        kind, ref = _reference(row, known_lists)
        kinds.append(kind)
        ids.append(ref)
    for name, values in (("ref_kind", kinds), ("ref_id", ids)):
        index = events.schema.get_field_index(name)
        events = events.set_column(index, name, pa.array(values, pa.int64()))
    return events


def _reference(
    row: Mapping[str, Any], lists: dict[uuid.UUID, int | None]
) -> tuple[int | None, int | None]:
    for name, kind in (("launch", RefKind.LAUNCH), ("ad", RefKind.AD)):
        number = whole_number(row.get(name))
        if number is not None:
            return kind.value, number
    named = _uuid(row.get("recommendation_id"))
    listed = lists.get(named) if named else None
    return (RefKind.SERVED_LIST.value, listed) if listed else (None, None)


def whole_number(value: Any) -> int | None:
    """A row id of ours; what cannot be one refers to nothing."""
    text = str(value)
    # Python refuses to read thousands of digits with an error.
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) >= 2**63:
        return None
    return int(text)


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


def text(value: Any) -> str | None:
    """A value of a call as the text that a file would hold."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    # Half a surrogate pair, which JSON allows, is no text that can be stored.
    return str(value).encode("utf-8", "replace").decode()

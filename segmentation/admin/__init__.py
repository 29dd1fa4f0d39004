"""The operator's pages of this app: lists, facts, deeds and how far they are."""

from segmentation.admin import (
    access,
    catalog,
    erasures,
    events,
    exports,
    imports,
    list_rules,
    lists,
    people,
    plans,
    quality,
    records,
    refreshes,
    runs,
    segments,
    traces,
)

__all__ = [
    "access",
    "catalog",
    "erasures",
    "events",
    "exports",
    "imports",
    "list_rules",
    "lists",
    "people",
    "plans",
    "quality",
    "records",
    "refreshes",
    "runs",
    "segments",
    "traces",
]

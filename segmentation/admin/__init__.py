"""The operator's pages of this app: lists, facts, deeds and how far they are."""

from segmentation.admin import (
    access,
    catalog,
    erasures,
    events,
    exports,
    imports,
    people,
    quality,
    records,
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
    "people",
    "quality",
    "records",
    "runs",
    "segments",
    "traces",
]

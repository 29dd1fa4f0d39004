"""The operator's pages of this app: lists, facts, deeds and how far they are."""

from segmentation.admin import (
    access,
    catalog,
    events,
    imports,
    records,
    runs,
    segments,
)

__all__ = ["access", "catalog", "events", "imports", "records", "runs", "segments"]

"""Imports taken back, as an operator's click would do it, and what is left then."""

from __future__ import annotations

from datetime import UTC, datetime

from segmentation import tasks
from segmentation.models import (
    Customer,
    Event,
    EventClaim,
    Identity,
    ImportChange,
    ImportJob,
    Item,
    ItemChange,
    UndoJob,
)
from segmentation.services import importing

HEADER = "customer,item,kind,occurred_at,quantity,price\n"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def lines(*numbers: int) -> str:
    rows = (f"c-{n},i-{n},purchase,2026-01-0{n} 10:00,1,{n}.5\n" for n in numbers)
    return HEADER + "".join(rows)


def take_back(job: ImportJob) -> UndoJob:
    undo = importing.create_undo(job)
    tasks.perform(undo, importing.run_undo)
    undo.refresh_from_db()
    assert undo.status == UndoJob.Status.DONE
    assert undo.rows_kept == sum(undo.kept.values())
    return undo


def told(undo: UndoJob) -> tuple[int, int, int]:
    return undo.rows_removed, undo.rows_restored, undo.rows_kept


def sizes() -> list[int]:
    tables = (Event, Item, ItemChange, Customer, Identity, EventClaim, ImportChange)
    return [table.objects.count() for table in tables]

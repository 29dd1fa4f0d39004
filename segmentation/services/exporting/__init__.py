"""Tables as files: a short list at once, a long one by a worker.

    tables.py    what can be written, and which columns name a person
    writing.py   CSV, XLSX and Parquet, chunk by chunk, without a spreadsheet's formulas

The rows are chosen when somebody asks, as ids, so a file holds what the list showed,
whoever writes it and however often a worker is killed. What is read of them is read
when it is written.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.db import transaction
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from segmentation import conf
from segmentation.models import ExportJob, Job
from segmentation.services import audit, jobs
from segmentation.services.exporting import writing
from segmentation.services.exporting.tables import (
    PERSONAL,
    Column,
    Table,
    of_people,
    register,
    table,
)

__all__ = [
    "PERSONAL",
    "Column",
    "Table",
    "allowed",
    "fetched",
    "file_of",
    "folder",
    "forget_people",
    "may_have",
    "needs_a_worker",
    "queue",
    "register",
    "run_export",
    "select",
    "table",
    "write_now",
]

Ids = NDArray[np.int64]

CHUNK = 20_000  # rows that are read and written at a time
_CHOSEN = "rows.parquet"


def allowed(of: Table, user: Any) -> list[Column]:
    """The columns that this user may have: those that name people need a right."""
    may = user.has_perm(PERSONAL)
    return [column for column in of.columns if may or not column.is_personal]


def may_have(job: ExportJob, user: Any) -> bool:
    """Whether a user may have the file: the list, and the people named in it."""
    of = table(job.table)
    names = {column.name for column in allowed(of, user)}
    return user.has_perm(of.permission) and names.issuperset(job.query["columns"])


def select(of: Table, rows: Any) -> Ids:
    """Ids of what a list shows, in their order; ``rows`` is the list's queryset."""
    found = of.ids_of(rows).iterator(chunk_size=CHUNK)
    return np.unique(np.fromiter(found, np.int64))


def needs_a_worker(ids: Ids) -> bool:
    return len(ids) > conf.export_at_once()


def write_now(job: ExportJob, ids: Ids, target: Path) -> int:
    """Write a short table to a file; the job is not kept. Answers how many rows."""
    of, columns = _asked(job)
    with writing.sink(target, of.schema(columns)) as add:
        n_rows = sum(add(part) for part, _n in _parts(of, ids, columns))
    _note(job, n_rows)
    return n_rows


def queue(job: ExportJob, ids: Ids) -> None:
    """Keep a job (``table``, ``format``, ``query``) and its rows for a worker.

    ``query`` holds the names of the ``columns`` and what the ``list`` was filtered by.
    Refused where a worksheet is too short for it.
    """
    writing.refuse_too_long(job.format, len(ids))
    place = folder() / uuid.uuid4().hex
    place.mkdir(parents=True)
    pq.write_table(pa.table({"id": ids}), place / _CHOSEN, compression="zstd")
    job.path = str(place / str(job))
    job.progress_total, job.progress_unit = len(ids), _("rows")
    with transaction.atomic():
        job.save()
        _note(job, len(ids))


def run_export(job: ExportJob, held: jobs.Held) -> None:
    """Write the file; a worker that takes it up anew writes it anew."""
    target = Path(job.path)
    of, columns = _asked(job)
    ids = _chosen(target)
    own = target.with_name(f"{held.fence}-{target.name}")
    n_rows = 0
    try:
        with writing.sink(own, of.schema(columns)) as add:
            for part, n_done in _parts(of, ids, columns):
                n_rows += add(part)
                held.progress(
                    n_done, len(ids), unit=_("rows"), message=_("Writing the file")
                )
        held.guard()
        own.replace(target)
    finally:
        own.unlink(missing_ok=True)
    held.write(rows_written=n_rows)


def file_of(job: ExportJob) -> Path | None:
    """The finished file, or None while it is written and after it was cleaned up."""
    path = Path(job.path)
    return path if job.status == Job.Status.DONE and path.is_file() else None


def fetched(job: ExportJob, actor: Any) -> None:
    """Write down who took the file."""
    audit.record(actor, "download", job, {"rows": [None, job.rows_written]})


def forget_people() -> None:
    """Remove the files that may tell of a person: somebody is erased everywhere."""
    done = ExportJob.objects.filter(status=Job.Status.DONE, table__in=of_people())
    for path in done.values_list("path", flat=True):
        shutil.rmtree(Path(path).parent, ignore_errors=True)


def folder() -> Path:
    return conf.home() / "exports"


def _asked(job: ExportJob) -> tuple[Table, list[Column]]:
    of = table(job.table)
    names = job.query["columns"]
    return of, [column for column in of.columns if column.name in names]


def _note(job: ExportJob, n_rows: int) -> None:
    """Write down who takes which table out."""
    told = {"table": job.table, "format": job.format, **job.query, "rows": n_rows}
    changes = {name: [None, value] for name, value in told.items()}
    audit.record(job.created_by, "export", job, changes)


def _chosen(target: Path) -> Ids:
    try:
        chosen = pq.read_table(target.parent / _CHOSEN)
    except FileNotFoundError as error:
        raise jobs.Refused(
            _("The list of chosen rows is gone; ask for the export again.")
        ) from error
    ids: Ids = chosen["id"].to_numpy()
    return ids


def _parts(
    of: Table, ids: Ids, columns: list[Column]
) -> Iterator[tuple[pa.Table, int]]:
    """Chunks of rows, each with how many of the ids are done then."""
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        yield of.read(part, columns), start + len(part)

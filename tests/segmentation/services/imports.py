"""Small files and their imports, as an operator's command would do them."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from segmentation import tasks
from segmentation.models import ImportJob
from segmentation.services import importing

COUNTS = ("new", "updated", "unchanged", "duplicate", "rejected", "ignored")
_NUMBER = itertools.count(1)

LINES = """customer,item,occurred_at,quantity,amount,order
c-1,tea,2017-01-31 10:00:00,2,3.0,b-1
c-1,milk,2017-01-31 10:00:00,1,1.1,b-1
c-2,tea,2017-02-01 11:30:00,1,1.5,b-2
"""
SALES = {
    "customer": "customer",
    "item": "item",
    "occurred_at": "occurred_at",
    "quantity": "quantity",
    "amount": "amount",
    "order": "order",
    "kind": "=purchase",
}


def write(folder: Path, content: str | bytes, name: str = "file.csv") -> Path:
    path = folder / f"{next(_NUMBER)}-{name}"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(folder: Path, **columns: list) -> Path:
    path = folder / f"{next(_NUMBER)}.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def queue(kind: str, path: Path, columns: dict | None = None, **options) -> ImportJob:
    return importing.create_job(kind, path, columns=columns or {}, **options)


def bring_in(
    kind: str, path: Path, columns: dict | None = None, **options
) -> ImportJob:
    """Import a file whole; the six counts add up, whatever it holds."""
    job = queue(kind, path, columns, **options)
    tasks.perform(job, importing.run_import)
    job.refresh_from_db()
    assert job.rows_read == sum(counts(job)), counts(job)
    assert job.message == "Done"
    return job


def counts(job: ImportJob) -> tuple[int, ...]:
    """new, updated, unchanged, duplicate, rejected, ignored."""
    return tuple(getattr(job, f"rows_{name}") for name in COUNTS)


def rejects(job: ImportJob) -> list[dict[str, str]]:
    path = importing.rejects_path(job)
    assert path is not None
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))

"""The file, read once: canonical rows in one Arrow file, refused rows in another."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.engine import mapping
from segmentation.models import WITHOUT_ITEM, ImportJob
from segmentation.services import events, jobs
from segmentation.services.importing import reading

STAGED, REJECTS, COUNTS = "staged.arrow", "rejected.csv", "counts.json"


@dataclass(frozen=True)
class Staged:
    """All canonical rows (memory-mapped) and what was counted while reading."""

    rows: pa.Table
    described: list[str]  # target fields that the mapping fills


def folder_of(job: ImportJob) -> Path:
    return conf.home() / "imports" / str(job.pk)


def stage(job: ImportJob, held: jobs.Held) -> Staged:
    """Read and clean the whole file, unless an earlier attempt already did."""
    folder = folder_of(job)
    plan_columns = _columns(job)
    if not (folder / COUNTS).exists():
        folder.mkdir(parents=True, exist_ok=True)
        counts = _read_through(job, held, folder, plan_columns)
        # Written last: its presence says that the two other files are whole.
        (folder / COUNTS).write_text(json.dumps(counts))
    counts = json.loads((folder / COUNTS).read_text())
    held.write(
        rows_read=counts["read"],
        rows_rejected=counts["rejected"],
        quality=counts["quality"],
        columns=plan_columns,
    )
    with pa.memory_map(str(folder / STAGED)) as source:
        rows = pa.ipc.open_file(source).read_all()
    return Staged(rows, list(plan_columns))


def drop_staged(job: ImportJob) -> None:
    (folder_of(job) / STAGED).unlink(missing_ok=True)


def _columns(job: ImportJob) -> dict[str, str]:
    if job.columns:
        return job.columns
    headers = reading.open_file(Path(job.path), job.encoding).headers
    return mapping.guess(job.kind, headers)


def _read_through(
    job: ImportJob, held: jobs.Held, folder: Path, columns: dict[str, str]
) -> dict[str, Any]:
    reader = reading.open_file(Path(job.path), job.encoding)
    plan = mapping.plan(
        job.kind,
        columns,
        reader.headers,
        time_zone=conf.time_zone(),
        kinds=events.KINDS,
        itemless=WITHOUT_ITEM,
    )
    n_read = n_rejected = 0
    quality = _Quality()
    sink = None
    with (folder / REJECTS).open("w", newline="", encoding="utf-8-sig") as file:
        rejects = csv.writer(file)
        rejects.writerow([*reader.headers, "row", "column", "value", "reason"])
        for chunk in reader.chunks:
            clean = mapping.canonical(chunk, plan)
            sink = sink or pa.ipc.new_file(folder / STAGED, clean.table.schema)
            sink.write_table(clean.table)
            _write_rejects(rejects, chunk, clean.rejects, n_read)
            quality.add(clean.table)
            n_read += chunk.num_rows
            n_rejected += len(clean.rejects.rows)
            held.progress(
                n_read, reader.n_rows, unit=_("rows"), message=_("Reading the file")
            )
        blank = [""] * len(reader.headers)
        for number, text in reader.ragged:
            why = _("has more or fewer cells than the header")
            rejects.writerow([*blank, number, "", text, why])
        n_read += len(reader.ragged)
        n_rejected += len(reader.ragged)
    if sink is None:
        raise reading.Unreadable(_("The file has column names but no rows."))
    sink.close()
    return {"read": n_read, "rejected": n_rejected, "quality": quality.report()}


def _write_rejects(
    writer: Any, chunk: pa.Table, rejects: mapping.Rejects, before: int
) -> None:
    if not len(rejects.rows):
        return
    refused = chunk.take(pa.array(rejects.rows))
    cells = [column.cast(pa.string()).to_pylist() for column in refused.columns]
    numbers = (rejects.rows + before + 2).tolist()  # as a person counts, header is 1
    told = zip(numbers, rejects.columns, rejects.values, rejects.reasons, strict=True)
    for row, why in zip(zip(*cells, strict=True), told, strict=True):
        writer.writerow([_harmless(cell) for cell in (*row, *why)])


def _harmless(cell: Any) -> Any:
    """A spreadsheet must not run what a stranger wrote into a cell."""
    if isinstance(cell, str) and cell[:1] in ("=", "+", "@", "\t", "\r"):
        return "'" + cell
    return cell


class _Quality:
    """What an operator should see about the data at a glance."""

    def __init__(self) -> None:
        self._missing: dict[str, int] = {}
        self._first: Any = None
        self._last: Any = None
        self._n_zero = 0

    def add(self, table: pa.Table) -> None:
        for name in table.column_names:
            self._missing[name] = (
                self._missing.get(name, 0) + table.column(name).null_count
            )
        if "occurred_at" in table.column_names and table.num_rows:
            span = pc.min_max(table["occurred_at"]).as_py()
            if span["min"] is not None:
                self._first = min(filter(None, (self._first, span["min"])))
                self._last = max(filter(None, (self._last, span["max"])))
        if "quantity" in table.column_names:
            zero = pc.sum(pc.equal(table["quantity"], 0.0)).as_py()
            self._n_zero += zero or 0

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = {"missing": self._missing}
        if self._first is not None:
            report["first"] = self._first.isoformat()
            report["last"] = self._last.isoformat()
            report["zero_quantity"] = self._n_zero
        return report

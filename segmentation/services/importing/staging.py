"""The file, read once: canonical rows in one Arrow file, refused rows in another."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.engine import cleaning, mapping
from segmentation.engine.cells import harmless
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
    if job.attempts <= 1:  # what lies there is of another job: a restored database
        shutil.rmtree(folder, ignore_errors=True)
    columns = _columns(job)
    if not all((folder / name).exists() for name in (STAGED, COUNTS)):
        _read_once(job, held, folder, columns)
    counts = json.loads((folder / COUNTS).read_text())
    held.write(
        rows_read=counts["read"],
        rows_rejected=counts["rejected"],
        rows_ignored=counts["ignored"],
        quality=counts["quality"],
        columns=columns,
    )
    with pa.memory_map(str(folder / STAGED)) as source:
        rows = pa.ipc.open_file(source).read_all()
    return Staged(rows, list(columns))


def drop_staged(job: ImportJob) -> None:
    (folder_of(job) / STAGED).unlink(missing_ok=True)


def _columns(job: ImportJob) -> dict[str, str]:
    if job.columns:
        return job.columns
    headers = reading.open_file(Path(job.path), job.encoding).headers
    return mapping.guess(job.kind, headers)


def _read_once(
    job: ImportJob, held: jobs.Held, folder: Path, columns: dict[str, str]
) -> None:
    """Fill the folder; a worker that lost its lease writes beside it, not into it."""
    own = folder / f"reading-{held.fence}"
    own.mkdir(parents=True, exist_ok=True)
    try:
        counts = _read_through(job, held, own, columns)
        (own / COUNTS).write_text(json.dumps(counts))
        held.guard()
        for name in (REJECTS, STAGED, COUNTS):  # the counts last: all is whole
            (own / name).replace(folder / name)
    finally:
        shutil.rmtree(own, ignore_errors=True)


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
        currency=conf.currency(),
    )
    n_read = n_ignored = 0
    quality = _Quality([*plan.columns])
    schema = mapping.canonical(_no_rows(reader.headers), plan).table.schema
    with (
        (folder / REJECTS).open("w", newline="", encoding="utf-8-sig") as file,
        pa.ipc.new_file(folder / STAGED, schema) as sink,
    ):
        rejects = _Rejects(file, reader)
        for chunk in reader.chunks:
            clean = mapping.canonical(chunk, plan)
            sink.write_table(clean.table)
            rejects.add(chunk, clean.rejects)
            quality.add(clean.table)
            n_read += chunk.num_rows
            n_ignored += clean.ignored
            held.progress(
                n_read, reader.n_rows, unit=_("rows"), message=_("Reading the file")
            )
        rejects.add_ragged()
    n_read += rejects.n_ragged
    if not n_read:
        raise reading.Unreadable(reading.NO_ROWS)
    return {
        "read": n_read,
        "rejected": rejects.n,
        "ignored": n_ignored,
        "quality": quality.report(),
    }


def _no_rows(headers: list[str]) -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in headers})


class _Rejects:
    """Writes refused rows: their cells as they came, then why and where.

    The file can be mended and brought in again with the same mapping; what a
    spreadsheet would run is marked as text, and reading takes the mark off again.
    """

    def __init__(self, file: TextIO, reader: reading.Reader) -> None:
        self.n = 0
        self.n_ragged = 0
        self._n_seen = 0
        self._reader = reader
        self._lines_skipped: list[int] = []
        self._writer = csv.writer(file)
        names = reader.headers.copy()
        for name in ("row", "column", "value", "reason"):
            while name in names:  # the file has such a column of its own
                name += "_"
            names.append(name)
        self._writer.writerow(names)

    def add(self, chunk: pa.Table, rejects: mapping.Rejects) -> None:
        self.add_ragged()
        if len(rejects.rows):
            refused = chunk.take(pa.array(rejects.rows))
            cells = zip(*map(cleaning.as_text, refused.columns), strict=True)
            numbers = self._numbers(rejects.rows)
            told = zip(
                numbers, rejects.columns, rejects.values, rejects.reasons, strict=True
            )
            for row, why in zip(cells, told, strict=True):
                self._write(*row, *why)
        self._n_seen += chunk.num_rows

    def add_ragged(self) -> None:
        """Write down the lines that do not fit the header, as far as they are read."""
        why = _("has more or fewer cells than the header")
        width = len(self._reader.headers)
        for number, cells in self._reader.ragged:
            fitting = [*cells, *[""] * width][:width]
            self._write(*fitting, number, "", " | ".join(cells), why)
            self._lines_skipped.append(number)
            self.n_ragged += 1
        self._reader.ragged.clear()

    def _numbers(self, rows: np.ndarray) -> list[int]:
        """Rows as a person counts them: the header is 1, skipped lines count too."""
        numbers = rows + self._n_seen + 2
        skipped = np.array(self._lines_skipped, np.int64)
        before = skipped - np.arange(len(skipped))
        return (numbers + np.searchsorted(before, numbers, side="right")).tolist()

    def _write(self, *cells: Any) -> None:
        self._writer.writerow([harmless(cell) for cell in cells])
        self.n += 1


class _Quality:
    """What an operator should see about the data at a glance."""

    def __init__(self, columns: list[str]) -> None:
        self._missing = dict.fromkeys(columns, 0)
        self._first: Any = None
        self._last: Any = None
        self._n_zero = 0

    def add(self, table: pa.Table) -> None:
        for name in self._missing:
            self._missing[name] += table.column(name).null_count
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

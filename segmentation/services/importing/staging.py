"""The file, read once: canonical rows in one Arrow file, refused rows in another."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.engine import mapping
from segmentation.engine.quality import Tally
from segmentation.models import WITHOUT_ITEM, ImportJob
from segmentation.services import events, jobs
from segmentation.services.importing import reading
from segmentation.services.importing.noticing import Notices
from segmentation.services.importing.rejecting import RejectsFile
from segmentation.services.importing.rekeying import content_of
from segmentation.services.importing.rules import Rules
from segmentation.services.importing.staged import StagedRows
from segmentation.services.importing.unknown import Unknown

STAGED, REJECTS, COUNTS = "staged.arrow", "rejected.csv", "counts.json"


@dataclass(frozen=True)
class Staged:
    """All canonical rows and how they are to be taken."""

    rows: StagedRows
    described: list[str]  # target fields that the mapping fills
    rules: Rules


def folder_of(job: ImportJob) -> Path:
    return conf.home() / "imports" / str(job.pk)


def stage(job: ImportJob, held: jobs.Held) -> Staged:
    """Read and clean the whole file, unless an earlier attempt already did."""
    folder = folder_of(job)
    if job.attempts <= 1:  # what lies there is of another job: a restored database
        shutil.rmtree(folder, ignore_errors=True)
    rules = Rules.from_json(job.rules)
    if not all((folder / name).exists() for name in (STAGED, COUNTS)):
        _settle_reading(job, held)
        _read_once(job, held, folder, rules)
    counts = json.loads((folder / COUNTS).read_text())
    # What was written before stays: a killed import goes on with what it found.
    held.write(
        rows_read=counts["read"],
        rows_rejected=counts["rejected"],
        rows_ignored=counts["ignored"],
        quality=counts["quality"] | job.quality,
        findings=counts["findings"] | job.findings,
    )
    rows = StagedRows(folder / STAGED, counts["kept"])
    return Staged(rows, list(job.columns), rules)


def drop_staged(job: ImportJob) -> None:
    (folder_of(job) / STAGED).unlink(missing_ok=True)


def _settle_reading(job: ImportJob, held: jobs.Held) -> None:
    """Find out how the file is written and what its columns are, and write it down."""
    chosen = ({"encoding": job.encoding} if job.encoding else {}) | job.layout
    wanted = mapping.read_columns(job.columns).values()
    names = {header for column in wanted for header in column.headers}
    detected = reading.detect(Path(job.path), chosen, names)
    if detected.doubts:
        raise jobs.Refused(detected.ask())
    columns = job.columns
    if not columns:
        headers = reading.open_file(Path(job.path), detected.layout).headers
        columns = mapping.guess(job.kind, headers)
    _refuse_shared_ids(columns, detected.layout.lines)
    held.write(layout=detected.layout.as_json(), columns=columns)


def _refuse_shared_ids(columns: dict[str, Any], lines: str) -> None:
    """What an object says once is no id of its several rows: all but one would go."""
    column = mapping.read_columns(columns).get("event_id")
    if not lines or column is None or not column.headers:
        return
    if not any(header.startswith(f"{lines}.") for header in column.headers):
        raise jobs.Refused(
            _(
                "“%(column)s” stands once for all rows in “%(lines)s”, so it is no "
                "event id. Leave the event id out, or put an id of the rows to it."
            )
            % {"column": column.name, "lines": lines}
        )


def _read_once(job: ImportJob, held: jobs.Held, folder: Path, rules: Rules) -> None:
    """Fill the folder; a worker that lost its lease writes beside it, not into it."""
    own = folder / f"reading-{held.fence}"
    own.mkdir(parents=True, exist_ok=True)
    try:
        counts = _read_through(job, held, own, rules)
        (own / COUNTS).write_text(json.dumps(counts))
        held.guard()
        for name in (REJECTS, STAGED, COUNTS):  # the counts last: all is whole
            (own / name).replace(folder / name)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _read_through(
    job: ImportJob, held: jobs.Held, folder: Path, rules: Rules
) -> dict[str, Any]:
    path, layout = Path(job.path), reading.Layout.from_json(job.layout)
    reader = reading.open_file(path, layout)
    plan = _plan(job, reader.headers, rules)
    n_read = n_kept = n_ignored = 0
    tally, notices = Tally([*plan.columns], now=timezone.now()), Notices(plan)
    unknown = Unknown(job, rules)
    schema = mapping.canonical(_no_rows(reader.headers), plan).table.schema
    with (
        (folder / REJECTS).open("w", newline="", encoding="utf-8-sig") as file,
        pa.ipc.new_file(folder / STAGED, schema) as sink,
    ):
        rejects = RejectsFile(file, reader, job.kind)
        for chunk in reader.chunks:
            clean = mapping.canonical(chunk, plan)
            table, refused = unknown.parted(clean)
            sink.write_table(table)
            rejects.add(clean.chunk, clean.rejects, refused)
            tally.add(table)
            notices.add(chunk)
            n_read += chunk.num_rows
            n_kept += table.num_rows
            n_ignored += clean.ignored
            _tell(held, reader, n_read)
        rejects.add_ragged()
    for name, n in unknown.n_lines.items():
        tally.count_unknown(name, n)
    n_read += rejects.n_ragged
    if not n_read:
        raise reading.Unreadable(reading.NO_ROWS)
    return {
        "read": n_read,
        "kept": n_kept,
        "rejected": rejects.n,
        "ignored": n_ignored,
        "quality": tally.report(),
        "findings": _findings(reader, rejects, notices) | {"content": content_of(path)},
    }


def _findings(
    reader: reading.Reader, rejects: RejectsFile, notices: Notices
) -> dict[str, Any]:
    return {
        "rejects": rejects.first,
        "reasons": rejects.reasons(),
        "notices": [*map(str, reader.notices), *notices.told()],
    }


def _plan(job: ImportJob, headers: list[str], rules: Rules) -> mapping.Plan:
    return mapping.plan(
        job.kind,
        job.columns,
        headers,
        time_zone=conf.time_zone(),
        kinds=events.KINDS,
        itemless=WITHOUT_ITEM,
        currency=conf.currency(),
        shape=rules.shape,
    )


def _tell(held: jobs.Held, reader: reading.Reader, n_read: int) -> None:
    """Progress in rows where their number is known, else in bytes of the file."""
    done, total, unit = n_read, reader.n_rows, _("rows")
    if not total and reader.n_bytes:
        done, total, unit = reader.bytes_read(), reader.n_bytes, _("bytes")
    held.progress(done, total, unit=unit, message=_("Reading the file"))


def _no_rows(headers: list[str]) -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in headers})

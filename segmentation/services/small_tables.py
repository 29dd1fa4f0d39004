"""Small tables come in by the one importer, with all that would change shown before.

The preview is a dry run like any other, done while the operator waits; confirming it
queues the import of the same file in the same way. So a small table has the mapping,
the rules, the rejects, the undo and the audit of a large one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.engine import mapping
from segmentation.models import ImportJob, Job, Mapping
from segmentation.services import audit, importing, jobs
from segmentation.services.importing import reading


class TooLarge(jobs.Refused):
    """The file is for the importer's own page, which shows how far it is."""


class Doubtful(jobs.Refused):
    """Somebody must say how the file is to be read; the importer's page asks."""


@dataclass(frozen=True)
class Small:
    """A whole small file: its rows as texts, and how it is written."""

    path: Path
    name: str
    layout: dict[str, Any]
    headers: list[str]
    rows: pa.Table
    ragged: list[int]  # numbers of lines that do not fit the header, not in ``rows``


@dataclass(frozen=True)
class Part:
    """What becomes one import: a file of one source, and how its columns are read."""

    kind: str
    path: Path
    name: str
    source: str
    columns: dict[str, Any]
    layout: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)


def read(path: Path, name: str) -> Small:
    """Read a file whole; TooLarge, Doubtful or Refused say why it cannot come in."""
    try:
        detected = reading.detect(path)
        if detected.doubts:
            raise Doubtful(detected.ask())
        reader = reading.open_file(path, detected.layout)
        rows = _all_rows(reader)
    except reading.Unreadable as error:
        raise jobs.Refused(str(error)) from error
    layout, ragged = detected.layout.as_json(), [line for line, _c in reader.ragged]
    return Small(path, name, layout, reader.headers, rows, ragged)


def described(kind: str, small: Small, *, source: str) -> Part:
    """Items or customers, by a kept mapping, a known export, or the columns' names."""
    columns, rules = _mapping(kind, small)
    return Part(
        kind, small.path, small.name, source, columns, layout=small.layout, rules=rules
    )


def try_out(parts: Sequence[Part], *, actor: Any) -> list[ImportJob]:
    """Dry runs of the parts, done here and now; Refused says what is wrong."""
    tried = []
    for part in parts:
        job = importing.create_job(
            part.kind,
            part.path,
            columns=part.columns,
            source=part.source,
            layout=part.layout,
            rules=part.rules,
            dry_run=True,
            original_name=part.name,
            actor=actor,
        )
        with jobs.hold(job) as held:
            importing.run_import(job, held)
        job.refresh_from_db()
        tried.append(job)
    return tried


def confirm(job_ids: Sequence[int], *, actor: Any) -> list[ImportJob]:
    """Queue the imports of dry runs that this operator looked at."""
    tried = ImportJob.objects.filter(
        pk__in=job_ids, is_dry_run=True, status=Job.Status.DONE, created_by=actor
    ).select_related("source")
    found = {job.pk: job for job in tried}
    if not job_ids or set(found) != set(job_ids):
        raise jobs.Refused(_("This preview is gone; choose the file again."))
    made = [_in_earnest(found[pk], actor) for pk in job_ids]
    for job in made:
        told = {"file": [None, job.original_name], "columns": [None, job.columns]}
        audit.record(actor, "import", job, told)
    return made


def _in_earnest(tried: ImportJob, actor: Any) -> ImportJob:
    return importing.create_job(
        tried.kind,
        tried.path,
        columns=tried.columns,
        source=tried.source.name,
        layout=tried.layout,
        rules=tried.rules,
        original_name=tried.original_name,
        actor=actor,
    )


def _all_rows(reader: reading.Reader) -> pa.Table:
    most = conf.small_table_rows()
    chunks, n_rows = [], 0
    for chunk in reader.chunks:
        chunks.append(chunk)
        n_rows += chunk.num_rows
        if n_rows > most:
            raise TooLarge(
                _("The file has more than %(n)s rows; bring it in by the large door.")
                % {"n": f"{most:,}"}
            )
    if not chunks:
        raise reading.Unreadable(reading.NO_ROWS)
    return pa.concat_tables(chunks)


def _mapping(kind: str, small: Small) -> tuple[dict[str, Any], dict[str, Any]]:
    signature = mapping.signature(kind, small.headers)
    saved = Mapping.objects.filter(kind=kind, signature=signature).first()
    if saved is not None:
        return mapping.fitted(kind, saved.columns, small.headers), saved.rules
    guessed = mapping.guess_columns(kind, small.headers, small.rows)
    doubtful = [target for target, found in guessed.items() if found.doubts]
    if doubtful:
        words = {"names": ", ".join(doubtful)}
        raise Doubtful(
            _("It cannot be told how these are written: %(names)s. Say it there.")
            % words
        )
    known = mapping.recognised(kind, small.headers, small.rows)
    rules = dict(mapping.BUILTIN[known].rules) if known else {}
    if known and mapping.BUILTIN[known].shape:
        rules["shape"] = mapping.BUILTIN[known].shape
    return {target: found.spec for target, found in guessed.items()}, rules

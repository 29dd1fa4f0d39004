"""A file becomes rows: stage once, then apply in chunks that each leave their mark.

    reading/      a file of any kind → chunks of columns
    staging.py    chunks → one Arrow file of canonical rows, and the rejects
    applying.py   staged rows → tables, a chunk and its mark in one transaction
    undoing.py    one import taken back, in chunks as well
    rules.py      what to do with what is unknown (unknown.py) or missing (filling.py)
    rekeying.py   a file that would come in twice; noticing.py, rejecting.py and
                  showing.py, what a person should hear and see of a file

A worker that is killed leaves either no staged file (it is read again) or the chunks
that committed; the next one goes on after them. What the file brings is invisible to
training and lists until the job is done (``frames``).
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any, BinaryIO

from django.utils.text import get_valid_filename
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.engine import mapping
from segmentation.models import ImportJob, Source
from segmentation.services import consents, jobs
from segmentation.services.importing import applying, reading, staging, undoing
from segmentation.services.importing.rules import Rules, RulesError
from segmentation.services.saying import say

__all__ = [
    "create_job",
    "create_undo",
    "rejects_path",
    "run_import",
    "run_undo",
    "store_upload",
]

create_undo, run_undo = undoing.create_undo, undoing.run_undo


def create_job(
    kind: str,
    path: str | Path,
    *,
    columns: dict[str, Any],
    source: str = "shop",
    encoding: str = "",
    layout: dict[str, Any] | None = None,
    rules: dict[str, Any] | None = None,
    dry_run: bool = False,
    original_name: str = "",
    actor: Any = None,
) -> ImportJob:
    """Queue a file; ``columns`` may be empty when its headers are our field names."""
    path = Path(path).resolve()
    if not path.is_file():
        raise jobs.Refused(_("There is no file %(path)s.") % {"path": path})
    if problem := consents.refusal(columns, actor):
        raise jobs.Refused(problem)
    made_source, _created = Source.objects.get_or_create(name=source)
    return ImportJob.objects.create(
        kind=kind,
        path=str(path),
        columns=columns,
        source=made_source,
        encoding=encoding,
        layout=layout or {},
        rules=_checked(rules or {}),
        is_dry_run=dry_run,
        original_name=original_name or path.name,
        progress_unit="rows",
        created_by=actor,
    )


def _checked(rules: dict[str, Any]) -> dict[str, Any]:
    try:
        return Rules.from_json(rules).as_json()
    except RulesError as error:
        raise jobs.Refused(str(error)) from error


def store_upload(file: BinaryIO, name: str) -> Path:
    """Keep an uploaded file under STRATA_HOME; answers where."""
    folder = conf.home() / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex[:12]}-{get_valid_filename(name)[-80:]}"
    with path.open("wb") as target:
        shutil.copyfileobj(file, target, 2**20)
    return path


def rejects_path(job: ImportJob) -> Path | None:
    """The refused rows of a job with their reasons, or None when there are none."""
    path = staging.folder_of(job) / staging.REJECTS
    return path if job.rows_rejected and path.exists() else None


def run_import(job: ImportJob, held: jobs.Held) -> None:
    """Bring the file in. Refused when it is no table or the mapping does not fit."""
    try:
        staged = staging.stage(job, held)
    except mapping.MappingError as error:
        raise jobs.Refused(say(error)) from error
    except (reading.Unreadable, RulesError) as error:
        raise jobs.Refused(str(error)) from error
    if job.is_dry_run:
        applying.count_only(job, held, staged)
    else:
        applying.apply(job, held, staged)
    staging.drop_staged(job)
    held.write(message=_("Done"))

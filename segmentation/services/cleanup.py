"""Files that outlived their use, removed by age; what they take on the disk.

Uploads, what was staged of them, rejected rows and exports live under ``conf.home()``.
Each kind has its days (STRATA_KEEP_…_DAYS), counted from the end of the last job that
needed the file, such as a dry run that waits for its click; where no row speaks of a
file, from its own last change. What an unfinished job needs stays. Killed anywhere, the
next sweep removes what is left.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db.models import Q, QuerySet

from segmentation import conf
from segmentation.models import ExportJob, ImportJob, Job
from segmentation.services import exporting, jobs
from segmentation.services.importing.staging import REJECTS

UPLOADS, STAGING, REJECTED, EXPORTS = "UPLOADS", "STAGING", "REJECTS", "EXPORTS"
KINDS = (UPLOADS, STAGING, REJECTED, EXPORTS)


def sweep(now: datetime) -> dict[str, int]:
    """Remove what is too old; answers how many files or folders of each kind went."""
    borders = {name: now - timedelta(days=conf.kept_days(name)) for name in KINDS}
    return {
        UPLOADS: _sweep_uploads(borders[UPLOADS]),
        STAGING: _sweep_imports(borders[STAGING], is_rejects=False),
        REJECTED: _sweep_imports(borders[REJECTED], is_rejects=True),
        EXPORTS: _sweep_exports(borders[EXPORTS]),
    }


def disk_use() -> dict[str, int]:
    """Bytes on the disk by kind."""
    found = dict.fromkeys(KINDS, 0)
    for kind, folder in (
        (UPLOADS, _uploads()),
        (STAGING, _imports()),
        (EXPORTS, exporting.folder()),
    ):
        for path in folder.rglob("*"):
            is_rejects = kind == STAGING and path.name == REJECTS
            found[REJECTED if is_rejects else kind] += _size(path)
    return found


def _uploads() -> Path:
    return conf.home() / "uploads"


def _imports() -> Path:
    return conf.home() / "imports"


def _sweep_uploads(border: datetime) -> int:
    needed = set(_needed(ImportJob, border).values_list("path", flat=True))
    old = _older(_uploads(), border)
    return sum(_remove(path) for path in old if str(path.resolve()) not in needed)


def _sweep_imports(border: datetime, *, is_rejects: bool) -> int:
    """The rejected rows in the folders of jobs, or all else that lies there."""
    needed = set(map(str, _needed(ImportJob, border).values_list("pk", flat=True)))
    n_removed = 0
    for folder in _children(_imports()):
        if folder.name in needed:
            continue
        for path in _older(folder, border):
            if (path.name == REJECTS) == is_rejects:
                n_removed += _remove(path)
        with contextlib.suppress(OSError):  # not empty: of the other kind
            folder.rmdir()
    return n_removed


def _sweep_exports(border: datetime) -> int:
    paths = _needed(ExportJob, border).values_list("path", flat=True)
    needed = {Path(path).parent.name for path in paths}
    old = _older(exporting.folder(), border)
    return sum(_remove(path) for path in old if path.name not in needed)


def _needed(model: type[Job], border: datetime) -> QuerySet:
    """Jobs that are not over, or have been for a short time only."""
    waiting = Q(status__in=jobs.UNFINISHED)
    return model._default_manager.filter(waiting | Q(finished_at__gte=border))


def _older(folder: Path, border: datetime) -> Iterator[Path]:
    for path in _children(folder):
        with contextlib.suppress(FileNotFoundError):  # another sweep was quicker
            changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if changed_at < border:
                yield path


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return 1


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0

"""Files go by age, never those that somebody still needs; what they take is told."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from segmentation.models import ExportJob, ImportJob, Job, Source
from segmentation.services import cleanup

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=400)
RECENT = NOW - timedelta(hours=2)


@pytest.fixture(autouse=True)
def home(settings, tmp_path) -> Path:
    settings.STRATA_HOME = tmp_path
    return tmp_path


def put(path: Path, at: datetime = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x" * 10)
    for each in (path, path.parent):
        os.utime(each, (at.timestamp(), at.timestamp()))
    return path


def imported(home: Path, status=Job.Status.DONE, finished_at=OLD, **fields):
    """An old upload, what was staged of it and its rejects, of a job."""
    source, _created = Source.objects.get_or_create(name="shop")
    number = ImportJob.objects.count()
    upload = put(home / "uploads" / f"{number}.csv")
    job = ImportJob.objects.create(
        kind="items",
        source=source,
        path=str(upload),
        status=status,
        finished_at=finished_at,
        **fields,
    )
    folder = home / "imports" / str(job.pk)
    put(folder / "counts.json")
    put(folder / "rejected.csv")
    return upload, folder


def test_what_is_old_goes_with_its_folders(home):
    upload, folder = imported(home)
    forgotten = put(home / "uploads" / "nobody-went-on.csv")
    export = put(home / "exports" / "a1" / "items.csv")
    assert cleanup.sweep(NOW) == {
        "UPLOADS": 2,
        "STAGING": 1,
        "REJECTS": 1,
        "EXPORTS": 1,
    }
    assert not any(path.exists() for path in (upload, folder, forgotten, export))
    assert set(cleanup.sweep(NOW).values()) == {0}


@pytest.mark.parametrize(
    ("status", "finished_at"),
    [
        (Job.Status.QUEUED, None),
        (Job.Status.RUNNING, None),
        (Job.Status.DONE, RECENT),
        (Job.Status.FAILED, RECENT),
    ],
)
def test_what_a_job_needs_or_needed_lately_stays(home, status, finished_at):
    upload, folder = imported(home, status, finished_at)
    place = home / "exports" / "a1"
    put(place / "items.csv")
    ExportJob.objects.create(
        table="items",
        format="csv",
        path=str(place / "items.csv"),
        status=status,
        finished_at=finished_at,
    )
    cleanup.sweep(NOW)
    assert upload.exists()
    assert len(list(folder.iterdir())) == 2
    assert place.exists()


def test_a_dry_run_that_waits_for_its_click_keeps_the_file_of_an_older_job(home):
    upload, _folder = imported(home)
    tried = ImportJob.objects.get()
    tried.pk, tried.is_dry_run, tried.finished_at = None, True, RECENT
    tried.save()
    cleanup.sweep(NOW)
    assert upload.exists()


def test_each_kind_has_its_days(home, settings):
    settings.STRATA_KEEP_STAGING_DAYS = 1
    settings.STRATA_KEEP_REJECTS_DAYS = 10_000
    _upload, folder = imported(home)
    cleanup.sweep(NOW)
    assert [path.name for path in folder.iterdir()] == ["rejected.csv"]


def test_the_disk_use_is_told_by_kind(home):
    imported(home)
    put(home / "exports" / "a1" / "items.csv")
    assert cleanup.disk_use() == dict.fromkeys(cleanup.KINDS, 10)

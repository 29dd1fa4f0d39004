"""The last few runs keep their artifact; what nobody names goes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.core.files.storage import storages
from django.utils import timezone

from segmentation.models import ListRefresh, ModelRun, SegmentSet
from segmentation.services import artifacts, keeping, registry
from tests import storefront

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _afresh(settings, tmp_path):
    storefront.start_afresh()
    settings.STRATA_KEEP_RUNS = 2
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        }
    }


def finished(purpose: str = "discover", status: str = "done") -> ModelRun:
    run = ModelRun.objects.create(algorithm="als", purpose=purpose, status=status)
    run.artifact = published(run)
    run.save()
    return run


def published(run: ModelRun, *, is_old: bool = True) -> str:
    with registry.new_artifact(run) as (folder, name):
        (folder / "lists").mkdir()
        np.save(folder / "lists" / "owner_ids.npy", np.arange(3))
    if is_old and artifacts.is_on_this_disk():
        age(name)
    return name


def age(name: str) -> None:
    long_ago = timezone.now().timestamp() - 3600
    os.utime(artifacts.local_folder(name), (long_ago, long_ago))


def kept() -> list[int]:
    rows = ModelRun.objects.exclude(artifact="").order_by("pk")
    return list(rows.values_list("pk", flat=True))


def test_the_last_ones_the_live_one_and_the_one_before_it_stay():
    runs = [finished() for _run in range(6)]
    other = finished("again")
    registry.promote(runs[0])
    registry.promote(runs[2])
    keeping.sweep(NOW)
    named = [runs[i].pk for i in (0, 2, 4, 5)] + [other.pk]
    assert kept() == named
    assert len(artifacts.names()) == 5
    assert keeping.sweep(NOW) == keeping.Removed(0, 0)
    # What a list was served from is still told by the row.
    assert ModelRun.objects.count() == 7
    assert registry.promote(runs[0]) == runs[2]


def test_a_run_that_somebody_works_with_stays():
    at_work, refreshed, spare, *_last = [finished() for _run in range(5)]
    SegmentSet.objects.create(method="kmeans", run=at_work, status="queued")
    ListRefresh.objects.create(run=refreshed, status="running")
    keeping.sweep(NOW)
    assert spare.pk not in kept()
    assert {at_work.pk, refreshed.pk} <= set(kept())


def test_what_a_lost_lease_left_goes_when_nobody_may_need_it():
    run, busy = finished(), finished(status="running")
    orphan, fresh, needed = (
        published(run),
        published(run, is_old=False),
        published(busy),
    )
    foreign = artifacts.local_folder("exports of the host")
    foreign.mkdir()
    age(foreign.name)
    keeping.sweep(NOW)
    assert orphan not in artifacts.names()
    assert {fresh, needed, foreign.name} <= set(artifacts.names())


def test_lists_that_a_refresh_replaced_go_and_those_it_made_stay():
    run = finished()
    first, second = published(run), published(run)
    ModelRun.objects.update(lists=second)
    keeping.sweep(NOW)
    assert set(artifacts.names()) == {run.artifact, second}
    assert first not in artifacts.names()


def test_a_run_that_goes_live_at_that_moment_keeps_its_artifact(monkeypatch):
    """The sweep has chosen it already when somebody goes back to it."""
    first, *_others = [finished() for _run in range(4)]
    spare = keeping._spare("discover")
    registry.promote(first)
    assert [keeping._let_go(run) for run in spare] == [0, 1]
    assert first.pk in kept()


def test_an_object_store_is_cleaned_as_well(settings):
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    run = finished()
    orphan = published(run)
    registry.local_folder(orphan)
    assert artifacts.age_seconds(orphan) < 60
    keeping.sweep(NOW)
    assert orphan in artifacts.names()
    artifacts.remove(orphan)
    assert registry.local_folder(run.artifact).is_dir()
    assert storages["artifacts"].listdir(orphan)[1] == []
    assert not (artifacts._copies() / orphan).exists()


def test_refreshes_of_long_ago_are_forgotten():
    run = finished()
    for days, status in ((8, "done"), (6, "done"), (8, "failed")):
        ListRefresh.objects.create(
            run=run, status=status, finished_at=NOW - timedelta(days=days)
        )
    keeping.sweep(NOW)
    assert sorted(ListRefresh.objects.values_list("status", flat=True)) == [
        "done",
        "failed",
    ]

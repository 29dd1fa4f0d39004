"""No transaction may hold SQLite for long, however slow the rows are."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from django.db import connection

from segmentation.models import Source
from segmentation.services.importing import pacing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(pacing.time, "perf_counter", lambda: now[0])
    return now


def _sizes(clock: list[float], pace: pacing.Pace, row_seconds: list[float]) -> list:
    found = []
    for seconds in row_seconds:
        found.append(pace.n_rows)
        with pace.held():
            clock[0] += pace.n_rows * seconds
    return [*found, pace.n_rows]


def test_slow_rows_make_the_next_transaction_short_and_fast_ones_long(
    clock: list[float],
) -> None:
    pace = pacing.Pace(50_000)
    sizes = _sizes(clock, pace, [1e-6, 1e-6, 1e-6, 1e-3, 1e-3, 1e-6])
    if connection.vendor == "postgresql":  # nobody waits for rows there
        assert sizes == [50_000] * 7
    else:
        assert sizes == [10_000, 20_000, 40_000, 50_000, 500, 500, 1000]


def test_a_transaction_is_never_longer_than_it_may_be() -> None:
    pace = pacing.Pace(3)
    for _time in range(3):
        with pace.held():
            pass
        assert pace.n_rows == 3


def test_what_a_chunk_wrote_is_in_the_file_of_sqlite_after_it(
    real_database: dict[str, str], tmp_path: Path
) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL has a process for that")
    with pacing.transaction():
        Source.objects.create(name="within")
        assert _copies_at() == 0  # not in the commit, or it would take long
    assert _copies_at() == 1000
    alone = tmp_path / "without-its-log.sqlite3"
    shutil.copy(str(connection.settings_dict["NAME"]), alone)
    with contextlib.closing(sqlite3.connect(alone)) as file:
        found = file.execute("SELECT name FROM segmentation_source").fetchall()
    assert ("within",) in found


def test_a_chunk_that_fails_leaves_sqlite_as_it_was(
    real_database: dict[str, str],
) -> None:
    with pytest.raises(ZeroDivisionError), pacing.transaction():
        Source.objects.create(name="never")
        raise ZeroDivisionError
    assert not Source.objects.filter(name="never").exists()
    assert connection.vendor == "postgresql" or _copies_at() == 1000


def _copies_at() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_autocheckpoint")
        pages: int = cursor.fetchone()[0]
    return pages

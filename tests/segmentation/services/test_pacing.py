"""No transaction may hold SQLite for long, however slow the rows are."""

from __future__ import annotations

import pytest
from django.db import connection

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

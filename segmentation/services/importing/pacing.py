"""How many rows a transaction takes, so that none holds SQLite for long (DESIGN 4).

The same rows take ten times as long to write where the table outgrew SQLite's cache,
or the disk is slow or busy; so each transaction is measured and the next is sized by
it. PostgreSQL makes nobody wait for rows: there one takes as many as it may.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django import db

from segmentation.bulk import literals

AIM_SECONDS = 0.2  # the commit comes on top, and the next time may be slower
FIRST_ROWS = 10_000
LEAST_ROWS = 500
AT_MOST_TIMES = 2.0  # the size of the last one


@contextmanager
def transaction() -> Iterator[None]:
    """A transaction that leaves SQLite's log as short as it found it.

    SQLite copies a log of 4 MB into the file within the commit that made it so long,
    and a chunk writes more than that. Done after the commit it makes no writer wait.
    """
    if literals.is_postgres():
        with db.transaction.atomic():
            yield
        return
    _ask("PRAGMA wal_autocheckpoint = 0")
    try:
        with db.transaction.atomic():
            yield
        if not db.connection.in_atomic_block:
            _ask("PRAGMA main.wal_checkpoint(PASSIVE)")
    finally:
        _ask("PRAGMA wal_autocheckpoint = 1000")  # what it is by itself


def _ask(pragma: str) -> None:
    with db.connection.cursor() as cursor:
        cursor.execute(pragma)
        cursor.fetchall()


class Pace:
    """``n_rows`` is the size of the next transaction, never above ``most_rows``."""

    def __init__(self, most_rows: int) -> None:
        self._most_rows = most_rows
        self._is_even = literals.is_postgres()
        self.n_rows = most_rows if self._is_even else min(FIRST_ROWS, most_rows)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Around what a transaction of ``n_rows`` does once it holds the file."""
        start = time.perf_counter()
        yield
        if not self._is_even:
            self._learn(time.perf_counter() - start)

    def _learn(self, seconds: float) -> None:
        times = min(AIM_SECONDS / max(seconds, 1e-6), AT_MOST_TIMES)
        fitting = max(int(self.n_rows * times), LEAST_ROWS)
        self.n_rows = min(fitting, self._most_rows)

"""How many rows a transaction takes, so that none holds SQLite for long (DESIGN 4).

The same rows take ten times as long to write where the table outgrew SQLite's cache,
or the disk is slow or busy; so each transaction is measured and the next is sized by
it. PostgreSQL makes nobody wait for rows: there one takes as many as it may.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from segmentation.bulk import literals

AIM_SECONDS = 0.3  # the commit comes on top, and the next time may be slower
FIRST_ROWS = 10_000
LEAST_ROWS = 500
AT_MOST_TIMES = 2.0  # the size of the last one


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

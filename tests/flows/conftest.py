"""What long runs write down."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def note(database, record_property) -> Callable[[str, int, list[str]], None]:
    """One line of the table: the soak run prints it, a person commits it."""

    def write(what: str, kills: int, where: list[str]) -> None:
        day = dt.datetime.now(dt.UTC).date()
        moments = ", ".join(where)
        line = f"| {day} | {database} | {what} | {kills} | as undisturbed | {moments} |"
        record_property("soak", line)
        sys.stderr.write(line + "\n")

    return write

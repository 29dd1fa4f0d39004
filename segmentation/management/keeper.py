"""Outlives a process just long enough to end what it started.

Run by ``processes.Family`` as a program of its own, which needs nothing but Python::

    python keeper.py SECONDS

Lines of standard input, ``+PID`` and ``-PID``, say which process groups to keep. When
it closes, the parent is gone, however it died: the groups' leaders get SIGTERM, and
after so many seconds at most everyone in the groups SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable


def kept(lines: Iterable[str]) -> set[int]:
    """The groups that are left when the lines end."""
    groups: set[int] = set()
    for line in lines:
        pid = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(pid)
    return groups


def end(groups: set[int], patience: float) -> None:
    """End every group: its leader politely, then all of it."""
    for leader in groups:
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, signal.SIGTERM)
    until = time.monotonic() + patience
    while any(map(_is_there, groups)) and time.monotonic() < until:
        time.sleep(0.1)
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    end(kept(sys.stdin), float(sys.argv[1]))

"""Why a deed stops before its end, and how a process hears that it should end.

SIGTERM reaches the parent of a worker's pool; the deeds run in its children. They see
one byte of memory that they have shared since they were forked.
"""

from __future__ import annotations

import contextlib
import mmap
import signal
import threading
from collections.abc import Iterator

from django.db import Error, connection
from django.utils.translation import gettext as _


class Stopped(Exception):
    """A deed ended for a reason that is no accident; the text is for people."""


class Refused(Stopped):
    """The deed cannot be done; the sentence says why and what to do."""


class Taken(Stopped):
    """Another worker holds the row, or it is already over."""


class Cancelled(Stopped):
    """Somebody asked the deed to stop."""


class LostLease(Stopped):
    """The row belongs to another worker by now; nothing more may be written."""


class GivenBack(Stopped):
    """The deed itself let its row go, to be taken up again; nothing is wrong."""


class ToldToEnd(Stopped):
    """This process is to end: the row goes back to the queue, and no lease is lost."""


_told = mmap.mmap(-1, 1)  # anonymous: shared with children, by nobody else


def tell() -> None:
    """Ask every deed of this process and of its children to give its row back."""
    _told[0] = 1


def is_told() -> bool:
    return _told[0] != 0


def check() -> None:
    """Raise ToldToEnd where this process is to end."""
    if is_told():
        raise ToldToEnd(_("This process is ending; another takes the work up."))


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Hear a SIGTERM in the block instead of dying of it; only a main thread can.

    A supervisor may send it to a pool's children too, where it would be deadly.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    former = signal.signal(signal.SIGTERM, lambda *_signal: tell())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if former is None else former)


def is_database_gone(error: Exception) -> bool:
    """Whether the server ended the connection, rather than refused a statement."""
    if not isinstance(error, Error):
        return False
    return connection.connection is None or not connection.is_usable()

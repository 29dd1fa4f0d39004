"""Child processes of one command: started, watched, restarted, never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from segmentation import conf
from segmentation.management import keeper

RESTART_SECONDS = 2.0
STOP_SECONDS = 15.0


class Family:
    """Processes that live and die with this one. Their words go to ``logs/``.

    Each has a session of its own, so that Ctrl-C reaches only this process, which stops
    them in order, and that what they start in turn can be found. Should this process
    be killed, a keeper ends them all.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._commands: dict[str, tuple[Sequence[str], dict[str, str]]] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(
        self, name: str, command: Sequence[str], env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        self._commands[name] = (command, env or {})
        log = log_path(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | (env or {}),
                start_new_session=True,
            )
        self._keep(f"+{child.pid}")
        self._children[name] = child
        self._started[name] = time.monotonic()
        return child

    def look_after(self) -> None:
        """Restart whoever died; call it again and again."""
        for name, child in list(self._children.items()):
            status = child.poll()
            if status is None:
                continue
            if time.monotonic() - self._started[name] < RESTART_SECONDS:
                continue  # it died at once: not faster than this
            self._say(f"{name} stopped ({status}); starting it again")
            self._bury(child)
            self.start(name, *self._commands[name])

    def stop(self) -> None:
        """Ask everyone to finish, then make them."""
        for child in self._children.values():
            child.terminate()
        until = time.monotonic() + STOP_SECONDS
        for child in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(until - time.monotonic(), 0.1))
            self._bury(child)
        self._children.clear()
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            self._keeper.wait()
            self._keeper = None

    def _bury(self, child: subprocess.Popen[bytes]) -> None:
        """Kill what is left of a child and of those that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        self._keep(f"-{child.pid}")

    def _keep(self, line: str) -> None:
        if self._keeper is None:
            self._keeper = subprocess.Popen(
                [sys.executable, str(Path(keeper.__file__)), str(STOP_SECONDS)],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
        assert self._keeper.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # without a keeper all else works
            self._keeper.stdin.write(f"{line}\n".encode())
            self._keeper.stdin.flush()


def log_path(name: str) -> Path:
    return conf.home() / "logs" / f"{name}.log"


def managed(command: str, *arguments: str) -> list[str]:
    """The command line of another management command of this project."""
    return [sys.executable, str(Path(sys.argv[0]).resolve()), command, *arguments]


def until_told() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_signal: told.set())
    return told

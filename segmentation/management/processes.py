"""Child processes of one command: started, watched, restarted, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from segmentation import conf

PARENT = "STRATA_PARENT_PID"
RESTART_SECONDS = 2.0
STOP_SECONDS = 15.0


class Family:
    """Processes that live and die with this one. Their words go to ``logs/``."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._commands: dict[str, tuple[Sequence[str], dict[str, str]]] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}

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
                env=os.environ | {PARENT: str(os.getpid())} | (env or {}),
            )
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
            self.start(name, *self._commands[name])

    def stop(self) -> None:
        """Ask everyone to finish, then make them."""
        for child in self._children.values():
            child.terminate()
        until = time.monotonic() + STOP_SECONDS
        for child in self._children.values():
            try:
                child.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()


def log_path(name: str) -> Path:
    return conf.home() / "logs" / f"{name}.log"


def managed(command: str, *arguments: str) -> list[str]:
    """The command line of another management command of this project."""
    return [sys.executable, str(Path(sys.argv[0]).resolve()), command, *arguments]


def leave_with_parent() -> None:
    """End this process when the one that started it is gone, even by SIGKILL."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="leave with parent", daemon=True).start()


def until_told() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_signal: told.set())
    return told

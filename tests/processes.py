"""Real processes for tests: workers that can be killed, a web server, commands."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import psutil

from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
WAIT_SECONDS = 60


class Process:
    """One process of a test with all its children, its output in ``log``."""

    def __init__(self, command: list[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("w") as output:
            self._popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def family(self) -> list[psutil.Process]:
        """This process and everything it started, the parent first."""
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        return []

    def send(self, number: signal.Signals) -> None:
        """One signal to the whole family: SIGKILL, SIGSTOP, SIGCONT, SIGTERM."""
        for member in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a power cut would: nobody in the family can clean up."""
        self.send(signal.SIGKILL)
        self._popen.wait()

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def is_running(self) -> bool:
        return self._popen.poll() is None

    def wait(self, seconds: float = WAIT_SECONDS) -> int:
        """The exit status; a failure with the output when it takes too long."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still running after {seconds} s: {self.said()}"
            ) from None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def end(self) -> None:
        """Stop for good: politely for ten seconds, then not."""
        family = self.family()
        self.thaw()
        if self.is_running():
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(10)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self._popen.wait()


class Started:
    """Every process that one test started; a context manager that ends them all."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self.env, self.folder = dict(env), folder
        self.processes: list[Process] = []

    def __enter__(self) -> Started:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in reversed(self.processes):
            process.end()

    def program(self, *command: str, **env: str) -> Process:
        """Start any program in the root of the project, with variables added."""
        log = self.folder / f"{len(self.processes):02}.log"
        process = Process(list(command), self.env | env, log)
        self.processes.append(process)
        return process

    def manage(self, *arguments: str, **env: str) -> Process:
        """Start ``manage.py`` with these arguments."""
        return self.program(sys.executable, "manage.py", *arguments, **env)

    def celery(self, *arguments: str, **env: str) -> Process:
        """Start Celery: ``celery("worker", "-Q", "train")`` or ``celery("beat")``."""
        command = (sys.executable, "-m", "celery", "-A", "recsys_project")
        return self.program(*command, *arguments, **env)

    def web(self, **env: str) -> str:
        """Start the web server on a free port; answers its address once it is ready."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        static = Path(self.env["STRATA_HOME"], "static")
        if self.env.get("DATABASE_URL") and not any(static.iterdir()):
            # As on a real host before the first start, but nothing is compressed.
            flags = ("--no-input", "--no-post-process", "--verbosity=0")
            collect = self.manage("collectstatic", *flags)
            assert collect.wait() == 0, collect.said()
        arguments = ("--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port))
        application = "recsys_project.wsgi:application"
        command = (sys.executable, "-m", "granian", *arguments, application)
        process = self.program(*command, PUBLIC_URL=url, **env)
        until(lambda: _answers(url + "/healthz"), of=process)
        return url


def until(
    happened: Callable[[], object],
    *,
    seconds: float = WAIT_SECONDS,
    of: Process | None = None,
) -> object:
    """Wait for something to become true and answer it; ``of`` is who should do it."""
    deadline = time.monotonic() + seconds
    while not (answer := happened()):
        ended = of is not None and not of.is_running()
        if ended or time.monotonic() > deadline:
            words = of.said()[-4000:] if of else ""
            raise AssertionError(f"did not happen within {seconds} s. {words}")
        time.sleep(0.05)
    return answer


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except OSError:
        return False

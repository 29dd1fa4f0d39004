"""The whole of an embedded install: migrate, web process, workers and beat."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from segmentation.management import processes
from segmentation.management.base import StrataCommand
from segmentation.management.commands import work
from segmentation.services import operators

EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 (compared with, not bound)


class Command(StrataCommand):
    help = "Migrate, then serve the pages with workers and beat beside them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def run(self, **options: Any) -> dict[str, Any]:
        where = {name: options[name] for name in ("host", "port")}
        lead_here(**where)
        told = processes.until_told()
        call_command("migrate", verbosity=0)
        self.introduce()
        family = processes.Family(self.say)
        try:
            start_web(family, **where)
            work.start(family)
            self.say(f"Open {address(**where)}/ · Ctrl-C stops")
            while not told.wait(1):
                family.look_after()
        finally:
            family.stop()
        return {}

    def introduce(self) -> None:
        password = operators.ensure_first()
        if password:
            self.say(f"Log in as {operators.NAME} with the password {password}")
            self.say("It is shown this once; change it in the admin.")


def address(host: str, port: int) -> str:
    """Where a browser on this machine finds what listens there."""
    return f"http://{'127.0.0.1' if host in EVERYWHERE else host}:{port}"


def lead_here(host: str, port: int) -> None:
    """Let the links that the processes below sign lead to this port, unless told."""
    os.environ.setdefault("PUBLIC_URL", address(host, port))


def start_web(family: processes.Family, host: str, port: int) -> None:
    """Start the web process; CommandError when the port is somebody else's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} is taken; stop what uses it or choose another "
                f"with --port."
            ) from error
    module, _, name = settings.WSGI_APPLICATION.rpartition(".")
    words = [sys.executable, "-m", "granian", "--interface", "wsgi"]
    words += ["--host", host, "--port", str(port), "--blocking-threads", "8"]
    family.start("web", [*words, f"{module}:{name}"])

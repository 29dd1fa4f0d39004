"""Workers and beat, for an install without Celery processes of its own."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.core.management.base import CommandParser

from segmentation import clock, conf
from segmentation.management import processes
from segmentation.management.base import StrataCommand

ROLES = (*clock.QUEUES, "beat")


class Command(StrataCommand):
    help = "Run a worker for each queue and beat, each as a process of its own."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--only", choices=ROLES, help="run just this one, here")

    def run(self, **options: Any) -> dict[str, Any]:
        if options["only"]:
            _be(options["only"])
            return {}
        told = processes.until_told()
        family = processes.Family(self.say)
        try:
            start(family)
            self.say(f"working: {', '.join(ROLES)}; Ctrl-C stops them")
            while not told.wait(1):
                family.look_after()
        finally:
            family.stop()
        return {}


def start(family: processes.Family) -> None:
    """Start every role as a child."""
    for role in ROLES:
        family.start(f"work-{role}", processes.managed("work", "--only", role))


def _be(role: str) -> None:
    if role == "beat":
        (conf.home() / "beat").mkdir(parents=True, exist_ok=True)
        current_app.start(["beat", "--loglevel", "WARNING", "--pidfile="])
        return
    words = ["worker", "--queues", role, "--hostname", f"{role}@%h"]
    words += ["--loglevel", "WARNING", "--without-mingle", "--without-gossip"]
    if role == "train":
        # A child for each training: what TensorFlow took goes back when it ends.
        words += ["--concurrency", "1", "--max-tasks-per-child", "1"]
    else:
        words += ["--concurrency", "2"]
    current_app.worker_main(words)

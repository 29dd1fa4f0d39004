"""The whole circle on real data, then the pages to look at it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from campaigns.demo import stage, story
from segmentation.management.base import StrataCommand


class Command(StrataCommand):
    help = "Migrate, import real data, train, segment, send, measure; then serve."
    requires_system_checks: list[str] = []  # run again once the addresses are set
    shop = story.COMPLETE_JOURNEY

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--no-serve", action="store_true")
        parser.add_argument("--port", type=int, default=8000)

    def run(self, **options: Any) -> dict[str, Any]:
        environment = stage.environment(options["port"])
        if environment is not None:  # settings are read once: start anew with them
            sys.stdout.flush()
            script = str(Path(sys.argv[0]).resolve())
            command = [sys.executable, script, *sys.argv[1:]]
            os.execve(sys.executable, command, environment)  # noqa: S606
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
        call_command("check")
        done: list[dict[str, Any]] = []
        try:
            with stage.set_up(self.shop, self.say) as scene:
                self.play(scene, done)
                while not options["no_serve"]:
                    scene.alive()
                    time.sleep(1)
        except KeyboardInterrupt:
            if len(done) < len(list(story.steps())):
                raise CommandError(
                    _("Stopped before the end; run it again and it goes on from here.")
                ) from None
        return {"steps": done}

    def play(self, scene: story.Stage, done: list[dict[str, Any]]) -> None:
        """Go through the story, telling what each step took and found."""
        for name, step in story.steps():
            started = time.perf_counter()
            self.say(f"{name} …")
            facts = step(scene)
            seconds = round(time.perf_counter() - started, 1)
            done.append({"name": name, "seconds": seconds, **facts})
            self.say(f"{name}: {seconds} s")
        self.say(_("Look at it: %(url)s/ · Ctrl-C stops") % {"url": scene.shop_url})

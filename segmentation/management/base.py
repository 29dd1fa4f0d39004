"""What every Strata command has in common: ``--json``, exit codes, calm progress."""

from __future__ import annotations

import getpass
import json
import os
import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from segmentation import tasks
from segmentation.models import Job
from segmentation.services import jobs

SAY_SECONDS = 2.0


class StrataCommand(BaseCommand):
    """Implement ``run(**options) -> dict``; raise CommandError to refuse (exit 1).

    With ``--json`` the dict is the last line of standard output; progress goes to
    standard error.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="end with one JSON object"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        as_json = options.pop("json")
        try:
            result = self.run(**options)
        except jobs.Stopped as error:
            raise CommandError(str(error)) from error
        if as_json:
            self.stdout.write(json.dumps(result, default=str))
        else:
            self.tell(result)

    def run(self, **options: Any) -> dict[str, Any]:
        raise NotImplementedError

    def tell(self, result: dict[str, Any]) -> None:
        """What a person reads at the end."""
        for name, value in result.items():
            self.stdout.write(f"{name}: {value}")

    def typed_by(self) -> str:
        """Who typed which command: the audit trail's name for them."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container's user may have a number only
            user = str(os.getuid())
        return f"{user}: {type(self).__module__.rpartition('.')[2]}"

    def say(self, text: str) -> None:
        """Progress, on standard error."""
        self.stderr.write(text, style_func=str)

    def perform(self, job: Job, deed: Callable[..., None]) -> None:
        """Do a deed in this process, under the same lease as a worker would."""
        try:
            tasks.perform(job, self._told(deed))
        except jobs.GivenBack as error:
            self.say(str(error))
            self._see_through(job, deed)
        except jobs.Stopped:
            raise
        except Exception as error:
            job.refresh_from_db()
            raise CommandError(job.message or str(error)) from error
        finally:
            job.refresh_from_db()

    def _see_through(self, job: Job, deed: Callable[..., None]) -> None:
        """Go on with a deed that has to wait, until it is over here or at a worker."""
        while job.status in jobs.UNFINISHED:
            time.sleep(SAY_SECONDS)
            try:
                tasks.perform(job, self._told(deed))
            except (jobs.GivenBack, jobs.Taken):
                job.refresh_from_db()
        if job.status != Job.Status.DONE:
            raise jobs.Refused(job.message)

    def _told(self, deed: Callable[..., None]) -> Callable[..., None]:
        """The same deed, whose reports of work are also said here, now and then."""
        said: list[tuple[str, float]] = [("", 0.0)]

        def deed_told(job: Job, held: jobs.Held) -> None:
            report = held.progress

            def progress(done: int, total: int | None = None, **words: Any) -> None:
                report(done, total, **words)
                now = time.monotonic()
                message, at = said[-1]
                if job.message != message or now - at > SAY_SECONDS:
                    said[-1] = job.message, now
                    of = f": {done:,} of {total:,}" if total else ""
                    self.say(f"{job.message}{of}")

            held.progress = progress  # type: ignore[method-assign]
            deed(job, held)

        return deed_told


def read_settings(pairs: list[str]) -> dict[str, Any]:
    """``--set k=v``: numbers, true/false and null as JSON, everything else as text."""
    settings = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise CommandError(f"“{pair}” is not of the form name=value.")
        try:
            settings[name] = json.loads(text)
        except ValueError:
            settings[name] = text
    return settings

"""Take one import back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from segmentation.management.base import StrataCommand
from segmentation.models import ImportJob
from segmentation.services import importing


class Command(StrataCommand):
    help = "Take one import back: what it alone brought goes, what it changed returns."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("job_id", type=int, metavar="JOB_ID")

    def run(self, **options: Any) -> dict[str, Any]:
        job = ImportJob.objects.filter(pk=options["job_id"]).first()
        if job is None:
            raise CommandError(f"There is no import {options['job_id']}.")
        undo = importing.create_undo(job)
        self.perform(undo, importing.run_undo)
        return {
            "undo_id": undo.pk,
            "job_id": job.pk,
            "rows_removed": undo.rows_removed,
            "rows_restored": undo.rows_restored,
            "rows_kept": undo.rows_kept,
            "kept": undo.kept,
            "seconds": round(undo.seconds or 0.0, 3),
        }

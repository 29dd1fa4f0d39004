"""Bring a file of items, customers or events in."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from segmentation.management.base import StrataCommand
from segmentation.models import ImportKind, Mapping
from segmentation.services import importing


class Command(StrataCommand):
    help = "Bring a table of items, customers or events in: CSV, JSON, XLSX, Parquet."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("kind", choices=ImportKind.values)
        parser.add_argument("path")
        parser.add_argument(
            "--mapping",
            default="",
            help='a saved mapping, or JSON: {"item": "StockCode", "kind": "=purchase"}',
        )
        parser.add_argument("--source", default="shop")
        parser.add_argument("--encoding", default="")
        parser.add_argument(
            "--layout",
            default="{}",
            type=json.loads,
            help='how the file is written: {"delimiter": ";", "has_header": false}',
        )
        parser.add_argument("--dry-run", action="store_true")

    def run(self, **options: Any) -> dict[str, Any]:
        job = importing.create_job(
            options["kind"],
            options["path"],
            columns=_columns(options["kind"], options["mapping"]),
            source=options["source"],
            encoding=options["encoding"],
            layout=options["layout"],
            dry_run=options["dry_run"],
        )
        self.perform(job, importing.run_import)
        rejects = importing.rejects_path(job)
        counts = ("read", "new", "updated", "unchanged", "duplicate", "rejected")
        return {
            "job_id": job.pk,
            "kind": job.kind,
            **{f"rows_{name}": getattr(job, f"rows_{name}") for name in counts},
            "rows_ignored": job.rows_ignored,
            "rejects_path": str(rejects) if rejects else None,
            "seconds": round(job.seconds or 0.0, 3),
            "quality": job.quality,
        }


def _columns(kind: str, text: str) -> dict[str, str]:
    if not text.lstrip().startswith("{"):
        if not text:
            return {}
        saved = Mapping.objects.filter(name=text, kind=kind).first()
        if saved is None:
            raise CommandError(f"There is no saved mapping “{text}” for {kind}.")
        return saved.columns
    try:
        columns = json.loads(text)
    except ValueError as error:
        raise CommandError(f"The mapping is not JSON: {error}.") from error
    if not all(isinstance(value, str) for value in columns.values()):
        raise CommandError("Each field of a mapping names one column, as text.")
    return columns

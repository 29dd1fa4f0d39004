"""Bring a file of items, customers or events in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from segmentation.engine.mapping import BUILTIN
from segmentation.management.base import StrataCommand
from segmentation.models import ImportKind, Mapping
from segmentation.services import importing
from segmentation.services.importing import reading

COUNTS = ("read", "new", "updated", "unchanged", "duplicate", "rejected", "ignored")


@dataclass(frozen=True)
class Chosen:
    """What a mapping says of a file."""

    columns: dict[str, Any] = field(default_factory=dict)
    layout: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)


class Command(StrataCommand):
    help = "Bring a table of items, customers or events in: CSV, JSON, XLSX, Parquet."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("kind", choices=ImportKind.values)
        parser.add_argument("path")
        parser.add_argument(
            "--mapping",
            default="",
            help="a saved or built-in mapping, or JSON: "
            '{"item": "StockCode", "kind": "=purchase"}',
        )
        parser.add_argument("--source", default="shop")
        parser.add_argument("--encoding", default="")
        parser.add_argument(
            "--layout",
            default="{}",
            type=json.loads,
            help='how the file is written: {"delimiter": ";", "has_header": false}',
        )
        parser.add_argument(
            "--rules",
            default="{}",
            type=json.loads,
            help='what to do: {"unknown_items": "reject", "fill": ["price"]}',
        )
        parser.add_argument("--dry-run", action="store_true")

    def run(self, **options: Any) -> dict[str, Any]:
        file = Path(options["path"])
        chosen = _chosen(options["kind"], options["mapping"], file, options["layout"])
        job = importing.create_job(
            options["kind"],
            options["path"],
            columns=chosen.columns,
            source=options["source"],
            encoding=options["encoding"],
            layout=chosen.layout | options["layout"],
            rules=chosen.rules | options["rules"],
            dry_run=options["dry_run"],
        )
        self.perform(job, importing.run_import)
        rejects = importing.rejects_path(job)
        return {
            "job_id": job.pk,
            "kind": job.kind,
            **{f"rows_{name}": getattr(job, f"rows_{name}") for name in COUNTS},
            "rejects_path": str(rejects) if rejects else None,
            "seconds": round(job.seconds or 0.0, 3),
            "quality": job.quality,
            "findings": job.findings,
        }


def _chosen(kind: str, text: str, path: Path, layout: dict[str, Any]) -> Chosen:
    if text.lstrip().startswith("{"):
        try:
            return Chosen(json.loads(text))
        except ValueError as error:
            raise CommandError(f"The mapping is not JSON: {error}.") from error
    if not text:
        return Chosen()
    saved = Mapping.objects.filter(name=text, kind=kind).first()
    if saved is not None:
        return Chosen(saved.columns, saved.layout, saved.rules)
    known = BUILTIN.get(text)
    if known is None or known.kind != kind:
        raise CommandError(f"There is no saved mapping “{text}” for {kind}.")
    shape = {"shape": known.shape} if known.shape else {}
    headers = _headers(path, known.layout | layout)
    return Chosen(known.fitted(headers), known.layout, known.rules | shape)


def _headers(path: Path, layout: dict[str, Any]) -> list[str]:
    """What the columns are called in a file that may lack some of an export's."""
    try:
        return reading.open_file(path, reading.detect(path, layout).layout).headers
    except reading.Unreadable as error:
        raise CommandError(str(error)) from error

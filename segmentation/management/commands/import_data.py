"""Bring a file of items, customers or events in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.core.management.base import CommandError, CommandParser

from segmentation.engine import mapping
from segmentation.management.base import StrataCommand
from segmentation.models import ImportKind, Mapping
from segmentation.services import importing

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
        chosen = _chosen(options["kind"], options["mapping"])
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


def _chosen(kind: str, text: str) -> Chosen:
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
    known = mapping.BUILTIN.get(text)
    if known is None or known.kind != kind:
        raise CommandError(f"There is no saved mapping “{text}” for {kind}.")
    shape = {"shape": known.shape} if known.shape else {}
    return Chosen(known.columns, known.layout, known.rules | shape)

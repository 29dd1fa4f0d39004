"""Train one model run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from segmentation.engine import recommenders
from segmentation.management.base import StrataCommand, read_settings
from segmentation.models import Purpose
from segmentation.services import registry, training


class Command(StrataCommand):
    help = "Train, judge and refit one model; with --promote let it go live."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("algorithm", choices=recommenders.names())
        parser.add_argument(
            "--purpose", default=Purpose.DISCOVER, choices=Purpose.values
        )
        parser.add_argument("--set", action="append", default=[], metavar="K=V")
        parser.add_argument("--promote", action="store_true")

    def run(self, **options: Any) -> dict[str, Any]:
        run = training.create_run(
            options["algorithm"],
            options["purpose"],
            params=read_settings(options["set"]),
        )
        self.perform(run, training.train)
        gate = registry.gate(run)
        if options["promote"] and gate["passed"]:
            registry.promote(run)
        return {
            "run_id": run.pk,
            "algorithm": run.algorithm,
            "purpose": run.purpose,
            "metrics": run.metrics,
            "seconds": run.timings,
            "promoted": options["promote"] and gate["passed"],
            "gate": gate,
        }

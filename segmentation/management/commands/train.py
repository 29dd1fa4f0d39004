"""Train one model run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from segmentation.engine import recommenders
from segmentation.management.base import StrataCommand, read_settings
from segmentation.models import ModelRun, Purpose
from segmentation.services import gating, training


class Command(StrataCommand):
    help = "Train, judge and refit one model; with --promote let it go live."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("algorithm", choices=recommenders.names())
        parser.add_argument(
            "--purpose", default=Purpose.DISCOVER, choices=Purpose.values
        )
        parser.add_argument("--set", action="append", default=[], metavar="K=V")
        parser.add_argument(
            "--promote", action="store_true", help="go live if the gate lets it pass"
        )
        parser.add_argument(
            "--overrule",
            default="",
            metavar="REASON",
            help="and if not, because of this",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        if options["overrule"] and not options["promote"]:
            raise CommandError("--overrule is a reason to --promote nevertheless.")
        run = training.create_run(
            options["algorithm"],
            options["purpose"],
            params=read_settings(options["set"]),
        )
        self.perform(run, training.train)
        promoted = options["promote"] and self._go_live(run, options["overrule"])
        gate = run.gate if promoted else gating.verdict(run)
        return {
            "run_id": run.pk,
            "algorithm": run.algorithm,
            "purpose": run.purpose,
            "metrics": run.metrics,
            "seconds": run.timings,
            "promoted": promoted,
            "gate": gate,
        }

    def _go_live(self, run: ModelRun, reason: str) -> bool:
        try:
            gating.go_live(run, actor_name=self.typed_by(), overrule=reason)
        except gating.GateClosed as error:
            self.say(str(error))
            return False
        return True

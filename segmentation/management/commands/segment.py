"""Divide customers into interest segments."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from segmentation.engine import clustering
from segmentation.management.base import StrataCommand, read_settings
from segmentation.services import segmenting


class Command(StrataCommand):
    help = "Cluster the customers by the live taste model."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("method", choices=clustering.names())
        parser.add_argument("--set", action="append", default=[], metavar="K=V")

    def run(self, **options: Any) -> dict[str, Any]:
        made = segmenting.create_set(
            options["method"], params=read_settings(options["set"])
        )
        self.perform(made, segmenting.build)
        segments = made.segments.order_by("label")
        return {
            "segment_set_id": made.pk,
            "method": made.method,
            "k": segments.count(),
            "n_customers": made.n_customers,
            "scores": made.scores,
            "segments": list(segments.values("id", "name", "size")),
            "seconds": made.timings,
        }

"""Erasure: one customer, everywhere, with a receipt."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from campaigns.services import privacy
from segmentation.management.base import StrataCommand
from segmentation.services import erasing


class Command(StrataCommand):
    help = "Erase a customer everywhere; the answer is the receipt."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", help="the shop's id, or pk:NUMBER")
        parser.add_argument("--source", help="whose id it is")

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            customer = privacy.find_customer(
                options["id"], source_name=options["source"]
            )
        except privacy.WhichCustomer as error:
            raise CommandError(str(error)) from error
        erasure = privacy.erase_customer(
            customer, now=timezone.now(), actor_name=self.typed_by()
        )
        self.perform(erasure, erasing.finish)
        return erasing.receipt(erasure)

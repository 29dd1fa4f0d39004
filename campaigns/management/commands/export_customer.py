"""Subject access: everything that is kept about one customer."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from campaigns.services import privacy
from segmentation.management.base import StrataCommand


class Command(StrataCommand):
    help = "Write out everything that is kept about a customer."

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
        return privacy.export_customer(customer)

    def tell(self, result: dict[str, Any]) -> None:
        text = json.dumps(result, default=str, indent=2, ensure_ascii=False)
        self.stdout.write(text)

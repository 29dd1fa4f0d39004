"""The verdict on a campaign."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.services import results
from segmentation.management.base import StrataCommand


class Command(StrataCommand):
    help = "Say what a campaign changed, with its doubt."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("campaign_id", type=int)

    def run(self, **options: Any) -> dict[str, Any]:
        campaign = Campaign.objects.filter(pk=options["campaign_id"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['campaign_id']}.")
        return results.report(campaign, timezone.now()).as_dict()

    def tell(self, result: dict[str, Any]) -> None:
        for arm in result["arms"]:
            self.stdout.write(
                f"{arm['arm']}: {arm['buyers']} of {arm['n']} people bought "
                f"({arm['conversion']:.2%}), {arm['revenue_per_person']:.2f} a person"
            )
        self.stdout.write(result["sentence"])

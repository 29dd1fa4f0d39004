"""Plan a campaign and send it now."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from campaigns import queries
from campaigns.models import Campaign, Launch
from campaigns.services import planning, sending
from segmentation.management.base import StrataCommand
from segmentation.services import jobs
from segmentation.tasks import hint


class Command(StrataCommand):
    help = "Plan a campaign now; the workers send it, or this process with --wait."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("campaign_id", type=int)
        parser.add_argument("--dry-run", action="store_true", help="write nothing")
        parser.add_argument("--wait", action="store_true", help="until all have ended")

    def run(self, **options: Any) -> dict[str, Any]:
        campaign = Campaign.objects.filter(pk=options["campaign_id"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['campaign_id']}.")
        if options["dry_run"]:
            return _answer(None, planning.preview(campaign, timezone.now()))
        launch = planning.launch_now(campaign, now=timezone.now(), actor=None)
        self.say(f"Launch {launch.pk}: planning …")
        deed = sending.run if options["wait"] else sending.plan_only
        try:
            deed(launch)
        except jobs.Taken:  # a worker was faster: it does the same
            _follow(launch, to_the_end=options["wait"])
        launch.refresh_from_db()
        hint(launch)
        by_status = queries.progress([launch.pk]).by_status
        return _answer(launch, planning.plan_of(launch)) | {"deliveries": by_status}


def _follow(launch: Launch, *, to_the_end: bool) -> None:
    while launch.status in jobs.UNFINISHED:
        if planning.is_planned(launch) and not to_the_end:
            return
        time.sleep(0.5)
        launch.refresh_from_db()
    if launch.status != Launch.Status.DONE:
        raise CommandError(launch.message)


def _answer(launch: Launch | None, plan: planning.Plan) -> dict[str, Any]:
    number = launch.pk if launch else None
    return {"launch_id": number, **asdict(plan), "n_queued": plan.n_deliveries}

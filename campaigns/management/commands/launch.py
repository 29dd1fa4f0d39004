"""Plan a campaign and send it now."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from campaigns import queries
from campaigns.models import Campaign, Launch
from campaigns.services import planning, sending
from segmentation.management.base import StrataCommand
from segmentation.services import jobs
from segmentation.tasks import hint

POLL_SECONDS = 0.5


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
        answer = _answer(launch, planning.plan_of(launch))
        if options["wait"]:
            answer |= {"status": launch.status, "message": launch.message}
            answer["deliveries"] = queries.progress([launch.pk]).by_status
        return answer


def _follow(launch: Launch, *, to_the_end: bool) -> None:
    over = (Launch.Status.DONE, Launch.Status.FAILED, Launch.Status.CANCELLED)
    while launch.status not in over:
        if planning.is_planned(launch) and not to_the_end:
            return
        time.sleep(POLL_SECONDS)
        launch.refresh_from_db()
    if launch.status != Launch.Status.DONE:
        raise CommandError(launch.message)


def _answer(launch: Launch | None, plan: planning.Plan) -> dict[str, Any]:
    return {
        "launch_id": launch.pk if launch else None,
        "n_audience": plan.n_audience,
        "n_queued": plan.n_deliveries,
        "n_treated": plan.n_treated,
        "n_held_out": plan.n_held_out,
        "n_suppressed": plan.n_suppressed,
        "smallest_detectable": plan.smallest_detectable,
    }

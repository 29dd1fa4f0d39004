"""Plan a campaign and send it now."""

from __future__ import annotations

import contextlib
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

LOOK_SECONDS = 0.5


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
        launch = planning.launch_now(
            campaign, now=timezone.now(), actor=None, actor_name=self.typed_by()
        )
        self.say(f"Launch {launch.pk}: planning …")
        if options["wait"]:
            _send(launch)
        else:
            _plan(launch)
        hint(launch)
        by_status = queries.progress([launch.pk]).by_status
        return _answer(launch, planning.plan_of(launch)) | {"deliveries": by_status}


def _plan(launch: Launch) -> None:
    try:
        sending.plan_only(launch)
    except jobs.Taken:  # a worker was faster: it does the same
        while launch.status in jobs.UNFINISHED and not planning.is_planned(launch):
            time.sleep(LOOK_SECONDS)
            launch.refresh_from_db()
    launch.refresh_from_db()
    _check(launch)


def _send(launch: Launch) -> None:
    """Until every delivery has ended, here or at a worker.

    It may be paused, or wait for a push service that asked for patience.
    """
    while launch.status in jobs.UNFINISHED:
        # A launch that waits for a later moment is hinted at ahead of now.
        if launch.hinted_at is None or launch.hinted_at <= timezone.now():
            with contextlib.suppress(jobs.Taken):
                sending.run(launch)
        launch.refresh_from_db()
        if launch.status in jobs.UNFINISHED:
            time.sleep(LOOK_SECONDS)
    _check(launch)


def _check(launch: Launch) -> None:
    if launch.status in (Launch.Status.FAILED, Launch.Status.CANCELLED):
        raise CommandError(launch.message)


def _answer(launch: Launch | None, plan: planning.Plan) -> dict[str, Any]:
    number = launch.pk if launch else None
    return {"launch_id": number, **asdict(plan), "n_queued": plan.n_deliveries}

"""The life of a campaign: scheduled, started, paused, resumed, cancelled.

Each step is one conditional update, so that two operators, or two beats, at the same
moment do it once. A launch that waits for its paused campaign is a *draft*: no sweep
offers it to a worker.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from campaigns.models import Campaign, Delivery, Launch
from campaigns.services.planning import drawing
from segmentation.services import audit, jobs

Status = Campaign.Status
OPEN = (Status.DRAFT, Status.SCHEDULED, Status.RUNNING, Status.PAUSED)


class NotNow(jobs.Refused):
    """The campaign is not in a state for this; the sentence says why."""


def schedule(campaign: Campaign, starts_at: datetime, *, actor: Any) -> Campaign:
    """Let beat start it at an instant; again changes the instant."""
    _check(campaign)
    waiting = (Status.DRAFT, Status.SCHEDULED)
    with transaction.atomic():
        _move(campaign, waiting, Status.SCHEDULED, starts_at=starts_at)
        audit.record(actor, "schedule campaign", campaign, {"starts_at": starts_at})
    return campaign


def start_due(now: datetime) -> list[Launch]:
    """Make the launch of every scheduled campaign whose time has come."""
    due = Campaign.objects.filter(status=Status.SCHEDULED, starts_at__lte=now)
    launches = []
    for campaign in due.order_by("starts_at", "pk"):
        with transaction.atomic():
            # The update is the lock: of two beats only one gets past it, and none if it
            # was put off since we looked.
            if not due.filter(pk=campaign.pk).update(status=Status.RUNNING):
                continue
            assert campaign.starts_at is not None
            launch, _made = Launch.objects.get_or_create(
                campaign=campaign,
                scheduled_for=campaign.starts_at,
                defaults={"created_by": campaign.created_by},
            )
            launches.append(launch)
    return launches


def launch_now(
    campaign: Campaign, *, now: datetime, actor: Any, actor_name: str = ""
) -> Launch:
    """Start it at once: the queued Launch; refused with a sentence."""
    _check(campaign)
    with transaction.atomic():
        _move(campaign, (Status.DRAFT, Status.SCHEDULED), Status.RUNNING)
        by = actor if getattr(actor, "pk", None) else None
        launch = Launch.objects.create(
            campaign=campaign, scheduled_for=now, created_by=by
        )
        changes = {"launch": [None, launch.pk]}
        audit.record(actor, "launch campaign", campaign, changes, actor_name=actor_name)
    return launch


def pause(campaign: Campaign, *, actor: Any) -> Campaign:
    """Start no message more until it is resumed; those on the wire are let arrive."""
    with transaction.atomic():
        _move(campaign, (Status.RUNNING,), Status.PAUSED)
        audit.record(actor, "pause campaign", campaign)
    return campaign


def resume(campaign: Campaign, *, actor: Any) -> list[Launch]:
    """Go on with a paused campaign, or with the rest of one whose launch failed."""
    stopped = (Launch.Status.DRAFT, Launch.Status.FAILED)
    with transaction.atomic():
        _move(campaign, (Status.PAUSED, Status.RUNNING), Status.RUNNING)
        launches = list(campaign.launches.filter(status__in=stopped))
        campaign.launches.filter(status__in=stopped).update(
            status=Launch.Status.QUEUED,
            lost_leases=0,
            hinted_at=None,
            finished_at=None,
            message="",
        )
        audit.record(actor, "resume campaign", campaign)
    return launches


def cancel(campaign: Campaign, *, actor: Any) -> Campaign:
    """Stop for good. What was sent stays sent; the rest is marked as cancelled."""
    with transaction.atomic():
        _move(campaign, OPEN, Status.CANCELLED)
        for launch in campaign.launches.exclude(status=Launch.Status.DONE):
            jobs.request_cancel(launch)
            close_cancelled(launch)
        audit.record(actor, "cancel campaign", campaign)
    return campaign


def close_cancelled(launch: Launch) -> int:
    """Mark what is not sent any more; nothing while a worker has the launch."""
    over = (Launch.Status.CANCELLED, Launch.Status.FAILED)
    rows = Delivery.objects.filter(launch=launch, launch__status__in=over).exclude(
        status__in=Delivery.TERMINAL
    )
    return rows.update(
        status=Delivery.Status.CANCELLED, reason=_("The campaign was cancelled.")
    )


def settle() -> int:
    """Bring campaigns in line with launches that ended without them.

    A launch that was killed too often, or cancelled by itself, leaves a campaign that
    says “running” with nothing running: it is paused, or cancelled with the rest.
    """
    going = Launch.objects.filter(campaign=OuterRef("pk")).filter(
        status__in=(*jobs.UNFINISHED, Launch.Status.DONE)
    )
    idle = Campaign.objects.filter(
        ~Exists(going), status__in=(Status.RUNNING, Status.PAUSED)
    )
    n_settled = 0
    for campaign in idle:
        launch = campaign.launches.order_by("-pk").first()
        # Still idle? Somebody may have resumed it since we looked.
        row = idle.filter(pk=campaign.pk)
        with transaction.atomic():
            if launch is not None and launch.status == Launch.Status.CANCELLED:
                close_cancelled(launch)
                n_settled += row.update(status=Status.CANCELLED)
            elif launch is not None:
                running = row.filter(status=Status.RUNNING)
                n_settled += running.update(status=Status.PAUSED)
    return n_settled


def _check(campaign: Campaign) -> None:
    found = drawing.problems(campaign)
    if found:
        raise NotNow(" ".join(found))


def _move(
    campaign: Campaign, before: tuple[str, ...], after: str, **fields: Any
) -> None:
    if not _moves(campaign, before, after, **fields):
        campaign.refresh_from_db(fields=["status"])
        raise NotNow(
            _("The campaign “%(campaign)s” is %(status)s; this cannot be done now.")
            % {"campaign": campaign, "status": campaign.get_status_display()}
        )


def _moves(
    campaign: Campaign, before: tuple[str, ...], after: str, **fields: Any
) -> bool:
    rows = Campaign.objects.filter(pk=campaign.pk, status__in=before)
    won = rows.update(status=after, **fields) == 1
    if won:
        for name, value in {"status": after, **fields}.items():
            setattr(campaign, name, value)
    return won

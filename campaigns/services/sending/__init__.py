"""From the plan to the wire: every delivery of a launch ends, or waits with a reason.

The event loop does the wire only (``wire``), this thread keeps the ledger
(``ledger``). *On its way* is committed before the wire and the answer after it; what
was on the wire when a sender died is sent once more under the same topic, which
replaces the first copy.
"""

from __future__ import annotations

import time
from datetime import timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns import queries
from campaigns.channels.base import Channel
from campaigns.models import Campaign, Delivery, Launch
from campaigns.services import keys, planning
from campaigns.services.sending.ledger import Clock, Ledger
from campaigns.services.sending.wire import Answer, Wire
from campaigns.services.sending.writing import Writer
from segmentation.models import Notice
from segmentation.services import jobs, notices

WINDOW = 500
LOW_WATER = 500  # on the wire: below this the next window is claimed
CONNECTIONS = 64
GATHER_SECONDS = 0.05
CHECK_SECONDS = 1.0
DRAIN_SECONDS = 60.0
PATIENCE_SECONDS = 30.0  # a longer wait for a retry gives the worker back


class Paused(Exception):
    """The campaign was paused under way."""


def run(launch: Launch, *, clock: Clock = timezone.now) -> None:
    """Plan a launch and send it to the end; what a worker does with it."""
    try:
        with jobs.hold(launch) as held:
            planning.plan(launch, held, now=clock())
            send(launch, held, clock=clock)
    except jobs.GivenBack:
        return
    except jobs.Cancelled:
        planning.close_cancelled(launch)
        raise
    except jobs.Refused:
        # It can be mended and resumed; "running" would be a lie until beat settles it.
        _stop_campaign(launch)
        raise


def plan_only(launch: Launch, *, clock: Clock = timezone.now) -> planning.Plan:
    """Plan a launch in this process and leave the sending to the workers."""
    try:
        with jobs.hold(launch) as held:
            planning.plan(launch, held, now=clock())
            held.give_back(_("The launch waits for a worker."))
    except jobs.GivenBack:
        pass
    except jobs.Refused:
        _stop_campaign(launch)
        raise
    return planning.plan_of(launch)


def send(
    launch: Launch,
    held: jobs.Held,
    *,
    clock: Clock,
    channel: Channel | None = None,
    connections: int = CONNECTIONS,
) -> None:
    """Send until every delivery has ended, then complete the campaign.

    Raises Cancelled, Refused (nothing more can be sent) or GivenBack (paused).
    """
    channel = channel or keys.open_channel(launch.campaign.channel)
    writer = Writer(launch, channel, clock)
    ledger = Ledger(launch, held, channel, clock, needs_name=writer.needs_name)
    ledger.take_over()
    try:
        _check_campaign(launch)
        with Wire(channel, connections=connections) as wire:
            _pump_or_drain(ledger, wire, writer)
    except Paused:
        _park(launch, held)
    except jobs.Cancelled:
        ledger.cancel_rest()
        raise
    _complete(launch, held)


def _pump_or_drain(ledger: Ledger, wire: Wire, writer: Writer) -> None:
    try:
        _pump(ledger, wire, writer)
    except (jobs.LostLease, jobs.GivenBack):
        raise
    except BaseException:
        _drain(ledger, wire)
        raise


def _pump(ledger: Ledger, wire: Wire, writer: Writer) -> None:
    """Keep the wire full and the ledger up to date until nothing is left."""
    answers: list[Answer] = []
    check_at = claim_at = 0.0
    while True:
        now = time.monotonic()
        if now >= check_at:
            check_at = now + CHECK_SECONDS
            # Written down first: an answer that is dropped would be sent once more.
            ledger.turn(answers, 0)
            answers = []
            _check(ledger)
        has_room = len(ledger.out) - len(answers) < LOW_WATER and now >= claim_at
        claimed = ledger.turn(answers, WINDOW if has_room else 0)
        answers = writer.hand_over(claimed, wire)
        if ledger.is_slowed:
            ledger.put_back(wire.take_back())
        if has_room and not claimed:
            wait = ledger.wait_seconds()
            if wait is None and not ledger.out:
                break
            if wait is not None and wait > PATIENCE_SECONDS and not ledger.out:
                later = ledger.clock() + timedelta(seconds=wait)
                ledger.held.give_back(
                    _("The launch waits for a worker."), not_before=later
                )
            claim_at = now + min(CHECK_SECONDS if wait is None else wait, CHECK_SECONDS)
        if not answers:
            answers = _gathered(wire, min(check_at, max(claim_at, now)) - now)
    if ledger.stopped:
        raise jobs.Refused(" ".join(ledger.stopped.values()))


def _gathered(wire: Wire, seconds: float) -> list[Answer]:
    """Answers in batches: a commit for every single one would cost more than it."""
    answers = wire.answers(max(seconds, GATHER_SECONDS))
    if answers:
        time.sleep(GATHER_SECONDS)
        answers += wire.answers(0)
    return answers


def _check(ledger: Ledger) -> None:
    """See whether to go on; also tells how far it is."""
    message = _("Sending")
    ledger.held.progress(
        ledger.n_done, ledger.n_all, unit=_("messages"), message=message
    )
    _check_campaign(ledger.launch)


def _check_campaign(launch: Launch) -> None:
    status = (
        Campaign.objects.filter(pk=launch.campaign_id)
        .values_list("status", flat=True)
        .first()
    )
    if status == Campaign.Status.PAUSED:
        raise Paused
    if status == Campaign.Status.CANCELLED:
        raise jobs.Cancelled(_("The campaign was cancelled."))


def _drain(ledger: Ledger, wire: Wire) -> None:
    """Take back what has not begun and wait for what has; then all is written down."""
    ledger.put_back(wire.take_back())
    deadline = time.monotonic() + DRAIN_SECONDS
    while ledger.out and time.monotonic() < deadline:
        ledger.turn(wire.answers(CHECK_SECONDS), 0)
        ledger.held.worked_monotonic = time.monotonic()


def _park(launch: Launch, held: jobs.Held) -> None:
    """Let the launch wait for its campaign, unless that goes on again already."""
    with transaction.atomic():
        # A conditional update, so that a resume at this moment comes before or after.
        paused = Campaign.objects.filter(
            pk=launch.campaign_id, status=Campaign.Status.PAUSED
        ).update(status=Campaign.Status.PAUSED)
        status = Launch.Status.DRAFT if paused else Launch.Status.QUEUED
        held.write(
            status=status,
            lease_until=None,
            holder="",
            hinted_at=None,
            message=_("Paused."),
        )
    raise jobs.GivenBack(_("The campaign is paused."))


def _complete(launch: Launch, held: jobs.Held) -> None:
    """Say that the campaign is done, if every row of the plan says so too."""
    people = queries.people([launch.pk])
    sent = queries.progress([launch.pk])
    plan = planning.plan_of(Launch.objects.get(pk=launch.pk))
    adds_up = (
        plan.n_audience == people.n_audience and plan.n_treated == people.n_treated
    )
    if not adds_up or sent.n_terminal != sent.n_deliveries:
        raise jobs.Refused(
            _("Incomplete: %(done)s of %(all)s messages have ended; resume the rest.")
            % {"done": f"{sent.n_terminal:,}", "all": f"{sent.n_deliveries:,}"}
        )
    n_accepted = sent.by_status[Delivery.Status.ACCEPTED]
    message = _("%(accepted)s of %(all)s messages were accepted.") % {
        "accepted": f"{n_accepted:,}",
        "all": f"{sent.n_deliveries:,}",
    }
    with transaction.atomic():
        held.guard()
        held.write(
            message=message,
            progress_done=sent.n_terminal,
            progress_total=sent.n_deliveries,
        )
        going = (Campaign.Status.RUNNING, Campaign.Status.PAUSED)
        Campaign.objects.filter(pk=launch.campaign_id, status__in=going).update(
            status=Campaign.Status.COMPLETED
        )
        if n_accepted < sent.n_deliveries / 2:
            _warn(launch, message)


def _warn(launch: Launch, message: str) -> None:
    """Most messages were refused: done all the same, but nobody should overlook it."""
    reasons = (
        launch.deliveries.exclude(status=Delivery.Status.ACCEPTED)
        .values_list("reason")
        .annotate(n=Count("pk"))
        .order_by("-n")[:3]
    )
    told = [f"{n} × {reason or _('no reason given')}" for reason, n in reasons]
    notices.tell(
        Notice.Level.WARNING,
        _("Most messages of “%(launch)s” were not accepted") % {"launch": launch},
        "\n".join([message, *told]),
        key=f"campaigns.launch:{launch.pk}:refused",
        link=f"campaigns:launch:{launch.pk}",
    )


def _stop_campaign(launch: Launch) -> None:
    Campaign.objects.filter(
        pk=launch.campaign_id, status=Campaign.Status.RUNNING
    ).update(status=Campaign.Status.PAUSED)

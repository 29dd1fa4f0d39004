"""The verdict on a campaign: what it changed, with its doubt, and what it cannot say.

Everybody counts in the arm they were drawn into, whatever became of their message
(intention to treat), over the same hours for every arm. Attribution stands beside it:
it says which purchases followed a click, not which would not have happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from campaigns import queries
from campaigns.engine import attribution, stats
from campaigns.models import Campaign, Delivery, Launch, Outcome, Recipient

TREATED, HELD_OUT = Recipient.Arm.TREATED.value, Recipient.Arm.HELD_OUT.value
CONVERSION, REVENUE = Campaign.Metric.CONVERSION.value, Campaign.Metric.REVENUE.value


@dataclass(frozen=True)
class ArmResult:
    """What the people of one arm did in the window."""

    arm: str
    n: int
    buyers: int
    conversion: float
    revenue: float
    revenue_per_person: float


@dataclass(frozen=True)
class Comparison:
    """Treated minus held out on one metric; None where it cannot be said."""

    metric: str
    is_primary: bool
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    smallest_detectable: float | None
    verdict: str
    reason: str


@dataclass(frozen=True)
class Attribution:
    """Purchases whose last touch within the window was a click of this campaign."""

    n_clicks: int = 0
    n_orders: int = 0
    revenue: float = 0.0


@dataclass(frozen=True)
class Report:
    """One reading of a campaign; ``as_dict`` is JSON."""

    campaign_id: int
    until: datetime | None
    is_final: bool
    is_simulated: bool
    arms: list[ArmResult] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    srm: dict[str, Any] | None = None
    funnel: dict[str, Any] = field(default_factory=dict)
    attribution: Attribution = field(default_factory=Attribution)
    verdict: str = "cannot tell"
    sentence: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and dicts."""
        row = asdict(self)
        row["until"] = self.until.isoformat() if self.until else None
        return row


def report(campaign: Campaign, now: datetime) -> Report:
    """Read what the campaign's launches did so far; nothing is written."""
    launches = [each for each in campaign.launches.all() if each.planned_at is not None]
    sums = _sums(campaign, launches)
    control, treated = sums[HELD_OUT], sums[TREATED]
    comparisons = [
        _comparison(campaign, CONVERSION, _share(control), _share(treated)),
        _comparison(campaign, REVENUE, _mean(control), _mean(treated)),
    ]
    primary = next(each for each in comparisons if each.is_primary)
    srm = stats.srm(
        [treated.n, control.n], [1 - campaign.holdout_share, campaign.holdout_share]
    )
    until = max((_window(campaign, each)[1] for each in launches), default=None)
    return Report(
        campaign_id=campaign.pk,
        until=until,
        is_final=until is not None and until <= now,
        is_simulated=campaign.is_simulated,
        arms=[_arm(TREATED, treated), _arm(HELD_OUT, control)],
        comparisons=comparisons,
        srm=asdict(srm),
        funnel=_funnel(launches, treated),
        attribution=_attributed(campaign, launches),
        verdict="cannot tell" if srm.alarm else primary.verdict,
        sentence=_sentence(primary, srm.alarm),
    )


def _window(campaign: Campaign, launch: Launch) -> tuple[datetime, datetime]:
    assert launch.planned_at is not None
    hours = timedelta(hours=campaign.window_hours)
    return launch.planned_at, launch.planned_at + hours


def _sums(campaign: Campaign, launches: Sequence[Launch]) -> dict[str, queries.ArmSums]:
    totals = {TREATED: queries.ArmSums(), HELD_OUT: queries.ArmSums()}
    for launch in launches:
        since, until = _window(campaign, launch)
        for arm, sums in queries.arm_sums(launch, since, until).items():
            totals[arm] += sums
    return totals


def _share(sums: queries.ArmSums) -> stats.Arm:
    return stats.Arm.proportion(sums.buyers, sums.n)


def _mean(sums: queries.ArmSums) -> stats.Arm:
    if not sums.n:
        return stats.Arm(0, 0.0, 0.0)
    mean = sums.revenue / sums.n
    spread = sums.revenue_squared - sums.n * mean**2
    variance = max(spread, 0.0) / (sums.n - 1) if sums.n > 1 else 0.0
    return stats.Arm(sums.n, mean, variance)


def _arm(name: str, sums: queries.ArmSums) -> ArmResult:
    n = sums.n
    return ArmResult(
        arm=name,
        n=n,
        buyers=sums.buyers,
        conversion=sums.buyers / n if n else 0.0,
        revenue=sums.revenue,
        revenue_per_person=sums.revenue / n if n else 0.0,
    )


def _comparison(
    campaign: Campaign, metric: str, control: stats.Arm, treated: stats.Arm
) -> Comparison:
    lift = stats.compare(control, treated)
    return Comparison(
        metric=metric,
        is_primary=campaign.primary_metric == metric,
        difference=lift.difference,
        low=lift.low,
        high=lift.high,
        p_value=lift.p_value,
        relative=lift.relative,
        relative_low=lift.relative_low,
        relative_high=lift.relative_high,
        smallest_detectable=lift.smallest_detectable,
        verdict=lift.verdict,
        reason=lift.reason,
    )


def _funnel(launches: Sequence[Launch], treated: queries.ArmSums) -> dict[str, Any]:
    ids = [launch.pk for launch in launches]
    people = queries.people(ids)
    sent = queries.progress(ids).by_status
    outcomes = queries.outcome_counts(ids)
    waiting = (Delivery.Status.PLANNED, Delivery.Status.SENDING, Delivery.Status.RETRY)
    return {
        "audience": people.n_audience,
        "suppressed": people.n_suppressed,
        "held_out": people.n_held_out,
        "treated": people.n_treated,
        "messages": sum(sent.values()),
        "waiting": sum(sent[status] for status in waiting),
        "accepted": sent[Delivery.Status.ACCEPTED],
        "failed": sent[Delivery.Status.FAILED],
        "gone": sent[Delivery.Status.GONE],
        "cancelled": sent[Delivery.Status.CANCELLED],
        "unknown": sent[Delivery.Status.UNKNOWN],
        "perhaps_twice": queries.n_doubtful(ids),
        "shown": outcomes[Outcome.Kind.DELIVERED],
        "clicked": outcomes[Outcome.Kind.CLICKED],
        "dismissed": outcomes[Outcome.Kind.DISMISSED],
        "unsubscribed": outcomes[Outcome.Kind.UNSUBSCRIBED],
        "buyers": treated.buyers,
    }


def _attributed(campaign: Campaign, launches: Sequence[Launch]) -> Attribution:
    """Credit each purchase to the person's last click on any message or ad of ours."""
    ids = [launch.pk for launch in launches]
    touches = queries.touches_of_clickers(ids)
    if not touches:
        return Attribution()
    window = timedelta(hours=campaign.window_hours)
    bought = queries.purchases_of_clickers(
        ids,
        since=min(touch.at for touch in touches),
        until=max(touch.at for touch in touches) + window,
    )
    rows = attribution.last_touch(
        _moments(bought), _moments(touches), window=np.timedelta64(window)
    )
    is_ours = np.array([touch.is_ours for touch in touches])
    credited = (rows != attribution.NOBODY) & is_ours[rows]
    lines = [bought[row] for row in np.flatnonzero(credited).tolist()]
    orders = {line.order for line in lines if not line.is_return}
    amounts = np.array([purchase.amount for purchase in bought])
    return Attribution(
        n_clicks=int(is_ours.sum()),
        n_orders=len(orders),
        revenue=float(amounts[credited].sum()) if bought else 0.0,
    )


def _moments(
    rows: Sequence[queries.Touch] | Sequence[queries.Purchase],
) -> attribution.Moments:
    at = [row.at.replace(tzinfo=None) for row in rows]
    return attribution.Moments(
        np.array([row.customer_id for row in rows], np.int64),
        np.array(at, "datetime64[us]"),
    )


def _sentence(primary: Comparison, is_unbalanced: bool) -> str:
    """The verdict in one sentence, which never claims more than the interval does."""
    if is_unbalanced:
        return _(
            "Cannot tell: the arms are not as large as they were meant to be, so "
            "something is wrong with the draw or the counting."
        )
    show = _points if primary.metric == CONVERSION else _money
    if primary.difference is None or primary.low is None or primary.high is None:
        return _cannot_compare(primary.reason)
    found = {
        "change": show(primary.difference),
        "low": show(primary.low),
        "high": show(primary.high),
    }
    if primary.verdict == "helped":
        return _("It helped: %(change)s (95%% sure of %(low)s to %(high)s).") % found
    if primary.verdict == "hurt":
        return _("It hurt: %(change)s (95%% sure of %(low)s to %(high)s).") % found
    if primary.smallest_detectable is None:
        return (
            _(
                "Cannot tell: %(change)s, but anything from %(low)s to %(high)s is "
                "possible. So few people could not have shown any change."
            )
            % found
        )
    return _(
        "Cannot tell: %(change)s, but anything from %(low)s to %(high)s is possible. "
        "This campaign could only have shown changes beyond ±%(smallest)s."
    ) % {**found, "smallest": show(primary.smallest_detectable).lstrip("+")}


def _cannot_compare(reason: str) -> str:
    """Why the arms give no interval; ``reason`` is one of engine.stats' words."""
    return {
        "no_variance": _("Cannot tell: everybody did the same; perhaps nobody bought."),
        "too_few": _("Cannot tell: there are too few people in the arms."),
    }.get(reason, _("Cannot tell: there is nobody to compare with."))


def _points(value: float) -> str:
    return _("%(value)s percentage points") % {"value": f"{100 * value:+.2f}"}


def _money(value: float) -> str:
    return _("%(value)s a person") % {"value": f"{value:+.2f}"}

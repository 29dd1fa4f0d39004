"""From a campaign to rows: who gets what, who is held out, who is left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from campaigns import queries
from campaigns.engine import assignment, stats
from campaigns.models import (
    Campaign,
    ContactPoint,
    Delivery,
    Launch,
    Recipient,
    Variant,
)
from campaigns.services import audience, content
from segmentation import bulk
from segmentation.models import Customer, Merge
from segmentation.services import jobs, serving

Arm, Reason = Recipient.Arm, Recipient.Reason


@dataclass(frozen=True)
class Plan:
    """What a launch does, or would do. The first number is the sum of the next three.

    ``smallest_detectable`` is the change in the share of buyers that these arms would
    show four times in five; None without a held-out arm or recent purchases.
    """

    n_audience: int
    n_treated: int
    n_held_out: int
    n_suppressed: dict[str, int] = field(default_factory=dict)
    n_deliveries: int = 0
    smallest_detectable: float | None = None


def preview(campaign: Campaign, now: datetime) -> Plan:
    """Say what a launch would do now; nothing is written; or Refused."""
    variants = _checked(campaign)
    suppressed = dict.fromkeys((reason for reason in Reason.values if reason), 0)
    n_treated = n_held_out = n_deliveries = 0
    for chunk in audience.chunks(campaign, after=0, at=now):
        draw = _drawn(campaign, variants, chunk, now)
        n_treated += int(draw.is_treated.sum())
        n_held_out += int((draw.arms == Arm.HELD_OUT.value).sum())
        n_deliveries += int(chunk.n_points[draw.is_treated].sum())
        for reason, n in zip(*np.unique(draw.reasons, return_counts=True), strict=True):
            if reason:
                suppressed[str(reason)] += int(n)
    n_audience = n_treated + n_held_out + sum(suppressed.values())
    share = queries.buying_share(now, campaign.window_hours)
    smallest = _smallest_detectable(share, n_held_out, n_treated)
    return Plan(n_audience, n_treated, n_held_out, suppressed, n_deliveries, smallest)


def plan(launch: Launch, held: jobs.Held, *, now: datetime) -> Plan:
    """Write a Recipient for everyone in the audience and a Delivery for the treated.

    Idempotent: the instant of planning is fixed first, people are taken by ascending
    id and each chunk commits whole, so that a plan which was killed goes on where it
    stopped and ends in the very same rows.
    """
    if is_planned(launch):
        return plan_of(launch)
    campaign = launch.campaign
    variants = _checked(campaign)
    at = launch.planned_at or now
    if launch.planned_at is None:
        held.write(planned_at=at)
    n_all = audience.members(campaign).count()
    before = launch.recipients.aggregate(last=Max("customer_id"))["last"] or 0
    done = launch.recipients.count()
    message = _("Choosing people and products")
    held.progress(done, n_all, unit=_("people"), message=message)
    for chunk in audience.chunks(campaign, after=before, at=at):
        draw = _drawn(campaign, variants, chunk, at)
        _write(launch, held, chunk, draw)
        done += chunk.customer_ids.size
        held.progress(done, n_all)
    recount(launch, held)
    return plan_of(launch)


def is_planned(launch: Launch) -> bool:
    """True once every recipient is written: only then every reason has its count."""
    return bool(launch.n_suppressed)


def plan_of(launch: Launch) -> Plan:
    """The plan of a launch that is planned."""
    n_suppressed = sum(launch.n_suppressed.values())
    return Plan(
        n_audience=launch.n_audience,
        n_treated=launch.n_audience - launch.n_held_out - n_suppressed,
        n_held_out=launch.n_held_out,
        n_suppressed=launch.n_suppressed,
        n_deliveries=launch.n_deliveries,
    )


def recount(launch: Launch, held: jobs.Held | None = None) -> None:
    """Write down how many rows a launch has: after planning, or after an erasure."""
    with transaction.atomic():
        if held is not None:
            held.guard()
        people = queries.people([launch.pk])
        counts: dict[str, Any] = {
            "n_audience": people.n_audience,
            "n_held_out": people.n_held_out,
            "n_suppressed": people.n_suppressed,
            "n_deliveries": launch.deliveries.count(),
        }
        Launch.objects.filter(pk=launch.pk).update(**counts)
    for name, value in counts.items():
        setattr(launch, name, value)


def problems(campaign: Campaign) -> list[str]:
    """Everything that keeps a campaign from being launched, in words for a person."""
    found = []
    variants = list(campaign.variants.all())
    if not variants:
        found.append(_("The campaign has no content yet: add a variant."))
    elif not sum(variant.share for variant in variants) > 0:
        found.append(_("The shares of the variants add up to nothing."))
    if not campaign.to_everyone and not campaign.segments.exists():
        found.append(_("Nobody is chosen: pick segments, or send to everyone."))
    for variant in variants:
        found.extend(
            f"{variant.name}: {problem}" for problem in content.problems(variant)
        )
    return found


def _checked(campaign: Campaign) -> list[Variant]:
    found = problems(campaign)
    if found:
        raise jobs.Refused(" ".join(found))
    return list(campaign.variants.order_by("pk"))


@dataclass(frozen=True)
class _Draw:
    """What became of each person of a chunk, one row each."""

    arms: NDArray[np.str_]
    reasons: NDArray[np.str_]
    variant_ids: NDArray[np.int64]  # 0: none
    item_ids: NDArray[np.int64]  # (people, n_products), -1 pads
    run_id: int | None

    @property
    def is_treated(self) -> NDArray[np.bool_]:
        return self.arms == Arm.TREATED.value


def _drawn(
    campaign: Campaign,
    variants: Sequence[Variant],
    chunk: audience.Chunk,
    now: datetime,
) -> _Draw:
    """Decide eligibility first and draw the arm after it, or lift would be biased."""
    n = campaign.n_products
    reasons = chunk.reasons.astype("U20")
    items = np.full((chunk.customer_ids.size, n), -1, np.int64)
    run_id = None
    eligible = np.flatnonzero(reasons == "")
    if n and eligible.size:
        ids = chunk.customer_ids[eligible]
        lists = serving.lists_for(ids, n, campaign.purpose, now=now)
        items[eligible, : lists.item_ids.shape[1]] = lists.item_ids
        run_id = lists.run_id
        without = eligible[(items[eligible] < 0).all(axis=1)]
        reasons[without] = Reason.NO_PRODUCTS.value
    buckets = assignment.bucket(chunk.customer_ids, campaign.salt)
    shares = [variant.share for variant in variants]
    drawn = assignment.assign(buckets, campaign.holdout_share, shares)
    out = np.where(reasons == "", drawn, assignment.HELD_OUT)
    arms = np.where(out >= 0, Arm.TREATED.value, Arm.HELD_OUT.value)
    arms = np.where(reasons == "", arms, Arm.SUPPRESSED.value)
    variant_ids = np.array([*(variant.pk for variant in variants), 0])[out]
    return _Draw(arms, reasons, variant_ids, items, run_id)


def _write(launch: Launch, held: jobs.Held, chunk: audience.Chunk, draw: _Draw) -> None:
    """One chunk, whole or not at all, and only while the launch is ours."""
    bounds = [int(chunk.customer_ids[0]), chunk.last_id]
    with bulk.staged(_table(chunk, draw)) as staging, transaction.atomic():
        held.guard()
        with connection.cursor() as cursor:
            cursor.execute(_recipients_sql(staging), [launch.pk])
            which: list[Any] = [launch.campaign.channel, True, launch.pk, *bounds]
            send_at = connection.ops.adapt_datetimefield_value(launch.planned_at)
            cursor.execute(
                _DELIVERIES.format(
                    delivery=Delivery._meta.db_table,
                    recipient=Recipient._meta.db_table,
                    point=ContactPoint._meta.db_table,
                    merge=Merge._meta.db_table,
                ),
                [send_at, *which, *which],
            )


def _table(chunk: audience.Chunk, draw: _Draw) -> pa.Table:
    treated = draw.is_treated
    n_items = np.where(treated, (draw.item_ids >= 0).sum(axis=1), 0)
    kept = draw.item_ids[(draw.item_ids >= 0) & treated[:, None]]
    offsets = np.concatenate([[0], n_items.cumsum()]).astype(np.int32)
    texts = pa.array(kept).cast(pa.string())
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), ", ")
    run_id = draw.run_id if draw.item_ids.shape[1] else None
    runs = np.full(treated.size, run_id or 0)
    return pa.table(
        {
            "customer_id": chunk.customer_ids,
            "arm": pa.array(draw.arms.tolist(), pa.string()),
            "variant_id": pa.array(draw.variant_ids, mask=~treated),
            "reason": pa.array(draw.reasons.tolist(), pa.string()),
            "run_id": pa.array(runs, mask=~treated | (runs == 0)),
            "item_ids": pc.binary_join_element_wise("[", joined, "]", ""),
        }
    )


def _recipients_sql(staging: str) -> str:
    json_type = Recipient._meta.get_field("item_ids").db_type(connection)
    return f"""
        INSERT INTO {Recipient._meta.db_table}
            (launch_id, customer_id, arm, variant_id, reason, run_id, item_ids)
        SELECT %s, s.customer_id, s.arm, s.variant_id, s.reason, s.run_id,
            CAST(s.item_ids AS {json_type})
        FROM {staging} s
        JOIN {Customer._meta.db_table} c ON c.id = s.customer_id
        WHERE true
        ON CONFLICT DO NOTHING
    """


# A device of somebody who went into the recipient by a merge is the recipient's.
_DELIVERIES = """
    INSERT INTO {delivery}
        (launch_id, recipient_id, contact_point_id, status, attempts,
         copies_possible, send_at, reason, provider_id)
    SELECT x.launch_id, x.id, x.point_id, 'planned', 0, 0, %s, '', ''
    FROM (
        SELECT r.launch_id, r.id, p.id AS point_id
        FROM {recipient} r
        JOIN {point} p ON p.customer_id = r.customer_id AND p.channel = %s
            AND p.is_active = %s
        WHERE r.launch_id = %s AND r.arm = 'treated'
            AND r.customer_id BETWEEN %s AND %s
        UNION ALL
        SELECT r.launch_id, r.id, p.id
        FROM {recipient} r
        JOIN {merge} m ON m.home_id = r.customer_id AND m.undone_at IS NULL
        JOIN {point} p ON p.customer_id = m.merged_id AND p.channel = %s
            AND p.is_active = %s
        WHERE r.launch_id = %s AND r.arm = 'treated'
            AND r.customer_id BETWEEN %s AND %s
    ) x
    WHERE true
    ORDER BY x.id, x.point_id
    ON CONFLICT DO NOTHING
"""


def _smallest_detectable(
    share: float | None, n_held_out: int, n_treated: int
) -> float | None:
    if share is None or not n_held_out or not n_treated:
        return None
    control, treated = (
        stats.Arm.proportion(round(share * n), n) for n in (n_held_out, n_treated)
    )
    return stats.compare(control, treated).smallest_detectable

"""What stands in a slot of the shop for one visit: decided, drawn and logged."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.utils.translation import gettext as _

from campaigns.engine import ranking
from campaigns.models import Ad, Decision, Placement
from campaigns.services import content, tracking
from segmentation import conf, queries
from segmentation.models import Identity


@dataclass(frozen=True)
class Slot:
    """One chosen ad, the chance it had, and its signed links."""

    decision_id: uuid.UUID
    ad: Ad
    propensity: float
    impression_url: str
    click_url: str


def decide(
    placement: Placement,
    *,
    identity_id: int | None,
    customer_id: int | None,
    now: datetime,
    n: int = 1,
    draw: Callable[[], float] = random.random,
) -> list[Slot]:
    """Choose up to ``n`` ads and log why; an empty list where none may stand.

    The number of queries does not depend on the ads. Every decision is logged, also
    one for nobody, with the reason why each other ad was refused.
    """
    ads = {ad.pk: ad for ad in _ads(placement)}
    visit = ranking.Visit(now=now, segments=_segments(customer_id))
    shown = _shown(identity_id, customer_id, now)
    spent = _spent(ads)
    candidates = [_candidate(ad, shown, spent) for ad in ads.values()]
    draws = [draw() for _number in range(n)]
    decided = ranking.decide(candidates, visit, draws)
    rows = _logged(placement, decided, draws, identity_id=identity_id, now=now)
    links = tracking.Links(now)
    return [
        Slot(
            decision_id=row.pk,
            ad=ads[row.ad_id],
            propensity=row.propensity,
            impression_url=links.ad_shown(row.pk),
            click_url=links.ad_clicked(row.pk, _destination(ads[row.ad_id])),
        )
        for row in rows
        if row.ad_id is not None
    ]


def reason_text(reason: str) -> str:
    """Why an ad was refused, in the reader's language."""
    return {
        "paused": _("the ad is paused"),
        "outside dates": _("it is not its time"),
        "not in segment": _("the visitor is in none of its segments"),
        "excluded": _("it is excluded for this visit"),
        "capped": _("this person has seen it often enough today"),
        "budget spent": _("all its impressions are used up"),
        "not relevant": _("its weight is 0"),
    }.get(reason, reason)


def _ads(placement: Placement) -> list[Ad]:
    rows = Ad.objects.filter(placement=placement).select_related("item")
    return list(rows.prefetch_related("segments").order_by("pk"))


def _segments(customer_id: int | None) -> frozenset[int]:
    if customer_id is None:
        return frozenset()
    return frozenset(segment.pk for segment in queries.segments_of(customer_id))


def _shown(
    identity_id: int | None, customer_id: int | None, now: datetime
) -> dict[int, int]:
    """How often this person saw each ad since midnight in the shop's time zone."""
    if identity_id is None and customer_id is None:
        return {}
    midnight = now.astimezone(conf.time_zone()).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    rows = Decision.objects.filter(shown_at__gte=midnight, ad__isnull=False)
    if customer_id is None:
        rows = rows.filter(identity_id=identity_id)
    else:
        own = Identity.objects.filter(customer=customer_id).values("pk")
        rows = rows.filter(identity_id__in=own)
    return dict(rows.order_by().values_list("ad").annotate(n=Count("pk")))


def _spent(ads: dict[int, Ad]) -> dict[int, int]:
    """Impressions so far of the ads that have a limit."""
    limited = [ad.pk for ad in ads.values() if ad.max_impressions is not None]
    rows = Decision.objects.filter(ad__in=limited, shown_at__isnull=False)
    return dict(rows.order_by().values_list("ad").annotate(n=Count("pk")))


def _candidate(
    ad: Ad, shown: dict[int, int], spent: dict[int, int]
) -> ranking.Candidate:
    left = None
    if ad.max_impressions is not None:
        left = float(ad.max_impressions - spent.get(ad.pk, 0))
    return ranking.Candidate(
        ad_id=ad.pk,
        weight=ad.weight,
        paused=not ad.is_active or not content.is_web_address(_destination(ad)),
        starts_at=ad.starts_at,
        ends_at=ad.ends_at,
        segments=frozenset(segment.pk for segment in ad.segments.all()),
        cap=ad.cap_per_day,
        times_shown=shown.get(ad.pk, 0),
        budget_left=left,
    )


def _logged(
    placement: Placement,
    decided: ranking.Decision,
    draws: list[float],
    *,
    identity_id: int | None,
    now: datetime,
) -> list[Decision]:
    considered: list[dict[str, Any]] = [
        {"ad": one.ad_id, "score": one.score} for one in decided.choices
    ]
    considered += [
        {"ad": ad_id, "refused": reason} for ad_id, reason in decided.refused.items()
    ]
    chosen: list[tuple[int | None, float]] = [
        (one.ad_id, one.propensity) for one in decided.choices
    ]
    rows = [
        Decision(
            placement=placement,
            ad_id=ad_id,
            identity_id=identity_id,
            decided_at=now,
            propensity=propensity,
            draw=drawn,
            considered=considered,
        )
        for (ad_id, propensity), drawn in zip(
            chosen or [(None, 0.0)], draws, strict=False
        )
    ]
    return Decision.objects.bulk_create(rows)


def _destination(ad: Ad) -> str:
    return content.destination(ad.link)

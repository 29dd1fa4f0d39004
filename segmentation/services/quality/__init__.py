"""What all data look like, written down as a report; who looks like no shopper."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.engine import quality
from segmentation.models import Job, Kind, QualityReport
from segmentation.services import jobs
from segmentation.services.quality import reading, verdicts

KINDS = quality.Kinds(
    view=(Kind.VIEW, Kind.CLICK),
    cart=(Kind.CART,),
    purchase=(Kind.PURCHASE,),
    search=(Kind.SEARCH,),
    done_to=(Kind.MESSAGE_ACCEPTED, Kind.AD_SHOWN),
)
KEPT_REPORTS = 20
N_STEPS = 6


def create_report(actor: Any = None) -> QualityReport:
    """Queue a look at all data; Refused while another is on its way."""
    with transaction.atomic():
        if QualityReport.objects.unfinished().exists():
            raise jobs.Refused(_("A report is already being made; wait for it."))
        return QualityReport.objects.create(
            progress_unit=_("steps"), progress_total=N_STEPS, created_by=actor
        )


def newest() -> QualityReport | None:
    """The report to show: the last one that was finished."""
    done = QualityReport.objects.filter(status=Job.Status.DONE)
    return done.order_by("-pk").first()


def look(report: QualityReport, held: jobs.Held) -> None:
    """Read everything once, count it, and renew the list of suspects."""
    now = timezone.now()
    started = time.perf_counter()
    held.progress(0, N_STEPS, message=_("Reading events"))
    table = reading.events()
    log = quality.Log.from_table(table, KINDS, conf.time_zone())
    held.progress(1, N_STEPS, message=_("Looking at times and amounts"))
    found = {
        "taken_at": now.isoformat(),
        "events": len(log),
        "days": quality.days(log, now.timestamp()),
        "kinds": quality.kinds(log),
        "times": quality.times(log, now.timestamp()),
        "doubled": quality.doubled(log),
        "out_of_range": _out_of_range(table),
    }
    del table
    held.progress(2, N_STEPS, message=_("Looking at behaviour"))
    found |= {
        "funnel": quality.funnel(log),
        "paths": quality.paths(log),
        "searches": reading.searches(),
    }
    held.progress(3, N_STEPS, message=_("Looking at customers and items"))
    found |= _spread(log)
    held.progress(4, N_STEPS, message=_("Looking for what is missing"))
    found |= {"catalogue": reading.catalogue(), "customers": reading.customers()}
    held.progress(5, N_STEPS, message=_("Looking for suspicious customers"))
    found["suspects"] = verdicts.renew(quality.find(log), held, now=now)
    found["seconds"] = round(time.perf_counter() - started, 2)
    held.write(report=found)
    held.progress(N_STEPS, N_STEPS, message=_("Done"))
    _forget_old()


def _out_of_range(table: Any) -> dict[str, Any]:
    """Of events that are no returns, which may be negative."""
    forward = table["kind"].to_numpy() != Kind.RETURN
    report = {}
    for name in ("price", "quantity", "amount"):
        amounts = quality.Amounts()
        values = np.asarray(table[name].to_pandas(), np.float64)[forward]
        amounts.add(values[np.isfinite(values)])
        report[name] = amounts.report()
    return report


def _spread(log: quality.Log) -> dict[str, Any]:
    """Sparsity, tails, cold ones and groups, those who never did anything included."""
    people, things = reading.people(), reading.things()
    own, bought = log.is_own, log.is_of(KINDS.purchase)
    per_customer = log.per_customer(own)
    per_item = log.per_item(own)
    who, what = people.ids, things.ids
    events = reading.aligned(log.customer_ids, per_customer, who)
    item_events = reading.aligned(log.item_ids, per_item, what)
    spent = log.per_customer(bought, log.amount)
    revenue = reading.aligned(log.customer_ids, spent, who)
    sold = log.per_item(bought, log.amount)
    item_revenue = reading.aligned(log.item_ids, sold, what)
    groups = {
        name: quality.representation(codes, names, events, revenue)
        for name, (codes, names) in people.groups.items()
    }
    codes, names = things.groups["category"]
    return {
        "sparsity": quality.sparsity(log, len(who), len(what)),
        "tail": {"items": quality.tail(per_item), "customers": quality.tail(events)},
        "cold": {
            "customers": quality.coldness(events),
            "items": quality.coldness(item_events),
        },
        "groups": groups,
        "categories": quality.representation(codes, names, item_events, item_revenue),
        "unknown": {
            "items": _gone(log.item, log.item_ids, what),
            "customers": _gone(log.customer, log.customer_ids, who),
        },
    }


def _gone(positions: Any, ids: Any, known: Any) -> int:
    """Events that point to a row which is not there."""
    missing = np.append(~np.isin(ids, known), False)  # position -1: points nowhere
    return int(missing[positions].sum())


def _forget_old() -> None:
    rows = QualityReport.objects.exclude(status__in=jobs.UNFINISHED)
    kept = rows.order_by("-pk").values_list("pk", flat=True)[:KEPT_REPORTS]
    rows.exclude(pk__in=list(kept)).delete()

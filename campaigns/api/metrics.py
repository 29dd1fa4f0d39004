"""What this app counts at /metrics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Q
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily

from campaigns.models import Delivery, Launch

DAYS = 7


def deliveries() -> Iterator[GaugeMetricFamily]:
    """Messages of the launches of a week, by status: old ones would only cost time."""
    found = GaugeMetricFamily(
        "strata_deliveries",
        f"Messages of launches of the last {DAYS} days, by status.",
        labels=["status"],
    )
    since = timezone.now() - timedelta(days=DAYS)
    recent = Launch.objects.filter(
        Q(status__in=(Launch.Status.QUEUED, Launch.Status.RUNNING))
        | Q(scheduled_for__gte=since)
    )
    rows = Delivery.objects.filter(launch__in=list(recent.values_list("pk", flat=True)))
    for status, n in rows.order_by().values_list("status").annotate(n=Count("pk")):
        found.add_metric([status], n)
    yield found

"""Answers from rows, for the API, the pages and campaigns."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from django.db import connection
from django.db.models import Exists, Min, OuterRef, Q

from segmentation import bulk
from segmentation.models import (
    Customer,
    Event,
    Identity,
    ImportJob,
    ImportKind,
    Item,
    Job,
    Membership,
    Merge,
    ModelRun,
    Segment,
    SegmentSet,
    Source,
    Suspicion,
    UndoJob,
)

# Customers whom an operator took out of learning.
QUARANTINED = (
    "SELECT customer_id FROM segmentation_suspicion WHERE verdict = 'quarantined'"
)
# Who does not want to be personalised, and whom somebody who does not went into.
NOT_PERSONALISED = (
    "SELECT id AS customer_id FROM segmentation_customer WHERE NOT personalised "
    "UNION SELECT m.home_id FROM segmentation_merge m "
    "JOIN segmentation_customer p ON p.id = m.merged_id "
    "WHERE m.undone_at IS NULL AND NOT p.personalised"
)
# Nothing is learned from them, and they see what everybody sees.
LEFT_OUT = f"{QUARANTINED} UNION {NOT_PERSONALISED}"

# The same of one customer ``c``, by keys.
IS_LEFT_OUT = (
    "NOT c.personalised OR EXISTS (SELECT 1 FROM segmentation_suspicion q "
    "WHERE q.customer_id = c.id AND q.verdict = 'quarantined') "
    "OR EXISTS (SELECT 1 FROM segmentation_merge m JOIN segmentation_customer p "
    "ON p.id = m.merged_id AND NOT p.personalised "
    "WHERE m.home_id = c.id AND m.undone_at IS NULL)"
)


def live_run(purpose: str) -> ModelRun | None:
    return ModelRun.objects.filter(purpose=purpose, stage=ModelRun.Stage.LIVE).first()


def best_candidate(purpose: str, task: str) -> ModelRun | None:
    """The finished run of a purpose that did best on validation, not on the test."""
    runs = [
        run
        for run in ModelRun.objects.filter(purpose=purpose, status=ModelRun.Status.DONE)
        if task in run.metrics.get("validation", {})
    ]
    return max(
        runs,
        key=lambda run: run.metrics["validation"][task]["ndcg"]["mean"],
        default=None,
    )


def customer_by_external(source: Source, external_id: str) -> Customer | None:
    identity = (
        Identity.objects.filter(source=source, external_id=external_id)
        .select_related("customer")
        .first()
    )
    return identity.customer if identity else None


def quarantined() -> np.ndarray:
    """Ids of customers whom an operator took out of learning, ascending."""
    return _ids(QUARANTINED)


def left_out() -> np.ndarray:
    """Ids of customers that training, lists and segments leave out, ascending."""
    return _ids(LEFT_OUT)


def is_left_out(customer_id: int) -> bool:
    """Whether this customer sees what everybody sees; one look by keys."""
    gone_in = Merge.objects.filter(home=OuterRef("pk"), undone_at=None)
    said_no = gone_in.filter(merged__personalised=False)
    apart = Q(personalised=False) | Q(Exists(said_no))
    apart |= Q(suspicion__verdict=Suspicion.Verdict.QUARANTINED)
    return Customer.objects.filter(apart, pk=customer_id).exists()


def _ids(sql: str) -> np.ndarray:
    ids = bulk.read(f"{sql} ORDER BY customer_id").column(0).to_numpy()
    return ids.astype(np.int64)


def identity_ids(customer_ids: np.ndarray) -> np.ndarray:
    """One identity of each customer (the first), aligned; -1 where there is none."""
    if not len(customer_ids):
        return np.empty(0, np.int64)
    rows = Identity.objects.values("customer_id").annotate(first=Min("pk"))
    if len(customer_ids) <= 1000:
        rows = rows.filter(customer_id__in=customer_ids.tolist())
    sql, params = rows.values_list("customer_id", "first").query.sql_with_params()
    found = bulk.read(sql, params)
    pairs = np.column_stack([column.to_numpy() for column in found.columns])
    return _aligned(pairs.astype(np.int64), customer_ids)


def members_of(segment_ids: Collection[int]) -> np.ndarray:
    """Customers who are in any of the segments, ascending."""
    if not segment_ids:
        return np.empty(0, np.int64)
    rows = Membership.objects.filter(segment__in=segment_ids)
    sql, params = rows.values_list("customer_id").distinct().query.sql_with_params()
    ids = bulk.read(sql, params).column(0).to_numpy()
    return np.sort(ids.astype(np.int64))


def segments_of(customer_id: int) -> list[Segment]:
    """The segments of the live sets that a customer is in."""
    return list(
        Segment.objects.filter(
            memberships__customer=customer_id,
            segment_set__stage=SegmentSet.Stage.LIVE,
        ).select_related("segment_set")
    )


def available_items() -> np.ndarray:
    """Ids of the items that are for sale, ascending."""
    sql = "SELECT id FROM segmentation_item WHERE available ORDER BY id"
    return bulk.read(sql).column(0).to_numpy().astype(np.int64)


def items_by_id(ids: Collection[int]) -> dict[int, Item]:
    rows = Item.objects.filter(pk__in=set(ids)).select_related("category")
    return {item.pk: item for item in rows}


def unfinished_imports(*, but: int | None = None) -> list[int]:
    """Imports of events that did not finish, or are being taken back, or half are.

    What they brought is not there for any reader. One that failed before it wrote, and
    one that was taken back, left nothing to hide: the list must not grow for ever.
    """
    undone = UndoJob.objects.unfinished().values("job")
    half = Q(pk__in=UndoJob.objects.begun().values("job"))
    over = (Job.Status.FAILED, Job.Status.CANCELLED)
    left_some = Q(status__in=over, chunks_applied__gt=0)
    coming = ~Q(status__in=(Job.Status.DONE, *over))
    jobs = ImportJob.objects.filter(
        coming | left_some | Q(pk__in=undone) | half,
        kind=ImportKind.EVENTS,
        is_dry_run=False,
        undone_at=None,
    )
    return [pk for pk in jobs.values_list("pk", flat=True) if pk != but]


def counts() -> dict[str, int]:
    """How much there is of what, for the start page."""
    return {
        "events": _rows_of(Event),
        "items": Item.objects.count(),
        "customers": Customer.objects.count(),
        "runs": ModelRun.objects.filter(status=ModelRun.Status.DONE).count(),
        "segments": Segment.objects.filter(
            segment_set__stage=SegmentSet.Stage.LIVE
        ).count(),
    }


def _rows_of(model: type[Event]) -> int:
    """Rows of a large table; PostgreSQL's own estimate where it has one."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                [model._meta.db_table],
            )
            estimate = cursor.fetchone()[0]
        if estimate > 100_000:
            return estimate
    return model._default_manager.count()


def _aligned(pairs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Second column of (key, value) pairs for each wanted key, -1 where missing."""
    if not len(pairs):
        return np.full(len(wanted), -1, np.int64)
    pairs = pairs[np.argsort(pairs[:, 0])]
    at = np.searchsorted(pairs[:, 0], wanted).clip(max=len(pairs) - 1)
    return np.where(pairs[at, 0] == wanted, pairs[at, 1], -1)

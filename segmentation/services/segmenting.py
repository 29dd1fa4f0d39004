"""Customers' vectors become segments: clusters, profiles, names, memberships."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from django.db import connection, transaction
from django.utils.translation import gettext as _

from segmentation import bulk, frames, queries
from segmentation.engine import clustering, profiles, recommenders
from segmentation.models import Membership, Purpose, Segment, SegmentSet
from segmentation.services import jobs, registry

PICTURE_SAMPLE = 2000
WRITE_ROWS = 50_000
DEFAULTS = {"n_clusters": "auto", "seed": 7, "unit_length": True}


def create_set(
    method: str, *, params: dict[str, Any] | None = None, actor: Any = None
) -> SegmentSet:
    """Queue a clustering; Refused when there is no such method or no taste model."""
    if method not in clustering.names():
        raise jobs.Refused(
            _("There is no method “%(name)s”; there are %(names)s.")
            % {"name": method, "names": ", ".join(clustering.names())}
        )
    if method == "reference" and "reference" not in (params or {}):
        raise jobs.Refused(
            _("Name the customer to compare with: the parameter reference, their id.")
        )
    params = DEFAULTS | (params or {})
    try:
        clustering.create(method, **params)
    except (TypeError, ValueError) as error:
        raise jobs.Refused(
            _("%(method)s cannot be set so: %(error)s")
            % {"method": method, "error": error}
        ) from error
    run = queries.live_run(Purpose.TASTE)
    if run is None:
        raise jobs.Refused(
            _("No “taste” model is live; train one first: als with purpose taste.")
        )
    return SegmentSet.objects.create(
        method=method,
        params=params,
        run=run,
        progress_unit="steps",
        created_by=actor,
    )


def build(segment_set: SegmentSet, held: jobs.Held) -> None:
    """Cluster, describe, name, write; the new set goes live when it is whole."""
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    held.progress(0, 4, message=_("Loading vectors"))
    customer_ids, vectors = _vectors(segment_set)
    seconds["load"] = time.perf_counter() - started

    started = time.perf_counter()
    held.progress(1, 4, message=_("Looking for the number of segments"))
    try:
        params = _by_row(segment_set.params, customer_ids)
        clusters = clustering.create(segment_set.method, **params).fit(vectors)
    except clustering.ClusteringRefused as error:
        raise jobs.Refused(str(error)) from error
    seconds["fit"] = time.perf_counter() - started

    started = time.perf_counter()
    held.progress(2, 4, message=_("Describing segments"))
    described = _describe(customer_ids, clusters.labels)
    seconds["describe"] = time.perf_counter() - started

    started = time.perf_counter()
    held.progress(3, 4, message=_("Writing members"))
    segments = _write_segments(segment_set, held, described)
    _write_members(held, segments, customer_ids, clusters.labels)
    seconds["write"] = time.perf_counter() - started
    _go_live(
        segment_set,
        held,
        n_customers=len(customer_ids),
        scores=clusters.scores,
        k_curve=clusters.k_curve,
        picture=_picture(vectors, clusters, segment_set.params.get("seed", 7)),
        timings={name: round(value, 3) for name, value in seconds.items()},
    )
    held.progress(4, 4, message=_("Done"))


def create_list(name: str, customer_ids: np.ndarray) -> Segment:
    """A segment of just these customers, in a set of its own that is live at once."""
    with transaction.atomic():
        made = SegmentSet.objects.create(
            name=name[:120],
            method=f"list {uuid.uuid4().hex[:8]}",
            status=SegmentSet.Status.DONE,
            stage=SegmentSet.Stage.LIVE,
            n_customers=len(customer_ids),
        )
        segment = Segment.objects.create(
            segment_set=made, label=0, name=name[:120], size=len(customer_ids)
        )
        Membership.objects.bulk_create(
            Membership(segment=segment, customer_id=pk) for pk in customer_ids.tolist()
        )
    return segment


def _vectors(segment_set: SegmentSet) -> tuple[np.ndarray, np.ndarray]:
    """Customers and their vectors in the set's run; Refused when there are none."""
    run = segment_set.run
    if run is None:
        raise jobs.Refused(_("The interest model of this set was removed; make a new."))
    try:
        model = registry.load_model(run)
    except (OSError, recommenders.artifact.BadArtifact) as error:
        raise jobs.Refused(
            _("The artifact of run %(run)d cannot be read: %(error)s")
            % {"run": run.pk, "error": error}
        ) from error
    if not model.has_vectors:
        raise jobs.Refused(
            _("Run %(run)s has no customer vectors; train als with purpose taste.")
            % {"run": run}
        )
    ids, vectors = np.asarray(model.users_.ids), np.asarray(model.user_vectors_)  # type: ignore[attr-defined]
    # The run may be older than a quarantine, a no to personalisation or an erasure,
    # which leaves ids below 0.
    kept = ~np.isin(ids, queries.left_out()) & (ids > 0)
    return ids[kept], vectors[kept]


def _by_row(params: dict[str, Any], customer_ids: np.ndarray) -> dict[str, Any]:
    """Parameters with the row of the customer that ``reference`` names by id."""
    if "reference" not in params:
        return params
    rows = np.flatnonzero(customer_ids == params["reference"])
    if not len(rows):
        raise jobs.Refused(
            _("Customer %(id)s has no vector in the interest model.")
            % {"id": params["reference"]}
        )
    return params | {"reference": int(rows[0])}


def _describe(
    customer_ids: np.ndarray, labels: np.ndarray
) -> list[profiles.SegmentProfile]:
    spent = frames.spending(customer_ids)
    return profiles.describe(
        labels,
        spent.spend,
        spent.category_names,
        revenue=spent.revenue,
        n_orders=spent.n_orders,
        words=profiles.Words(mixed=_("Mixed interests")),
    )


def _write_segments(
    segment_set: SegmentSet, held: jobs.Held, described: list[profiles.SegmentProfile]
) -> dict[int, int]:
    """The segments of the set; answers label → id. Twice gives the same rows."""
    with transaction.atomic():
        held.guard()
        for profile in described:
            Segment.objects.update_or_create(
                segment_set=segment_set,
                label=profile.label,
                defaults={
                    "name": profile.name[:120],
                    "size": profile.size,
                    "profile": asdict(profile),
                },
            )
    return dict(segment_set.segments.values_list("label", "pk"))


def _write_members(
    held: jobs.Held,
    segments: dict[int, int],
    customer_ids: np.ndarray,
    labels: np.ndarray,
) -> None:
    """Write memberships as a difference: who is there already stays untouched."""
    known = np.isin(labels, list(segments))
    label_ids = np.zeros(max(segments, default=0) + 1, np.int64)
    label_ids[list(segments)] = list(segments.values())
    pairs = pa.table(
        {
            "segment_id": label_ids[labels[known]],
            "customer_id": customer_ids[known].astype(np.int64),
        }
    )
    table = Membership._meta.db_table
    for start in range(0, pairs.num_rows, WRITE_ROWS):
        with (
            bulk.staged(pairs.slice(start, WRITE_ROWS)) as staging,
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            held.guard()
            # A customer who was erased meanwhile must not come back.
            cursor.execute(
                f"INSERT INTO {table} (segment_id, customer_id) "
                f"SELECT s.segment_id, s.customer_id FROM {staging} s "
                "JOIN segmentation_customer c ON c.id = s.customer_id "
                "WHERE true ON CONFLICT DO NOTHING"
            )


def _go_live(segment_set: SegmentSet, held: jobs.Held, **facts: Any) -> None:
    """Switch in one transaction; the former set's members stay for what used it."""
    rivals = SegmentSet.objects.filter(method=segment_set.method)
    with transaction.atomic():
        # Two sets at once: the second waits here and then sees the first as live.
        list(rivals.select_for_update().order_by("pk").values_list("pk"))
        held.guard()
        rivals.filter(stage=SegmentSet.Stage.LIVE).exclude(pk=segment_set.pk).update(
            stage=SegmentSet.Stage.RETIRED
        )
        held.write(stage=SegmentSet.Stage.LIVE, **facts)


def _picture(vectors: np.ndarray, clusters: Any, seed: int) -> dict[str, list]:
    """A sample of customers on the two directions in which they differ most (PCA)."""
    rng = np.random.default_rng(seed)
    n = min(PICTURE_SAMPLE, len(vectors))
    sample = np.sort(rng.choice(len(vectors), n, replace=False))
    rows = vectors[sample].astype(np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(length == 0, 1, length)
    rows -= rows.mean(axis=0)
    directions = np.linalg.svd(rows, full_matrices=False)[2][:2]
    x, y = (rows @ directions.T).T.round(4)
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "label": clusters.labels[sample].tolist(),
    }

"""Customers leave the segments that a model put them in."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection, transaction
from django.utils import timezone

from segmentation.models import Membership, MembershipHistory, Segment

AT_ONCE = 1000  # ids in one statement


def leave_segments(customer_ids: Collection[int]) -> int:
    """Take customers out of segments that a model made; answers how many places.

    Lists that somebody wrote by hand say nothing about interests, and stay.
    """
    every = sorted(customer_ids)
    n_left = 0
    for start in range(0, len(every), AT_ONCE):
        with transaction.atomic():
            n_left += _leave(every[start : start + AT_ONCE])
    return n_left


def _leave(ids: list[int]) -> int:
    inside = Membership.objects.filter(
        customer__in=ids, segment__segment_set__run__isnull=False
    )
    touched = list(inside.order_by().values_list("segment", flat=True).distinct())
    if not touched:
        return 0
    table, past = Membership._meta.db_table, MembershipHistory._meta.db_table
    marks = ", ".join(["%s"] * len(ids))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {past} (segment_id, customer_id, since, until) "
            f"SELECT m.segment_id, m.customer_id, m.since, %s FROM {table} m "
            "JOIN segmentation_segment g ON g.id = m.segment_id "
            "JOIN segmentation_segmentset s ON s.id = g.segment_set_id "
            f"WHERE s.run_id IS NOT NULL AND m.customer_id IN ({marks})",
            [timezone.now(), *ids],
        )
    n_left, _each = inside.delete()
    for pk in touched:
        members = Membership.objects.filter(segment=pk).count()
        Segment.objects.filter(pk=pk).update(size=members)
    return n_left

"""What an interest segment as a whole should see."""

from __future__ import annotations

from datetime import datetime

from segmentation.services.serving import popular
from segmentation.services.serving.answers import Answer, Wish
from segmentation.services.serving.personal import answered, segment_pool


class NoSuchSegment(LookupError):
    """No segment in use that may be named has this id."""


def for_segment(segment_id: int, wish: Wish, *, now: datetime) -> Answer:
    """What the lists of its members hold most; a pool of people, not of one of them."""
    segment = popular.live_segment(segment_id)
    if segment is None:
        raise NoSuchSegment(segment_id)
    pool = segment_pool(segment.pk, segment.name, wish.purpose)
    return answered(pool, wish, now=now)

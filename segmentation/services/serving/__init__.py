"""Lists as they are given out.

catalogue  items and rules in arrays, refreshed behind the requests
people     who asks, and what they did since their list was written
personal   one person's list: precomputed, folded in, of a segment, popular
items      what is like an item, and what is bought with it
segments   what a whole segment should see
many       lists of many customers, for campaigns
choosing   filters, rules, one variant each, diversity, caps
reasons    why, in one sentence
served     what was given out, so that events can name it
"""

from __future__ import annotations

from segmentation.services.serving import catalogue, popular
from segmentation.services.serving.answers import (
    Answer,
    Bulk,
    Code,
    Recommended,
    Source,
    Wish,
)
from segmentation.services.serving.items import NoSuchItem, bought_together, similar_to
from segmentation.services.serving.many import lists_for
from segmentation.services.serving.people import Person, find
from segmentation.services.serving.personal import recommend_for
from segmentation.services.serving.segments import NoSuchSegment, for_segment
from segmentation.services.serving.served import log_served

__all__ = [
    "Answer",
    "Bulk",
    "Code",
    "NoSuchItem",
    "NoSuchSegment",
    "Person",
    "Recommended",
    "Source",
    "Wish",
    "bought_together",
    "find",
    "for_segment",
    "forget",
    "lists_for",
    "log_served",
    "recommend_for",
    "similar_to",
]


def forget() -> None:
    """Forget what this process keeps of rows; it is read anew."""
    catalogue.forget()
    popular.forget()

"""A list of the recommender → what a storefront is answered."""

from __future__ import annotations

import uuid
from typing import Any

from segmentation import queries
from segmentation.services.recommending import Answer


def as_body(answer: Answer, recommendation_id: uuid.UUID) -> dict[str, Any]:
    """The answer in the shop's own item ids; a query only if a reason names an item."""
    because = {item.reason_item_id for item in answer.items if item.reason_item_id}
    named = queries.items_by_id(because) if because else {}
    return {
        "recommendation_id": recommendation_id,
        "model_run": answer.run_id,
        "source": answer.source,
        "items": [
            {
                "item_id": item.external_id,
                "score": item.score,
                "reason": {
                    "code": item.reason_code,
                    "text": item.reason_text,
                    "item_id": (
                        named[item.reason_item_id].external_id
                        if item.reason_item_id in named
                        else None
                    ),
                },
            }
            for item in answer.items
        ],
    }

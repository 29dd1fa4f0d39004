"""The toy world that every personal recommender must solve (implicit's test idea)."""

from __future__ import annotations

import numpy as np
import pandas as pd

N = 50


def frame() -> pd.DataFrame:
    """Even users took every even item but their own number, odd users every odd one.

    User u's withheld item is item u. Each cell lies on a day of its own.
    """
    users, items = np.nonzero(np.add.outer(np.arange(N), np.arange(N)) % 2 == 0)
    taken = users != items
    users, items = users[taken], items[taken]
    return pd.DataFrame(
        {
            "user_id": [f"u{row}" for row in users],
            "item_id": items,
            "weight": 1.0,
            "timestamp": 19_000.0 + (users * 7 + items * 3) % 90,
        }
    )


def ratings() -> pd.DataFrame:
    """The same with 5 for what was taken, and 1 for every second item of the others."""
    taken = frame().assign(rating=5.0)
    users, items = np.nonzero(np.add.outer(np.arange(N), np.arange(N)) % 4 == 1)
    refused = pd.DataFrame(
        {
            "user_id": [f"u{row}" for row in users],
            "item_id": items,
            "weight": 1.0,
            "timestamp": 19_000.0,
            "rating": 1.0,
        }
    )
    return pd.concat([taken, refused], ignore_index=True)


def catalogue() -> pd.DataFrame:
    """What the shop says of its items: even ones are tea, odd ones are tools."""
    kinds = ["tea" if item % 2 == 0 else "tools" for item in range(N)]
    return pd.DataFrame({"item_id": range(N), "category": kinds})

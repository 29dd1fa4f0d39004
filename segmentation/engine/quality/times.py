"""Events that cannot have happened then, or that are there twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation.engine.quality.log import EARLIEST, Log


def times(log: Log, now: float) -> dict[str, Any]:
    """Events of the future, before 1995, and of a day without an hour."""
    return {
        "future": int((log.at > now).sum()),
        "implausible": int((log.at < EARLIEST).sum()),
        "no_hour": int((~log.has_hour).sum()),
    }


def doubled(log: Log) -> int:
    """Events that are like an earlier one in everything."""
    columns = (
        "customer",
        "item",
        "kind",
        "at",
        "quantity",
        "amount",
        "order",
        "session",
    )
    frame = pd.DataFrame({name: getattr(log, name) for name in columns}, copy=False)
    # Most events differ in who and when: only the others are looked at closely.
    alike = frame.duplicated(["customer", "item", "kind", "at"], keep=False)
    return int(frame[np.asarray(alike)].duplicated().sum())

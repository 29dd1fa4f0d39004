"""Whether groups of customers or items have their share in the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from segmentation.engine.quality.log import Floats, Ints

MOST_GROUPS = 12
FEW = 5  # smaller groups are counted together: nobody shall be recognised


def representation(
    codes: Ints, names: Sequence[str], events: Floats, revenue: Floats
) -> list[dict[str, Any]]:
    """Per group: members, events, revenue as shares, and events per member beside all.

    ``codes`` is the group of each member (-1 unknown, name ""), aligned with its events
    and revenue. ``ratio`` is the group's events per member over everybody's: below 1 a
    model learns less about them. Its 95 % interval takes members as a sample of such
    (normal approximation). Small groups and those beyond the largest twelve are
    together under the name None.
    """
    known = np.bincount(codes[codes >= 0], minlength=len(names))
    ranked = np.argsort(-known, kind="stable")
    shown = [int(code) for code in ranked[:MOST_GROUPS] if known[code] >= FEW]
    others = (codes >= 0) & ~np.isin(codes, shown)
    members = [(names[code], codes == code) for code in shown]
    parts: list[tuple[str | None, Any]] = [*members, (None, others), ("", codes < 0)]
    lines = []
    for name, inside in parts:
        if inside.any():
            lines.append({"name": name, **_share(inside, events, revenue)})
    return lines


def _share(inside: Any, events: Floats, revenue: Floats) -> dict[str, Any]:
    own, n = events[inside], int(inside.sum())
    mean = events.mean() or 1.0
    error = 1.96 * own.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    ratio = own.mean() / mean
    line = {
        "n": n,
        "share": n / len(events),
        "events": float(own.sum() / (events.sum() or 1)),
        "revenue": float(revenue[inside].sum() / (revenue.sum() or 1)),
        "ratio": float(ratio),
    }
    if n > 1:
        line["low"] = float(max(ratio - error / mean, 0.0))
        line["high"] = float(ratio + error / mean)
    return line

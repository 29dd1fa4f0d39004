"""What a campaign changed, with its doubt: arms, comparison, checks, power."""

from __future__ import annotations

from campaigns.engine.stats.arms import Arm, Cuped, cuped
from campaigns.engine.stats.checking import SRM, benjamini_hochberg, holm, srm
from campaigns.engine.stats.comparing import Lift, chance_to_win, compare
from campaigns.engine.stats.power import SampleSize, sample_size

__all__ = [
    "SRM",
    "Arm",
    "Cuped",
    "Lift",
    "SampleSize",
    "benjamini_hochberg",
    "chance_to_win",
    "compare",
    "cuped",
    "holm",
    "sample_size",
    "srm",
]

"""The plan of a campaign: who gets what, and when it starts, pauses and stops."""

from __future__ import annotations

from campaigns.services.planning.drawing import (
    Plan,
    is_planned,
    plan,
    plan_of,
    preview,
    problems,
    recount,
)
from campaigns.services.planning.starting import (
    NotNow,
    cancel,
    close_cancelled,
    launch_now,
    pause,
    resume,
    schedule,
    settle,
    start_due,
)

__all__ = [
    "NotNow",
    "Plan",
    "cancel",
    "close_cancelled",
    "is_planned",
    "launch_now",
    "pause",
    "plan",
    "plan_of",
    "preview",
    "problems",
    "recount",
    "resume",
    "schedule",
    "settle",
    "start_due",
]

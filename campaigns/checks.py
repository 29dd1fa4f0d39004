"""System checks of the channels' settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks


def register_all() -> None:
    checks.register(vapid_subject_is_an_address)


def vapid_subject_is_an_address(**_: Any) -> list[checks.CheckMessage]:
    """RFC 8292 §2.1: push services want somebody they can write to."""
    subject = getattr(settings, "VAPID_SUBJECT", "mailto:operator@strata.example")
    if subject.startswith(("mailto:", "https://")):
        return []
    return [
        checks.Error(
            f"VAPID_SUBJECT is {subject!r}; push services refuse that.",
            hint="Use mailto:someone@example.org or an https:// address.",
            id="strata.E006",
        )
    ]

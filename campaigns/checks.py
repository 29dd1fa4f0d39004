"""System checks of the channels' settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks

from campaigns.channels import vapid


def register_all() -> None:
    checks.register(vapid_subject_is_an_address)
    checks.register(vapid_private_key_is_a_key)


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


def vapid_private_key_is_a_key(**_: Any) -> list[checks.CheckMessage]:
    """Found at the first launch otherwise, by every message of it."""
    key = getattr(settings, "VAPID_PRIVATE_KEY", "")
    try:
        if key:
            vapid.public_key_of(key)
        return []
    except ValueError:
        return [
            checks.Error(
                "VAPID_PRIVATE_KEY is no P-256 private key (base64url or PEM).",
                hint="Unset it to have one made, or take back the one that was used.",
                id="strata.E008",
            )
        ]

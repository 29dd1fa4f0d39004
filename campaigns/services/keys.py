"""The key that says who we are to push services, and channels ready to send."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from django.conf import settings

from campaigns import channels
from campaigns.channels import vapid
from campaigns.channels.base import Channel
from segmentation import conf


def open_channel(name: str) -> Channel:
    """A channel with this install's keys and rules."""
    if name != "webpush":
        return channels.get_channel(name)
    return channels.get_channel(
        name,
        private_key=vapid_private_key(),
        subject=getattr(settings, "VAPID_SUBJECT", "mailto:operator@strata.example"),
        allowed_origins=conf.push_test_origins(),
    )


def vapid_private_key() -> str:
    """The key that signs for us at push services; made once where none is set.

    Every subscription is bound to it: with another one all of them are lost.
    """
    named = getattr(settings, "VAPID_PRIVATE_KEY", "")
    return named or _kept(conf.home() / "vapid_private_key")


def vapid_public_key() -> str:
    """What a browser needs as ``applicationServerKey``."""
    return vapid.public_key_of(vapid_private_key())


def _kept(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # The temporary file is 0600; link() lets only one of two processes win.
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:
            file.write(vapid.generate_keys()[0])
            file.flush()
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(file.name)
    return path.read_text(encoding="ascii").strip()

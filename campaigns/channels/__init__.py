"""The ways of reaching a person: one file each, and one line in CHANNELS."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from campaigns.channels.base import Channel

CHANNELS: dict[str, tuple[_StrPromise, str]] = {
    "webpush": (_("Web Push"), "campaigns.channels.webpush.WebPush"),
    "memory": (
        _("Outbox in memory (for tests: sends nothing)"),
        "campaigns.channels.memory.Memory",
    ),
}


class UnknownChannel(LookupError):
    """No channel has this name."""


def channel_class(name: str) -> type[Channel]:
    """The class behind a name, imported on first use, or UnknownChannel."""
    if name not in CHANNELS:
        raise UnknownChannel(f"There is no channel “{name}”.")
    module, _dot, attribute = CHANNELS[name][1].rpartition(".")
    found: type[Channel] = getattr(import_module(module), attribute)
    return found


def get_channel(name: str, **settings: Any) -> Channel:
    """A channel ready to open sessions; the settings are those of its class."""
    return channel_class(name)(**settings)


def channel_choices() -> list[tuple[str, _StrPromise]]:
    """(name, label) of every channel, for a model field."""
    return [(name, label) for name, (label, _path) in CHANNELS.items()]

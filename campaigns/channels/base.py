"""The contract of a channel: an Address and a Message go in, a Receipt comes out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Self

COLLAPSE_KEY = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Urgency(StrEnum):
    """How much a device may wait to save its battery (RFC 8030 §5.3)."""

    VERY_LOW = "very-low"
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Outcome(StrEnum):
    """What became of one attempt. Only GONE ever means: forget this address."""

    ACCEPTED = "accepted"  # the provider has it
    GONE = "gone"  # the provider says the address no longer exists
    RATE_LIMITED = "rate_limited"  # not taken: slow this origin down, then again
    RETRY = "retry"  # surely not taken: again later
    UNKNOWN = "unknown"  # may have been taken: again only under the same collapse key
    TOO_LARGE = "too_large"  # this content does not fit; the address is fine
    REJECTED = "rejected"  # we asked wrongly; every other message would fail too
    CREDENTIALS = "credentials"  # the provider does not accept us: stop this origin
    UNUSABLE = "unusable"  # we refuse this address: malformed, or not a public host

    @property
    def drops_contact(self) -> bool:
        """Whether the address should be forgotten."""
        return self is Outcome.GONE

    @property
    def may_try_again(self) -> bool:
        """Whether another attempt for the same delivery makes sense."""
        return self in _AGAIN

    @property
    def stops_origin(self) -> bool:
        """Whether nothing more should go to this origin until a person has looked."""
        return self is Outcome.CREDENTIALS

    @property
    def fails_step(self) -> bool:
        """Whether the campaign itself is at fault, whoever the recipient is."""
        return self in (Outcome.REJECTED, Outcome.TOO_LARGE)


_AGAIN = frozenset({Outcome.RATE_LIMITED, Outcome.RETRY, Outcome.UNKNOWN})


class BadAddress(ValueError):
    """An address that can never be sent to; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to: an endpoint, token or e-mail address, and the keys that go with it."""

    target: str
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """What to send: JSON content, how long it stays worth showing, what it replaces.

    Raises ValueError for values that no provider would take.
    """

    payload: Mapping[str, Any]
    ttl_seconds: int
    urgency: Urgency = Urgency.NORMAL
    collapse_key: str | None = None

    def __post_init__(self) -> None:
        if self.ttl_seconds < 0:
            raise ValueError("ttl_seconds must not be negative")
        object.__setattr__(self, "urgency", Urgency(self.urgency))
        if self.collapse_key is not None and not COLLAPSE_KEY.fullmatch(
            self.collapse_key
        ):
            raise ValueError("collapse_key must be 1 to 32 URL-safe base64 characters")

    def body(self) -> bytes:
        """The payload as compact JSON in UTF-8."""
        return json.dumps(
            self.payload, ensure_ascii=False, separators=(",", ":")
        ).encode()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the provider answered to one attempt."""

    outcome: Outcome
    status: int | None = None  # of HTTP; None when no answer came or none was asked
    provider_id: str = ""
    retry_after: float | None = None  # seconds; None: wait as long as you see fit
    sample: str = ""  # the beginning of the answer, or of the error, for a person
    origin: str = ""  # what to slow down or stop, e.g. https://push.example


class Session(ABC):
    """An open wire, for use as `async with`; many sends may be in flight at once."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None

    @abstractmethod
    async def send(self, address: Address, message: Message) -> Receipt:
        """Try once; whatever wire or address do is a Receipt, never an exception."""


class Channel(ABC):
    """One way of sending; knows how to reach a provider, keeps no ledger."""

    observes_delivered: ClassVar[bool] = False  # the provider tells when it arrived
    observes_opened: ClassVar[bool] = False  # what was sent can report being opened
    collapses: ClassVar[bool] = False  # a second copy replaces the first one
    max_payload: ClassVar[int | None] = None  # bytes of Message.body()

    @abstractmethod
    def session(self) -> Session:
        """A new wire; open it inside the event loop that will use it."""

    @abstractmethod
    def check_address(self, address: Address) -> None:
        """Raise BadAddress if nothing could ever be sent there. Asks no network."""


def collapse_key(*parts: object) -> str:
    """32 URL-safe characters that stand for these parts, the same on every attempt."""
    text = "\x1f".join(map(str, parts)).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(text).digest()[:24]).decode()

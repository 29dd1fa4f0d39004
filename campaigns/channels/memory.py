"""An outbox in memory: for tests and first steps. Nothing leaves the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from campaigns.channels.base import (
    Address,
    BadAddress,
    Channel,
    Message,
    Outcome,
    Receipt,
    Session,
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One message as it would have left."""

    address: Address
    message: Message


outbox: list[Sent] = []  # of the whole process, newest last; clear it yourself


class Memory(Channel):
    """Accepts everything into `outbox`, except for targets with an answer of their own.

    `answers`: target → Receipt, for tests of what follows a refusal.
    """

    collapses: ClassVar[bool] = True
    max_payload: ClassVar[int | None] = 4096

    def __init__(self, *, answers: Mapping[str, Receipt] | None = None) -> None:
        self._answers = dict(answers or {})

    def session(self) -> MemorySession:
        """A wire that ends in the outbox."""
        return MemorySession(self, self._answers)

    def check_address(self, address: Address) -> None:
        """BadAddress for an empty target."""
        if not address.target:
            raise BadAddress("the address is empty")


class MemorySession(Session):
    """Answers at once."""

    def __init__(self, channel: Memory, answers: Mapping[str, Receipt]) -> None:
        self._channel = channel
        self._answers = answers

    async def send(self, address: Address, message: Message) -> Receipt:
        """Put the message into the outbox, or give the answer set for its target."""
        try:
            self._channel.check_address(address)
        except BadAddress as error:
            return Receipt(Outcome.UNUSABLE, sample=str(error))
        if len(message.body()) > (self._channel.max_payload or 0):
            return Receipt(Outcome.TOO_LARGE, origin="memory:")
        if address.target in self._answers:
            return self._answers[address.target]
        outbox.append(Sent(address, message))
        return Receipt(
            Outcome.ACCEPTED, provider_id=f"memory:{len(outbox)}", origin="memory:"
        )

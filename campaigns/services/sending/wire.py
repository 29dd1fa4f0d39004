"""The wire: a thread with an event loop that sends what it is given.

It knows no database. The ledger's thread puts parcels in and takes answers out, and
so neither ever waits for the other's lock.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from campaigns.channels.base import (
    Address,
    Channel,
    Message,
    Outcome,
    Receipt,
    Session,
)

log = logging.getLogger(__name__)

START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message on its way: what to send, where to, for which delivery."""

    delivery_id: int
    address: Address
    message: Message


Answer = tuple[int, Receipt]


class Wire:
    """Sends at most ``connections`` parcels at once; a context manager."""

    def __init__(self, channel: Channel, *, connections: int) -> None:
        self._channel = channel
        self._connections = connections
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result(START_SECONDS)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def put(self, parcels: Sequence[Parcel]) -> None:
        """Send these as soon as there is room."""
        self._loop.call_soon_threadsafe(self._extend, parcels)

    def answers(self, seconds: float) -> list[Answer]:
        """Every answer that is there; waits for the first at most so long."""
        found: list[Answer] = []
        try:
            found.append(self._answers.get(timeout=seconds))
            while True:
                found.append(self._answers.get_nowait())
        except queue.Empty:
            if not found and not self._thread.is_alive():
                raise RuntimeError("the wire's thread has died") from None
        return found

    def take_back(self) -> list[int]:
        """The deliveries that have not begun; they are not sent any more."""
        return asyncio.run_coroutine_threadsafe(self._drained(), self._loop).result()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            else:
                log.exception("the wire broke")

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._todo: asyncio.Queue[Parcel] = asyncio.Queue()
        self._stopped = asyncio.Event()
        async with self._channel.session() as session:
            senders = [
                asyncio.create_task(self._send_all(session))
                for _number in range(self._connections)
            ]
            self._ready.set_result(None)
            await self._stopped.wait()
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)

    async def _send_all(self, session: Session) -> None:
        while True:
            parcel = await self._todo.get()
            try:
                receipt = await session.send(parcel.address, parcel.message)
            except Exception as error:  # a channel's bug must not stop the others
                log.exception("a channel raised instead of answering")
                receipt = Receipt(Outcome.REJECTED, sample=f"{error!r}"[:200])
            self._answers.put((parcel.delivery_id, receipt))

    def _extend(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            self._todo.put_nowait(parcel)

    async def _drained(self) -> list[int]:
        taken = []
        while not self._todo.empty():
            taken.append(self._todo.get_nowait().delivery_id)
        return taken

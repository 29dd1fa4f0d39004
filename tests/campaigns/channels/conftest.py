"""A push service that fails in every way, on a free port of loopback."""

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from campaigns.channels import vapid
from campaigns.channels.base import Address, Message
from campaigns.channels.webpush import WebPush, Wire


@dataclass
class FaultServer:
    """Answers POST /STATUS with that status; POST /hang, /reset … misbehave."""

    origin: str = ""
    seen: list = field(default_factory=list)  # (kind, headers, body)
    headers: dict = field(default_factory=dict)  # sent with every plain status
    at_once: int = 0
    most_at_once: int = 0
    connections: Counter = field(default_factory=Counter)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def push(self, request: web.Request) -> web.StreamResponse:
        kind = request.match_info["kind"]
        self.seen.append((kind, dict(request.headers), await request.read()))
        self.connections[request.transport.get_extra_info("peername")] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(kind, request)
        finally:
            self.at_once -= 1

    async def _answer(self, kind: str, request: web.Request) -> web.StreamResponse:
        if kind.isdigit():
            return web.Response(
                status=int(kind), headers=self.headers, text=f"because {kind}"
            )
        if kind == "slow":
            await asyncio.sleep(0.1)
            return web.Response(status=201, headers={"Location": "/messages/slow"})
        if kind == "reset":
            request.transport.abort()
        if kind == "endless":
            answer = web.StreamResponse(status=410)
            await answer.prepare(request)
        await self.released.wait()  # "hang" and "endless" end when the test does
        return web.Response(status=201)


@pytest.fixture
def fault_server():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = FaultServer()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=10)

    async def start():
        app = web.Application()
        app.router.add_post("/{kind}", server.push)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def stop():
        server.released.set()
        await runner.cleanup()

    runner = run(start())
    yield server
    run(stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=10)
    loop.close()


@pytest.fixture(scope="session")
def vapid_keys():
    return vapid.generate_keys()


@pytest.fixture(scope="session")
def browser_key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def keys(browser_key):
    """The `keys` of a subscription."""
    p256dh = vapid.b64url(vapid.point(browser_key.public_key()))
    return {"p256dh": p256dh, "auth": vapid.b64url(b"sixteen bytes ok")}


@pytest.fixture
def channel(fault_server, vapid_keys):
    return WebPush(
        private_key=vapid_keys[0],
        subject="mailto:shop@strata.example",
        allowed_origins=[fault_server.origin],
        wire=Wire(connections=4, connect_seconds=1, answer_seconds=0.5),
    )


@pytest.fixture
def send(channel, fault_server, keys):
    """Send one message to /KIND of the fault server and give the receipt."""

    def _send(kind, message=None, *, channel=channel):
        address = Address(f"{fault_server.origin}/{kind}", keys)
        return send_all(channel, [(address, message or MESSAGE)])[0]

    return _send


MESSAGE = Message({"title": "Three for you"}, ttl_seconds=3600)


def send_all(channel, pairs):
    async def run():
        async with channel.session() as session:
            return await asyncio.gather(*(session.send(*pair) for pair in pairs))

    return asyncio.run(run())


@pytest.fixture(name="send_all")
def _send_all():
    return send_all

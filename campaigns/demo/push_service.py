"""A push service and the browsers behind it, on loopback. For demo and tests only.

It plays both ends that Strata never sees: user agents that subscribe and keep their
private keys, and the service that takes pushes for them. Every push is checked as a
strict service would (RFC 8030, RFC 8292) and then decrypted as the browser would
(RFC 8291 §3.4), by code that shares nothing with the sender, so that a push which
arrives here is one that a real browser could read. Subscriptions survive a restart;
delivered messages do not.

    python -m campaigns.demo.push_service --port 8090 --data FOLDER

prints one JSON line with its origin when it is ready, and then serves:

    POST   /subscribe              {"device": …} or {"devices": […]}, and optionally
                                   "application_server_key"; the same device gets the
                                   same subscription again
    DELETE /subscriptions/TOKEN    the user agent unsubscribes: pushes get 410
    POST   /push/TOKEN             the push itself
    GET    /delivered?since=N      messages after number N, `limit` at most
    GET    /stats                  counters
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from campaigns.demo.user_agents import CURVE, UserAgent, b64url_decode

MAX_BODY = 4096
MAX_DEVICES = 50_000
PAGE = 1000

_DAY = 86_400
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
_COUNTED = (
    *("accepted", "copies", "replaced"),
    *("bad_requests", "bad_vapid", "decrypt_failures", "unknown", "gone"),
)
_URGENCIES = {"very-low", "low", "normal", "high"}
_VAPID = re.compile(r"vapid\s+(.*)", re.IGNORECASE)


class Refused(Exception):
    """A push that is not taken: HTTP status, what /stats counts it as, why."""

    def __init__(self, status: int, counted_as: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.counted_as, self.reason = status, counted_as, reason


class PushService:
    """All user agents and what was delivered to them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.origin = ""  # set when the port is known
        self.counts: Counter[str] = Counter()
        self._path = folder / "user_agents.jsonl"
        self._agents: dict[str, UserAgent] = {}
        self._by_device: dict[tuple[str, str], UserAgent] = {}
        self._messages: list[bytes | None] = []  # JSON; None: replaced unread
        self._n_read = 0
        self._good_tokens: dict[str, tuple[float, str]] = {}  # header → (exp, key)
        self._load()

    def subscribe(self, devices: list[str], server_key: str) -> list[dict[str, Any]]:
        """A subscription for each device, as `pushManager.subscribe` returns it."""
        lines = []
        for device in devices:
            if (device, server_key) not in self._by_device:
                agent = UserAgent.new(device, server_key)
                self._keep(agent)
                lines.append(agent.to_line())
        self._append("".join(lines))
        return [
            self._by_device[device, server_key].subscription(self.origin)
            for device in devices
        ]

    def unsubscribe(self, token: str) -> bool:
        """Make later pushes get 410; False if there is no such subscription."""
        agent = self._agents.get(token)
        if agent is None or agent.gone:
            return False
        self._forget(agent)
        self._append(json.dumps({"token": token, "gone": True}) + "\n")
        return True

    def deliver(self, token: str, headers: Any, body: bytes) -> int:
        """Take one push and return its number; Refused says what is wrong with it."""
        agent = self._agents.get(token)
        if agent is None:
            raise Refused(404, "unknown", "no such subscription")
        if agent.gone:
            raise Refused(410, "gone", "the user agent has unsubscribed")
        topic = _checked_headers(headers, body)
        self._check_vapid(headers.get("Authorization", ""), agent)
        try:
            payload = json.loads(agent.decrypt(body))
        except ValueError as error:
            raise Refused(400, "decrypt_failures", str(error)) from error
        return self._store(agent, topic, payload)

    def delivered(self, since: int, limit: int) -> tuple[list[bytes], int]:
        """Unreplaced messages after number `since`, and the number to go on from."""
        end = min(len(self._messages), max(since, 0) + limit)
        self._n_read = max(self._n_read, end)
        return [m for m in self._messages[max(since, 0) : end] if m is not None], end

    def stats(self) -> dict[str, int]:
        """How many of what: subscriptions, and pushes by how they ended."""
        active = sum(not agent.gone for agent in self._agents.values())
        return {"subscriptions": active} | {
            name: self.counts[name] for name in _COUNTED
        }

    def _store(self, agent: UserAgent, topic: str, payload: Any) -> int:
        number = len(self._messages) + 1
        row = {
            "number": number,
            "device": agent.device,
            "token": agent.token,
            "topic": topic,
            "received_at": time.time(),
            "copy": False,
            "payload": payload,
        }
        before = agent.last_by_topic.get(topic) if topic else None
        if before is not None:
            # A second copy. Unread, it replaces the first; read, the person sees both.
            row["copy"] = True
            self.counts["copies"] += 1
            if before > self._n_read:
                self._messages[before - 1] = None
                self.counts["replaced"] += 1
        if topic:
            agent.last_by_topic[topic] = number
        self._messages.append(json.dumps(row, ensure_ascii=False).encode())
        self.counts["accepted"] += 1
        return number

    def _check_vapid(self, header: str, agent: UserAgent) -> None:
        now = time.time()
        expires, key = self._good_tokens.get(header, (0.0, ""))
        if expires <= now:
            expires, key = _verified_vapid(header, self.origin, now)
            if len(self._good_tokens) >= 100:
                self._good_tokens.clear()
            self._good_tokens[header] = (expires, key)
        if agent.server_key and key != agent.server_key:
            raise Refused(403, "bad_vapid", "not the key that was subscribed with")

    def _keep(self, agent: UserAgent) -> None:
        self._agents[agent.token] = agent
        self._by_device[agent.device, agent.server_key] = agent

    def _forget(self, agent: UserAgent) -> None:
        agent.gone = True
        self._by_device.pop((agent.device, agent.server_key), None)

    def _append(self, lines: str) -> None:
        if lines:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(lines)

    def _load(self) -> None:
        text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        for line in text.splitlines():
            # A kill may have cut a line; its device was never answered, and asks again.
            with contextlib.suppress(json.JSONDecodeError, KeyError):
                row = json.loads(line)
                if row.get("gone"):
                    self._forget(self._agents[row["token"]])
                else:
                    self._keep(UserAgent.from_row(row))
        if text and not text.endswith("\n"):
            self._append("\n")


_SERVICE = web.AppKey("service", PushService)


def make_app(service: PushService) -> web.Application:
    """The HTTP face of a service."""
    app = web.Application(client_max_size=16 * 2**20)
    app[_SERVICE] = service
    app.router.add_post("/subscribe", _subscribe)
    app.router.add_delete("/subscriptions/{token}", _unsubscribe)
    app.router.add_post("/push/{token}", _push)
    app.router.add_get("/delivered", _delivered)
    app.router.add_get("/stats", _stats)
    return app


async def start(folder: Path, *, port: int = 0) -> tuple[PushService, web.AppRunner]:
    """Serve on 127.0.0.1 in the running loop; clean up the runner to stop."""
    service = PushService(folder)
    runner = web.AppRunner(make_app(service), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    service.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return service, runner


@contextlib.contextmanager
def running(folder: Path, *, port: int = 0) -> Iterator[PushService]:
    """The service in a thread of this process, for tests; see `service.origin`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        service, runner = asyncio.run_coroutine_threadsafe(
            start(folder, port=port), loop
        ).result(timeout=30)
        try:
            yield service
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop (SIGTERM, SIGINT)."""
    parser = argparse.ArgumentParser(
        prog="python -m campaigns.demo.push_service",
        description="A push service with browsers on loopback; demo and tests only.",
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--data", type=Path, required=True, help="where keys are kept")
    options = parser.parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.data, options.port))


async def _serve(folder: Path, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service, runner = await start(folder, port=port)
    sys.stdout.write(json.dumps({"ready": True, "origin": service.origin}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await runner.cleanup()


async def _subscribe(request: web.Request) -> web.Response:
    try:
        asked = await request.json()
        one = "device" in asked
        devices = [asked["device"]] if one else asked["devices"]
        server_key = (asked.get("application_server_key") or "").rstrip("=")
    except (ValueError, KeyError, TypeError, AttributeError):
        devices, server_key = [], ""
    if not _are_names(devices):
        return _problem(400, f"give a device, or at most {MAX_DEVICES} devices")
    found = request.app[_SERVICE].subscribe(devices, server_key)
    return web.json_response(found[0] if one else {"subscriptions": found}, status=201)


async def _unsubscribe(request: web.Request) -> web.Response:
    if not request.app[_SERVICE].unsubscribe(request.match_info["token"]):
        return _problem(404, "no such subscription")
    return web.Response(status=204)


async def _push(request: web.Request) -> web.Response:
    service, token = request.app[_SERVICE], request.match_info["token"]
    body = await request.read()
    try:
        number = service.deliver(token, request.headers, body)
    except Refused as refused:
        service.counts[refused.counted_as] += 1
        return _problem(refused.status, refused.reason)
    location = f"{service.origin}/messages/{number}"
    headers = {"Location": location, "TTL": request.headers["TTL"]}
    return web.Response(status=201, headers=headers)


async def _delivered(request: web.Request) -> web.Response:
    try:
        since = int(request.query.get("since", 0))
        limit = min(max(int(request.query.get("limit", PAGE)), 1), 10 * PAGE)
    except ValueError:
        return _problem(400, "since and limit are whole numbers")
    messages, last = request.app[_SERVICE].delivered(since, limit)
    body = b'{"last":%d,"messages":[%s]}' % (last, b",".join(messages))
    return web.Response(body=body, content_type="application/json")


async def _stats(request: web.Request) -> web.Response:
    return web.json_response(request.app[_SERVICE].stats())


def _checked_headers(headers: Any, body: bytes) -> str:
    """The topic, or ""; Refused if a header or the size is not as RFC 8030 wants."""
    ttl, topic = headers.get("TTL", ""), headers.get("Topic", "")
    if not (ttl.isascii() and ttl.isdigit()):
        raise Refused(400, "bad_requests", "TTL is missing or not a number")
    if headers.get("Content-Encoding") != "aes128gcm":
        raise Refused(400, "bad_requests", "the content encoding is not aes128gcm")
    if topic and not _TOPIC.fullmatch(topic):
        raise Refused(400, "bad_requests", "Topic is not 32 URL-safe characters")
    if headers.get("Urgency", "normal") not in _URGENCIES:
        raise Refused(400, "bad_requests", "this Urgency does not exist")
    if len(body) > MAX_BODY:
        raise Refused(413, "bad_requests", f"more than {MAX_BODY} bytes")
    return str(topic)


def _verified_vapid(header: str, origin: str, now: float) -> tuple[float, str]:
    """(exp, k) of a good Authorization header; Refused says what is wrong with it."""
    found = _VAPID.fullmatch(header)
    if found is None:
        raise Refused(401, "bad_vapid", "there is no VAPID authorization")
    pairs = (part.strip().partition("=") for part in found[1].split(","))
    given = {name: value for name, _equals, value in pairs}
    try:
        point = b64url_decode(given.get("k", ""))
        key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)
        claims = jwt.decode(
            given.get("t", ""),
            key,
            algorithms=["ES256"],
            audience=origin,
            options={"require": ["aud", "exp", "sub"]},
        )
    except (jwt.InvalidTokenError, ValueError) as error:
        raise Refused(403, "bad_vapid", f"the token is not valid: {error}") from error
    if claims["exp"] > now + _DAY:
        raise Refused(403, "bad_vapid", "the token is good for more than a day")
    if not claims["sub"].startswith(("mailto:", "https:")):
        raise Refused(403, "bad_vapid", "sub is neither mailto: nor https:")
    return float(claims["exp"]), given["k"]


def _problem(status: int, reason: str) -> web.Response:
    return web.json_response({"reason": reason}, status=status)


def _are_names(devices: Any) -> bool:
    return (
        isinstance(devices, list)
        and 0 < len(devices) <= MAX_DEVICES
        and all(isinstance(device, str) for device in devices)
    )


if __name__ == "__main__":
    main()

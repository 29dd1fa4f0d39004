"""Web Push without a vendor: RFC 8030 over HTTP, encrypted by RFC 8291."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import ClassVar, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from yarl import URL

from campaigns.channels import addresses
from campaigns.channels.base import (
    Address,
    BadAddress,
    Channel,
    Message,
    Outcome,
    Receipt,
    Session,
)
from campaigns.channels.vapid import CURVE, Vapid, b64url_decode, point

RECORD_BYTES = 4096  # what every push service takes (RFC 8030 §7.2)
MAX_PLAINTEXT = 3993  # RECORD_BYTES - header 86 - delimiter 1 - tag 16
MAX_RETRY_AFTER = 24 * 3600.0
SAMPLE_BYTES = 300

_OUTCOMES = {
    201: Outcome.ACCEPTED,
    202: Outcome.ACCEPTED,
    401: Outcome.CREDENTIALS,
    403: Outcome.CREDENTIALS,
    404: Outcome.GONE,
    406: Outcome.RATE_LIMITED,  # Edge's service says 406 where RFC 8030 says 429
    408: Outcome.RETRY,
    410: Outcome.GONE,
    413: Outcome.TOO_LARGE,
    429: Outcome.RATE_LIMITED,
}


@dataclass(frozen=True, slots=True)
class Wire:
    """How much at once, and for how long we wait."""

    connections: int = 64
    connect_seconds: float = 10.0  # name, TCP and TLS together
    answer_seconds: float = 30.0  # everything, from the name to the last byte
    pad_to: int = 0  # plaintext bytes; equal lengths say less about their content


class WebPush(Channel):
    """Sends to the push service that a browser named in its subscription.

    An Address has the endpoint as target, and `p256dh` and `auth` as keys. ValueError
    if the key pair or the subject cannot be used.
    """

    observes_opened: ClassVar[bool] = True  # the service worker reports the click
    collapses: ClassVar[bool] = True
    max_payload: ClassVar[int | None] = MAX_PLAINTEXT

    def __init__(
        self,
        *,
        private_key: str,
        subject: str,
        allowed_origins: Iterable[str] = (),
        wire: Wire | None = None,
        resolver: AbstractResolver | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.vapid = Vapid(private_key, subject, clock=clock)
        self.allowed_origins = addresses.origins(allowed_origins)
        self.wire = wire or Wire()
        self.resolver = resolver
        self.clock = clock

    def session(self) -> WebPushSession:
        """A pool of connections to push services."""
        return WebPushSession(self)

    def check_address(self, address: Address) -> None:
        """BadAddress if the endpoint is not allowed or a key is not one."""
        _Target.of(address, self.allowed_origins)


class WebPushSession(Session):
    """At most `wire.connections` requests at once; the rest wait for their turn."""

    def __init__(self, channel: WebPush) -> None:
        self._channel = channel
        self._wire = channel.wire
        self._turns = asyncio.Semaphore(channel.wire.connections)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=addresses.connector(
                allowed_origins=self._channel.allowed_origins,
                limit=self._wire.connections,
                resolver=self._channel.resolver,
            ),
            timeout=aiohttp.ClientTimeout(
                total=self._wire.answer_seconds, connect=self._wire.connect_seconds
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # we read a sample, no service's zip bomb
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._http.close()

    async def send(self, address: Address, message: Message) -> Receipt:
        """Encrypt and post once."""
        try:
            target = _Target.of(address, self._channel.allowed_origins)
        except BadAddress as error:
            return Receipt(Outcome.UNUSABLE, sample=str(error))
        plaintext = message.body()
        if len(plaintext) > MAX_PLAINTEXT:
            sample = f"{len(plaintext)} bytes, {MAX_PLAINTEXT} fit"
            return Receipt(Outcome.TOO_LARGE, sample=sample, origin=target.origin)
        # The turn is taken before the time-outs start, so none is spent in a queue.
        async with self._turns:
            return await self._post(target, plaintext, message)

    async def _post(
        self, target: _Target, plaintext: bytes, message: Message
    ) -> Receipt:
        body = encrypt(plaintext, target.p256dh, target.auth, pad_to=self._wire.pad_to)
        headers = {
            "Authorization": self._channel.vapid.authorization(target.origin),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(message.ttl_seconds),
            "Urgency": message.urgency.value,
        }
        if message.collapse_key is not None:
            headers["Topic"] = message.collapse_key
        try:
            async with self._http.post(
                target.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return await self._receipt(answer, target.origin)
        except addresses.UnsafeEndpoint as error:
            outcome, sample = Outcome.UNUSABLE, str(error)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            outcome, sample = Outcome.RETRY, _words(error)
        except (aiohttp.ClientError, OSError) as error:
            # The request may have arrived before the line went dead (TimeoutError too).
            outcome, sample = Outcome.UNKNOWN, _words(error)
        return Receipt(outcome, sample=sample, origin=target.origin)

    async def _receipt(self, answer: aiohttp.ClientResponse, origin: str) -> Receipt:
        outcome = _outcome(answer.status)
        sample = b""
        if outcome is not Outcome.ACCEPTED:
            # The status counts even if its body never comes.
            with contextlib.suppress(aiohttp.ClientError, OSError):
                sample = await answer.content.read(SAMPLE_BYTES)
        return Receipt(
            outcome,
            status=answer.status,
            provider_id=answer.headers.get("Location", "")[:500],
            retry_after=retry_after(
                answer.headers.get("Retry-After"), now=self._channel.clock()
            ),
            sample=sample.decode("utf-8", "replace"),
            origin=origin,
        )


def encrypt(
    plaintext: bytes,
    p256dh: bytes,
    auth: bytes,
    *,
    pad_to: int = 0,
    ephemeral: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """One aes128gcm record for one user agent (RFC 8291 §3.4, RFC 8188 §2).

    `ephemeral` and `salt` must never be used twice: give them in tests only.
    """
    if len(plaintext) > MAX_PLAINTEXT:
        raise ValueError(f"at most {MAX_PLAINTEXT} bytes fit, not {len(plaintext)}")
    ua_public = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, p256dh)
    as_private = ephemeral or ec.generate_private_key(CURVE)
    as_public = point(as_private.public_key())
    salt = salt or os.urandom(16)
    ecdh_secret = as_private.exchange(ec.ECDH(), ua_public)
    ikm = _hkdf(auth, ecdh_secret, b"WebPush: info\0" + p256dh + as_public, 32)
    key = _hkdf(salt, ikm, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(salt, ikm, b"Content-Encoding: nonce\0", 12)
    padding = bytes(max(0, min(pad_to, MAX_PLAINTEXT) - len(plaintext)))
    record = AESGCM(key).encrypt(nonce, plaintext + b"\2" + padding, None)
    size = RECORD_BYTES.to_bytes(4, "big")
    return b"".join((salt, size, bytes([len(as_public)]), as_public, record))


def retry_after(value: str | None, *, now: float) -> float | None:
    """Seconds to wait by a Retry-After header, at most a day; None without one."""
    if not value:
        return None
    try:
        seconds = float(min(int(value), int(MAX_RETRY_AFTER)))
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


@dataclass(frozen=True, slots=True)
class _Target:
    """An address that passed every check."""

    url: URL
    origin: str
    p256dh: bytes
    auth: bytes

    @classmethod
    def of(cls, address: Address, allowed_origins: frozenset[str]) -> _Target:
        """Check endpoint and keys; BadAddress says which is wrong."""
        url = addresses.parse_endpoint(address.target, allowed_origins=allowed_origins)
        try:
            p256dh = b64url_decode(address.keys["p256dh"])
            auth = b64url_decode(address.keys["auth"])
        except (KeyError, ValueError) as error:
            raise BadAddress(
                "the subscription's keys are missing or not b64"
            ) from error
        if len(auth) != 16:
            raise BadAddress("the subscription's auth secret is not 16 bytes")
        if len(p256dh) != 65:
            raise BadAddress("the subscription's p256dh is not an uncompressed point")
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(CURVE, p256dh)
        except ValueError as error:
            raise BadAddress("the subscription's p256dh is not on P-256") from error
        return cls(url, addresses.origin_of(url), p256dh, auth)


def _outcome(status: int) -> Outcome:
    if status >= 500:
        return Outcome.RETRY
    # Whatever else it says, redirects included, is our mistake, not the person's.
    return _OUTCOMES.get(status, Outcome.REJECTED)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:SAMPLE_BYTES]


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)

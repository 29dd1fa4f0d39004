"""The browser side of Web Push: user agents with their keys. For demo and tests only.

Decryption here is written from RFC 8291 and RFC 8188 alone and shares nothing with the
sender, so that the two can prove each other wrong.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = ec.SECP256R1()


@dataclass(slots=True)
class UserAgent:
    """A browser's subscription with what only the browser knows."""

    token: str
    device: str
    private_key: ec.EllipticCurvePrivateKey
    public_point: bytes
    auth: bytes
    server_key: str = ""  # the applicationServerKey it subscribed with, if any
    gone: bool = False
    last_by_topic: dict[str, int] = field(default_factory=dict)

    @classmethod
    def new(cls, device: str, server_key: str) -> UserAgent:
        """A user agent with keys of its own."""
        private = ec.generate_private_key(CURVE)
        return cls(
            token=secrets.token_urlsafe(18),
            device=device,
            private_key=private,
            public_point=_public_point(private),
            auth=secrets.token_bytes(16),
            server_key=server_key,
        )

    def subscription(self, origin: str) -> dict[str, Any]:
        """What the page gets, as `PushSubscription.toJSON` writes it."""
        keys = {"p256dh": b64url(self.public_point), "auth": b64url(self.auth)}
        return {
            "endpoint": f"{origin}/push/{self.token}",
            "expirationTime": None,
            "keys": keys,
        }

    def to_line(self) -> str:
        """What a restart needs, as a line of JSON."""
        number = self.private_key.private_numbers().private_value
        row = {
            "token": self.token,
            "device": self.device,
            "private": b64url(number.to_bytes(32, "big")),
            "auth": b64url(self.auth),
            "server_key": self.server_key,
        }
        return json.dumps(row) + "\n"

    @classmethod
    def from_row(cls, row: dict[str, str]) -> UserAgent:
        """The user agent that to_line wrote."""
        number = int.from_bytes(b64url_decode(row["private"]), "big")
        private = ec.derive_private_key(number, CURVE)
        return cls(
            token=row["token"],
            device=row["device"],
            private_key=private,
            public_point=_public_point(private),
            auth=b64url_decode(row["auth"]),
            server_key=row["server_key"],
        )

    def decrypt(self, body: bytes) -> bytes:
        """The plaintext of one aes128gcm record (RFC 8291 §3.4); or ValueError."""
        if len(body) < 21 or body[20] != 65 or len(body) < 86 + 18:
            raise ValueError("the header is not that of RFC 8291")
        salt, sender = body[:16], body[21:86]
        if not len(body) - 86 <= int.from_bytes(body[16:20], "big"):
            raise ValueError("there is more than one record")
        sender_key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender)
        shared = self.private_key.exchange(ec.ECDH(), sender_key)
        info = b"WebPush: info\x00" + self.public_point + sender
        # RFC 5869 in its one-block form: expand is a single HMAC up to 32 bytes.
        secret = _hmac(_hmac(self.auth, shared), info + b"\x01")
        pseudo_random = _hmac(salt, secret)
        key = _hmac(pseudo_random, b"Content-Encoding: aes128gcm\x00\x01")[:16]
        nonce = _hmac(pseudo_random, b"Content-Encoding: nonce\x00\x01")[:12]
        try:
            padded = AESGCM(key).decrypt(nonce, body[86:], None)
        except InvalidTag as error:
            raise ValueError("the record is not for this subscription") from error
        content = padded.rstrip(b"\x00")
        if content[-1:] != b"\x02":
            raise ValueError("the record is not the last one")
        return content[:-1]


def _public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.sha256)


def b64url(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_decode(text: str) -> bytes:
    """The bytes of URL-safe base64 with or without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

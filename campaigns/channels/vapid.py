"""Who we are to a push service: VAPID key pairs and signed tokens (RFC 8292)."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

CURVE = ec.SECP256R1()
TOKEN_SECONDS = 12 * 3600  # Apple refuses more than a day, RFC 8292 §2 too

_TOKENS_KEPT = 1000


class Vapid:
    """Signs one token per origin and keeps it while it is good."""

    def __init__(
        self, private_key: str, subject: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        if not subject.startswith(("mailto:", "https:")):
            raise ValueError("the VAPID subject must begin with mailto: or https:")
        self._key = _private_key(private_key)
        self._subject = subject
        self._clock = clock
        self._tokens: dict[str, tuple[float, str]] = {}  # origin → (renew at, header)
        self.public_key = b64url(point(self._key.public_key()))

    def authorization(self, origin: str) -> str:
        """The Authorization header for one origin, signed again after half its life."""
        now = self._clock()
        renew_at, header = self._tokens.get(origin, (0.0, ""))
        if now < renew_at:
            return header
        # A fresh dict each time: sharing claims would carry one origin's to the next.
        claims = {
            "aud": origin,
            "exp": int(now) + TOKEN_SECONDS,
            "sub": self._subject,
        }
        token = jwt.encode(claims, self._key, algorithm="ES256")
        header = f"vapid t={token},k={self.public_key}"
        if len(self._tokens) >= _TOKENS_KEPT:
            self._tokens.clear()
        self._tokens[origin] = (now + TOKEN_SECONDS / 2, header)
        return header


def generate_keys() -> tuple[str, str]:
    """A new pair (private, public) in URL-safe base64; browsers get the public one."""
    private = ec.generate_private_key(CURVE)
    number = private.private_numbers().private_value
    return b64url(number.to_bytes(32, "big")), b64url(point(private.public_key()))


def public_key_of(private_key: str) -> str:
    """The public half as a browser's `applicationServerKey` wants it; or ValueError."""
    return b64url(point(_private_key(private_key).public_key()))


def b64url(data: bytes) -> str:
    """URL-safe base64 without padding, as all these RFCs write it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_decode(text: str) -> bytes:
    """The bytes of URL-safe base64, padded or not; ValueError if it is none."""
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars="-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("this is not URL-safe base64") from error


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The 65 bytes of an uncompressed public point (SEC 1 §2.3.3)."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """A P-256 private key from PEM, or from the 32 bytes in URL-safe base64."""
    try:
        if "-----BEGIN" in text:
            key = load_pem_private_key(text.encode(), None)
        else:
            number = b64url_decode(text.strip())
            if len(number) != 32:  # a part of one would be a key too: another's
                raise ValueError("a P-256 key has 32 bytes")
            key = ec.derive_private_key(int.from_bytes(number, "big"), CURVE)
    except (ValueError, TypeError) as error:
        raise ValueError("the VAPID private key cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != CURVE.name:
        raise ValueError("the VAPID private key is not on P-256")
    return key

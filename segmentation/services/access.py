"""Who calls the API: keys of a storefront, and tokens that vouch for one customer.

A key is looked up on every call, so its row is kept for ``KEEP_SECONDS`` in each
process; a revoked key stops working everywhere within that time. Customer tokens are
JWTs (RFC 7519) under HS256, signed with rows of SigningSecret: the newest one signs,
every one that is not retired verifies.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import jwt
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.models import ApiKey, SigningSecret, Source

KEEP_SECONDS = 5.0
MAX_KEPT = 1000
TOKEN_SECONDS = 3600
AUDIENCE = "strata-customer"
ALGORITHM = "HS256"
CLOCK_SKEW_SECONDS = 5

T = TypeVar("T")


class Scope(models.TextChoices):
    """What a call is for. A key may be limited to some of these."""

    EVENTS = "events", gettext_lazy("report events")
    SUBSCRIPTIONS = "subscriptions", gettext_lazy("push subscriptions")
    LISTS = "lists", gettext_lazy("read recommendations")
    ADS = "ads", gettext_lazy("read ad placements")
    SEGMENTS = "segments", gettext_lazy("read segments and who is in them")
    CONSENTS = "consents", gettext_lazy("record consents")
    TOKENS = "tokens", gettext_lazy("issue customer tokens")
    PRIVACY = "privacy", gettext_lazy("export and erase customers")


# What a browser may ever do, whatever its key's row says.
IN_A_BROWSER = frozenset({Scope.EVENTS, Scope.SUBSCRIPTIONS, Scope.LISTS, Scope.ADS})


class BadToken(Exception):
    """A customer token that is expired, forged or not for this shop."""


@dataclass(frozen=True)
class Key:
    """What a call needs to know of its API key."""

    pk: int
    name: str
    source: Source
    is_publishable: bool
    scopes: frozenset[str]
    origins: frozenset[str]
    rate_per_minute: int
    is_authenticated: bool = True  # what Django REST framework asks of a user

    def may(self, scope: str) -> bool:
        return scope in self.scopes


def key_of(text: str) -> Key | None:
    """The active key with this text, or None; no query within KEEP_SECONDS."""
    key_hash = ApiKey.hash_of(text)
    return _keys.get(key_hash, lambda: _read_key(key_hash))


def known_origins() -> frozenset[str]:
    """Origins that at least one active publishable key allows (for CORS)."""
    return _origins.get("", _read_origins) or frozenset()


def issue_token(
    source: Source, external_id: str, *, now: datetime, seconds: int = TOKEN_SECONDS
) -> tuple[str, datetime]:
    """A token that lets a browser act for one customer, and when it ends."""
    signer = signing_secret()
    ends_at = now.replace(microsecond=0) + timedelta(
        seconds=min(seconds, TOKEN_SECONDS)
    )
    claims = {
        "aud": AUDIENCE,
        "src": source.name,
        "sub": external_id,
        "iat": int(now.timestamp()),
        "exp": int(ends_at.timestamp()),
    }
    headers = {"kid": signer.key_id}
    text = jwt.encode(claims, signer.secret, algorithm=ALGORITHM, headers=headers)
    return text, ends_at


def customer_of_token(text: str, source: Source) -> str:
    """The external id that a token vouches for in this source, or BadToken."""
    try:
        key_id = jwt.get_unverified_header(text).get("kid")
        secret = secret_of(str(key_id)) if key_id else None
        if secret is None:
            raise BadToken(_("The customer token is signed with an unknown secret."))
        claims = jwt.decode(
            text,
            secret,
            algorithms=[ALGORITHM],  # pinned: the token does not choose
            audience=AUDIENCE,
            leeway=CLOCK_SKEW_SECONDS,
            options={"require": ["aud", "exp", "iat", "sub"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise BadToken(_("The customer token has expired.")) from error
    except jwt.PyJWTError as error:
        raise BadToken(_("The customer token is not valid.")) from error
    if claims.get("src") != source.name:
        raise BadToken(_("The customer token is for another source of customers."))
    if claims["exp"] - claims["iat"] > TOKEN_SECONDS:
        raise BadToken(_("The customer token is valid for more than an hour."))
    return claims["sub"]


def signing_secret() -> SigningSecret:
    """The secret that signs now; the first one is made when there is none."""
    signer = _signers.get("", _newest_secret)
    assert signer is not None
    return signer


def secret_of(key_id: str) -> str | None:
    """The text of a secret that may still verify, or None."""
    if not key_id.isalnum():  # none of ours; NUL would be an error of PostgreSQL's
        return None
    return _secrets.get(key_id, lambda: _read_secret(key_id))


def rotate_secret() -> SigningSecret:
    """Make a new secret that signs from now on; older ones still verify."""
    made = SigningSecret.objects.create(
        key_id=secrets.token_hex(8), secret=secrets.token_urlsafe(48)
    )
    _signers.clear()
    return made


def retire_secret(key_id: str, *, now: datetime) -> None:
    """Stop trusting what a secret has signed, everywhere within KEEP_SECONDS."""
    SigningSecret.objects.filter(key_id=key_id).update(retired_at=now)
    _signers.clear()
    _secrets.clear()


def forget() -> None:
    """Forget what this process keeps: keys, origins, secrets."""
    for kept in (_keys, _origins, _signers, _secrets):
        kept.clear()


class _Kept(Generic[T]):
    """Answers of the database, each kept for KEEP_SECONDS in this process."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[float, T]] = {}

    def get(self, name: str, read: Callable[[], T | None]) -> T | None:
        row = self._rows.get(name)
        now = time.monotonic()
        if row is not None and now < row[0]:
            return row[1]
        found = read()
        if found is None:  # not kept: anybody can make up any number of wrong names
            self._rows.pop(name, None)
            return None
        if len(self._rows) >= MAX_KEPT:
            self._rows.clear()
        self._rows[name] = (now + KEEP_SECONDS, found)
        return found

    def clear(self) -> None:
        self._rows.clear()


_keys: _Kept[Key] = _Kept()
_origins: _Kept[frozenset[str]] = _Kept()
_signers: _Kept[SigningSecret] = _Kept()
_secrets: _Kept[str] = _Kept()


def _read_key(key_hash: str) -> Key | None:
    rows = ApiKey.objects.select_related("source")
    row = rows.filter(key_hash=key_hash, is_active=True).first()
    return _as_key(row) if row else None


def _read_origins() -> frozenset[str]:
    rows = ApiKey.objects.filter(is_active=True, kind=ApiKey.Kind.PUBLISHABLE)
    lists = rows.values_list("allowed_origins", flat=True)
    return frozenset(_origin(text) for texts in lists for text in texts)


def _read_secret(key_id: str) -> str | None:
    rows = SigningSecret.objects.filter(key_id=key_id, retired_at__isnull=True)
    row = rows.first()
    return row.secret if row else None


def _newest_secret() -> SigningSecret:
    usable = SigningSecret.objects.filter(retired_at__isnull=True)
    return usable.order_by("-created_at", "-pk").first() or _first_secret()


def _first_secret() -> SigningSecret:
    """Two processes that find no secret agree on one: they try the same key id."""
    retired = SigningSecret.objects.filter(retired_at__isnull=False)
    last = retired.order_by("-pk").values_list("pk", flat=True).first()
    made, _created = SigningSecret.objects.get_or_create(
        key_id=f"s{last or 0}", defaults={"secret": secrets.token_urlsafe(48)}
    )
    return made


def _as_key(row: ApiKey) -> Key:
    publishable = row.kind == ApiKey.Kind.PUBLISHABLE
    possible = IN_A_BROWSER if publishable else frozenset(Scope.values)
    return Key(
        pk=row.pk,
        name=row.name,
        source=row.source,
        is_publishable=publishable,
        scopes=possible & frozenset(row.scopes) if row.scopes else possible,
        origins=frozenset(_origin(text) for text in row.allowed_origins),
        rate_per_minute=row.rate_per_minute,
    )


def _origin(text: str) -> str:
    """As a browser writes it: lower case, no slash at the end."""
    return str(text).strip().rstrip("/").lower()

"""Who calls the API: keys of a storefront, and tokens that vouch for one customer.

A key is looked up on every call, so its row is kept for ``KEEP_SECONDS`` in each
process; a revoked key stops working everywhere within that time. Customer tokens are
JWTs (RFC 7519) under HS256, signed with rows of SigningSecret: the newest one signs,
every one that is not retired verifies.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.models import ApiKey, SigningSecret, Source

KEEP_SECONDS = 5.0
MAX_KEPT = 1000
TOKEN_SECONDS = 3600
AUDIENCE = "strata-customer"
ALGORITHM = "HS256"
CLOCK_SKEW_SECONDS = 5


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
    kept = _keys.get(key_hash)
    if kept is None or kept[0] <= time.monotonic():
        row = (
            ApiKey.objects.select_related("source")
            .filter(key_hash=key_hash, is_active=True)
            .first()
        )
        if row is None:  # not kept: anybody can make up any number of wrong keys
            _keys.pop(key_hash, None)
            return None
        kept = _keep(_keys, key_hash, _as_key(row))
    return kept[1]


def known_origins() -> frozenset[str]:
    """Origins that at least one active publishable key allows (for CORS)."""
    kept = _origins.get("")
    if kept is None or kept[0] <= time.monotonic():
        rows = ApiKey.objects.filter(is_active=True, kind=ApiKey.Kind.PUBLISHABLE)
        lists = rows.values_list("allowed_origins", flat=True)
        found = frozenset(_origin(text) for texts in lists for text in texts)
        kept = _keep(_origins, "", found)
    return kept[1]


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
    kept = _signers.get("")
    if kept is None or kept[0] <= time.monotonic():
        usable = SigningSecret.objects.filter(retired_at__isnull=True)
        newest = usable.order_by("-created_at", "-pk").first()
        kept = _keep(_signers, "", newest or _first_secret())
    return kept[1]


def secret_of(key_id: str) -> str | None:
    """The text of a secret that may still verify, or None."""
    kept = _secrets.get(key_id)
    if kept is None or kept[0] <= time.monotonic():
        row = SigningSecret.objects.filter(key_id=key_id, retired_at__isnull=True)
        secret = row.first()
        if secret is None:
            _secrets.pop(key_id, None)
            return None
        kept = _keep(_secrets, key_id, secret.secret)
    return kept[1]


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


def _first_secret() -> SigningSecret:
    """Two processes that find no secret agree on one: they try the same key id."""
    last = SigningSecret.objects.order_by("-pk").values_list("pk", flat=True).first()
    made, _created = SigningSecret.objects.get_or_create(
        key_id=f"s{(last or 0) + 1}",
        defaults={
            "secret": secrets.token_urlsafe(48),
            "created_at": timezone.now(),
        },
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


_keys: dict[str, tuple[float, Key]] = {}
_origins: dict[str, tuple[float, frozenset[str]]] = {}
_signers: dict[str, tuple[float, SigningSecret]] = {}
_secrets: dict[str, tuple[float, str]] = {}


def _keep(kept: dict, name: str, value):  # noqa: ANN001, ANN202
    if len(kept) >= MAX_KEPT:
        kept.clear()
    kept[name] = (time.monotonic() + KEEP_SECONDS, value)
    return kept[name]

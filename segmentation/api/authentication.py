"""Who calls: ``Authorization: Bearer KEY``, and in a browser ``X-Customer-Token``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from segmentation.api.problems import Problem
from segmentation.models import Identity
from segmentation.services import access, identities, serving

TOKEN_HEADER = "X-Customer-Token"


class KeyAuthentication(BaseAuthentication):
    """``request.user`` becomes the ``access.Key`` of the call."""

    def authenticate(self, request: Request) -> tuple[access.Key, None] | None:
        word, _space, text = request.headers.get("Authorization", "").partition(" ")
        if not word:
            return None
        if word.lower() != "bearer":
            raise Problem(401, "bad-key", _("Send the key as “Bearer KEY”."))
        key = access.key_of(text.strip())
        if key is None:
            raise Problem(401, "bad-key", _("No active key has this text."))
        if key.is_publishable:
            _check_origin(request, key)
        return key, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="strata"'


class HasScope(BasePermission):
    """The key may do what the view is for (``view.scope``)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        key = request.user
        if not isinstance(key, access.Key):
            return False  # answered as "no-key"
        if key.may(view.scope):
            return True
        if key.is_publishable and view.scope not in access.IN_A_BROWSER:
            raise Problem(
                403, "server-key-needed", _("A publishable key may not do this.")
            )
        raise Problem(
            403,
            "missing-scope",
            _("The key does not have the scope “%(scope)s”.") % {"scope": view.scope},
        )


@dataclass(frozen=True)
class Person:
    """Whom a call is about, as far as its key may say so."""

    customer: str | None
    visitor: str | None

    def identity(self, key: access.Key) -> Identity | None:
        """The identity, if it is known already and the key may read about it."""
        found = identities.find(key.source, self.customer, self.visitor)
        return found if found and self._may_be_read(found, key) else None

    def known(self, key: access.Key, purpose: str = "") -> serving.Person | None:
        """The same as ``serving`` wants it, in one query with what their list lacks."""
        found = serving.find(key.source, self.customer, self.visitor, purpose)
        if found is None or self.customer or not key.is_publishable:
            return found
        return None if found.is_named else found

    def new_identity(self, key: access.Key) -> Identity | None:
        """The same, made if need be: for calls that count what a person has seen."""
        if not self.customer and not self.visitor:
            return None
        # Reading about a visitor who came along with a customer links nobody.
        visitor = None if self.customer else self.visitor
        try:
            found = identities.resolve(key.source, self.customer, visitor)
        except identities.BadId as error:
            raise Problem(400, "invalid", str(error)) from error
        return found if self._may_be_read(found, key) else None

    def _may_be_read(self, found: Identity, key: access.Key) -> bool:
        """Without a token a browser reads only about anonymous visitors.

        A visitor id that belongs to somebody by now does not open that person's lists.
        """
        if self.customer or not key.is_publishable:
            return True
        return not identities.is_known(found)


def person(request: Request, customer: str | None, visitor: str | None) -> Person:
    """Whom the call names; in a browser a customer needs their own token."""
    key: access.Key = request.user
    if not key.is_publishable:
        return Person(customer or None, visitor or None)
    vouched = _vouched(request, key)
    if customer and vouched is None:
        raise Problem(
            403,
            "other-customer",
            _("With a publishable key a customer needs the header %(header)s.")
            % {"header": TOKEN_HEADER},
        )
    if customer and customer != vouched:
        raise Problem(
            403, "other-customer", _("The customer token is for another customer.")
        )
    return Person(vouched, visitor or None)


def _vouched(request: Request, key: access.Key) -> str | None:
    """The customer of the token that the call carries, if it carries one."""
    text = request.headers.get(TOKEN_HEADER)
    if not text:
        return None
    try:
        return access.customer_of_token(text, key.source)
    except access.BadToken as error:
        raise Problem(401, "bad-token", str(error)) from error


def _check_origin(request: Request, key: access.Key) -> None:
    """A browser names its origin on every call but a plain GET to its own host."""
    origin = request.headers.get("Origin")
    if origin is None and request.method in SAFE_METHODS:
        return
    if origin is None or origin.lower() not in key.origins:
        raise Problem(
            403,
            "bad-origin",
            _("“%(origin)s” is not among the allowed origins of this key.")
            % {"origin": origin or ""},
        )

"""Errors as problem documents (RFC 9457): one shape for everything that goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.db import OperationalError
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, serializers, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:strata:problem:"
RETRY_SECONDS = 5

# Kind of problem → its title. The kind is the stable end of ``type``.
TITLES = {
    "invalid": gettext_lazy("The request has values that cannot be used"),
    "not-json": gettext_lazy("The body is not JSON"),
    "no-key": gettext_lazy("An API key is needed"),
    "bad-key": gettext_lazy("The API key is not valid"),
    "bad-token": gettext_lazy("The customer token is not valid"),
    "missing-scope": gettext_lazy("The API key may not do this"),
    "server-key-needed": gettext_lazy("Only a server key may do this"),
    "bad-origin": gettext_lazy("The API key may not be used from this origin"),
    "other-customer": gettext_lazy("The call is about somebody else"),
    "forbidden": gettext_lazy("This is not allowed"),
    "not-found": gettext_lazy("There is no such thing"),
    "bad-method": gettext_lazy("This address does not know the method"),
    "not-acceptable": gettext_lazy("Only JSON can be answered"),
    "no-length": gettext_lazy("The length of the body is not given"),
    "too-large": gettext_lazy("The body is too large"),
    "bad-media-type": gettext_lazy("Only JSON is read"),
    "rate-limited": gettext_lazy("Too many calls"),
    "unavailable": gettext_lazy("The database does not answer at the moment"),
    "broken": gettext_lazy("Something went wrong on our side"),
}

KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (exceptions.ValidationError, 400, "invalid"),
    (exceptions.ParseError, 400, "not-json"),
    (RecursionError, 400, "not-json"),  # brackets in brackets, thousands deep
    (exceptions.NotAuthenticated, 401, "no-key"),
    (exceptions.AuthenticationFailed, 401, "bad-key"),
    (exceptions.PermissionDenied, 403, "forbidden"),
    (PermissionDenied, 403, "forbidden"),
    (exceptions.NotFound, 404, "not-found"),
    (Http404, 404, "not-found"),
    (exceptions.MethodNotAllowed, 405, "bad-method"),
    (exceptions.NotAcceptable, 406, "not-acceptable"),
    (exceptions.UnsupportedMediaType, 415, "bad-media-type"),
    (exceptions.Throttled, 429, "rate-limited"),
)


class Problem(exceptions.APIException):
    """A refusal with a kind of its own; the detail is a sentence for people."""

    def __init__(self, status_code: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status_code = status_code
        self.kind = kind


class FieldErrorSerializer(serializers.Serializer):
    field = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer):
    """A problem document (RFC 9457)."""

    type = serializers.CharField(help_text=gettext_lazy("Names the kind of problem."))
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = FieldErrorSerializer(many=True, required=False)


def problem_response(exc: Exception, context: Mapping[str, Any]) -> Response:
    """The exception handler of every API view; an unforeseen error tells nothing."""
    set_rollback()
    if isinstance(exc, Problem):
        return _response(exc.status_code, exc.kind, str(exc.detail), exc)
    for kind_of_error, code, kind in KINDS:
        if isinstance(exc, kind_of_error):
            errors = None
            if isinstance(exc, exceptions.ValidationError):
                errors = list(_field_errors(exc.detail))
            return _response(code, kind, _sentence(exc, errors), exc, errors)
    request = context.get("request")
    log.error("An API call failed", exc_info=exc)
    if isinstance(exc, OperationalError):  # away, or locked for too long
        return _response(503, "unavailable", _("Try again in a few seconds."), exc)
    # Error trackers listen to this; it is what Django's own handler would send.
    got_request_exception.send(sender=None, request=getattr(request, "_request", None))
    return _response(500, "broken", _("The call failed; it was written to the log."))


def documented(*codes: int) -> dict[tuple[int, str], type[ProblemSerializer]]:
    """What can go wrong with any call, and what else with this one, for OpenAPI."""
    every = {400, 401, 403, 404, 405, 406, 429, 500, 503, *codes}
    return {(code, MEDIA_TYPE): ProblemSerializer for code in sorted(every)}


def _response(
    code: int,
    kind: str,
    detail: str,
    exc: Exception | None = None,
    errors: list[dict[str, str]] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": TYPE + kind,
        "title": str(TITLES[kind]),
        "status": code,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    headers = {}
    if code == status.HTTP_401_UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="strata"'
    if isinstance(exc, exceptions.Throttled) and exc.wait:
        headers["Retry-After"] = str(int(exc.wait))
    if code == status.HTTP_503_SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return Response(body, status=code, headers=headers, content_type=MEDIA_TYPE)


def _sentence(exc: Exception, errors: list[dict[str, str]] | None) -> str:
    if errors:
        return "; ".join(
            f"{error['field']}: {error['message']}" for error in errors[:5]
        )
    detail = getattr(exc, "detail", None) or str(exc)
    return str(detail) or _("There is nothing at this address.")


def _field_errors(detail: Any, field: str = "") -> Iterator[dict[str, str]]:
    """Nested details of a serializer, flattened: {"a": {"b": [x]}} → a.b: x."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            inside = f"{field}.{name}" if field else str(name)
            if field and name == "non_field_errors":  # of the whole: of the field
                inside = field
            yield from _field_errors(inner, inside)
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            nested = isinstance(inner, dict)
            inside = f"{field}.{position}" if nested and field else field
            yield from _field_errors(inner, inside)
    else:
        yield {"field": field or "non_field_errors", "message": str(detail)}

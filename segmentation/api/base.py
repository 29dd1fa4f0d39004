"""What every call of the API has in common, in either app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from drf_spectacular.openapi import AutoSchema
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from segmentation.api import problems
from segmentation.api.authentication import TOKEN_HEADER, HasScope, KeyAuthentication
from segmentation.api.throttling import KeyRate
from segmentation.services import access

PLAIN_ACCEPT = (None, "*/*", "application/json")
PREFLIGHT_SECONDS = 600
ALLOWED_HEADERS = f"Authorization, Content-Type, {TOKEN_HEADER}"
EXPOSED_HEADERS = (
    "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
)


class OnlyJson(DefaultContentNegotiation):
    """There is one renderer; what most callers send needs no weighing."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        accepted = request.META.get("HTTP_ACCEPT")
        if accepted in PLAIN_ACCEPT and "format" not in request.META["QUERY_STRING"]:
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)


class StorefrontView(APIView):
    """A call with an API key.

    It says itself what it needs: in a host project the REST settings are the host's.
    """

    scope: ClassVar[str]
    authentication_classes = (KeyAuthentication,)
    permission_classes = (HasScope,)
    throttle_classes = (KeyRate,)
    renderer_classes = (JSONRenderer,)
    parser_classes = (JSONParser,)
    content_negotiation_class = OnlyJson
    metadata_class = None
    schema = AutoSchema()

    rate_headers: dict[str, str]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if (
            request.method == "OPTIONS"
            and "Access-Control-Request-Method" in request.headers
        ):
            return self._preflight(request)
        self.rate_headers = {}
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        _check_size(request)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "private, no-store")
        for name, value in self.rate_headers.items():
            answer.headers[name] = value
        _allow_origin(request, answer)
        return answer

    def get_exception_handler(self) -> Callable[..., Response]:
        return problems.problem_response

    def _preflight(self, request: HttpRequest) -> HttpResponse:
        """A browser asks before it calls; it sends no key yet, so any key's origin."""
        answer = HttpResponse(status=204)
        if _allow_origin(request, answer):
            answer.headers["Access-Control-Allow-Methods"] = ", ".join(
                self.allowed_methods
            )
            answer.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            answer.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return answer


def _check_size(request: Request) -> None:
    """REST framework reads the stream itself, past Django's own limit."""
    size = request.META.get("CONTENT_LENGTH")
    if not size and "chunked" in request.headers.get("Transfer-Encoding", ""):
        # WSGI would show such a body as an empty one.
        raise problems.Problem(
            411, "no-length", _("Send the body with a Content-Length.")
        )
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if limit is not None and int(size or 0) > limit:
        raise problems.Problem(
            413,
            "too-large",
            _("The body may have at most %(limit)d bytes.") % {"limit": limit},
        )


def _allow_origin(request: HttpRequest | Request, answer: HttpResponse) -> bool:
    """Let a page of a known origin read the answer; its key was checked by itself."""
    patch_vary_headers(answer, ("Origin",))
    origin = request.headers.get("Origin")
    if origin is None or origin.lower() not in access.known_origins():
        return False
    answer.headers["Access-Control-Allow-Origin"] = origin
    answer.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    return True

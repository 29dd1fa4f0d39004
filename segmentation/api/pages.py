"""The API's description of itself, offline: OpenAPI document and pages to try it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from segmentation.api.base import StorefrontView
from segmentation.api.problems import problem_response


class KeyScheme(OpenApiAuthenticationExtension):
    """How a key is sent, for the OpenAPI document."""

    target_class = "segmentation.api.authentication.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


def only_ours(endpoints: list[tuple]) -> list[tuple]:
    """In a host project the document tells of Strata's calls, not of the host's."""
    return [
        endpoint
        for endpoint in endpoints
        if issubclass(getattr(endpoint[3], "cls", object), StorefrontView)
    ]


class Schema(SpectacularAPIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    custom_settings = {
        "TITLE": "Strata",
        "VERSION": "1",
        "SCHEMA_PATH_PREFIX": "/api/v1",
        "PREPROCESSING_HOOKS": ["segmentation.api.pages.only_ours"],
    }


class Docs(SpectacularSwaggerView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    url_name = "api-schema"
    title = "Strata"


class Nowhere(APIView):
    """Every other address under the API: a problem document, not a page."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    metadata_class = None
    schema = None

    def get_exception_handler(self) -> Any:
        return problem_response

    def http_method_not_allowed(
        self, request: Request, *args: Any, **kwargs: Any
    ) -> Response:
        raise NotFound

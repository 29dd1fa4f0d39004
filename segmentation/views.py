"""Pages of this app outside of the admin: plotly's own script, served by us."""

from __future__ import annotations

import gzip
from functools import lru_cache
from importlib import metadata

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET
from plotly.offline import get_plotlyjs


@require_GET
@cache_control(public=True, max_age=31_536_000)
def plotly_script(request: HttpRequest) -> HttpResponse:
    """The script inside the plotly package: nothing is fetched from elsewhere."""
    etag = f'"plotly-{metadata.version("plotly")}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    headers = {"ETag": etag, "Vary": "Accept-Encoding"}
    kind = "text/javascript; charset=utf-8"
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return HttpResponse(_squeezed(), content_type=kind, headers=headers)
    return HttpResponse(get_plotlyjs(), content_type=kind, headers=headers)


@lru_cache(maxsize=1)
def _squeezed() -> bytes:
    return gzip.compress(get_plotlyjs().encode(), 6)

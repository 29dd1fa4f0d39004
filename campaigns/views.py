"""Public pages: signed tracking links, unsubscribing, the browser's push worker."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from campaigns.services import tracking
from campaigns.services.tracking import Use
from segmentation.services import personalisation

# One transparent pixel, for impressions counted by an image.
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c"
    "00000000010001000002014c003b"
)
ROBOTS = re.compile(
    r"bot\b|crawl|spider|slurp|preview|facebookexternalhit|whatsapp|scanner|monitor",
    re.IGNORECASE,
)
AHEAD = re.compile(r"prefetch|prerender|preview", re.IGNORECASE)


# The token in the address is what allows this; RFC 8058 forbids asking for more.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tracked(request: HttpRequest, use: str, token: str) -> HttpResponse:
    """Count what a signed link stands for and lead where it says."""
    now = timezone.now()
    try:
        link = tracking.read(use, token, now=now)
    except tracking.Expired:
        return _page(request, "link_over", status=410, is_expired=True)
    except tracking.BadLink:
        return _page(request, "link_over", status=404, is_expired=False)
    if link.use is Use.UNSUBSCRIBE:
        return _unsubscribe(request, link)
    if not is_ahead_or_robot(request):
        tracking.count(link, now=now)
    if link.use is Use.CLICKED:
        return HttpResponseRedirect(link.destination)
    if link.use is Use.IMPRESSION:
        return HttpResponse(PIXEL, content_type="image/gif")
    return HttpResponse(status=204)


@require_GET
@cache_control(max_age=300)
def push_worker(request: HttpRequest) -> HttpResponse:
    """The service worker's script; a shop's own worker may import it."""
    response = render(
        request, "campaigns/push_worker.js", content_type="text/javascript"
    )
    response["Service-Worker-Allowed"] = "/"
    return response


def is_ahead_or_robot(request: HttpRequest) -> bool:
    """True for who only looks ahead or is no person: led on, but not counted."""
    if request.method == "HEAD":
        return True
    headers = request.headers
    ahead = (headers.get(name, "") for name in ("Purpose", "Sec-Purpose", "X-Moz"))
    if any(AHEAD.search(value) for value in ahead):
        return True
    return bool(ROBOTS.search(headers.get("User-Agent", "")))


def _unsubscribe(request: HttpRequest, link: tracking.Link) -> HttpResponse:
    """Ask on GET, which robots follow too; do it on POST.

    Mail programs post nothing that we ask for (RFC 8058): that takes back the consent.
    """
    now = timezone.now()
    wish = request.POST.get("personalisation")
    if wish in ("no", "yes"):
        tracking.personalise(link, wish == "yes", now=now)
    elif request.method == "POST":
        tracking.unsubscribe(link, now=now)
    customer = tracking.recipient_of(link)
    return _page(
        request,
        "unsubscribe",
        is_done=request.method == "POST" and wish not in ("no", "yes"),
        is_noted=wish in ("no", "yes"),
        knows=customer is not None,
        is_personalised=customer and personalisation.is_personalised(customer),
    )


def _page(
    request: HttpRequest, name: str, *, status: int = 200, **context: Any
) -> HttpResponse:
    return render(request, f"campaigns/{name}.html", context, status=status)

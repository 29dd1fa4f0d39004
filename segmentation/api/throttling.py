"""How many calls a key may make in a minute, counted in Django's cache."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.core.cache import cache
from redis import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from segmentation.services import access

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60


class KeyRate(BaseThrottle):
    """A fixed window per key and minute: one increment a call."""

    reset_seconds = WINDOW_SECONDS

    def allow_request(self, request: Request, view: Any) -> bool:
        key = request.user
        if not isinstance(key, access.Key):
            return True
        window, passed = divmod(int(time.time()), WINDOW_SECONDS)
        self.reset_seconds = WINDOW_SECONDS - passed
        n_calls = _count(f"strata-rate:{key.pk}:{window}")
        left = max(key.rate_per_minute - n_calls, 0)
        view.rate_headers = {
            "X-RateLimit-Limit": str(key.rate_per_minute),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(self.reset_seconds),
        }
        return n_calls <= key.rate_per_minute

    def wait(self) -> float:
        return self.reset_seconds


def _count(name: str) -> int:
    """Count one more call; a broken cache lets calls through rather than refuse all."""
    try:
        if cache.add(name, 1, timeout=2 * WINDOW_SECONDS):
            return 1
        return cache.incr(name)
    except ValueError:  # it ran out between the two
        return 1
    except (OSError, RedisError):
        log.warning("Calls are not counted: the cache does not answer", exc_info=True)
        return 0

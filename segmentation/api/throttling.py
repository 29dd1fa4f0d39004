"""How many calls a key may make in a minute, counted in Django's cache."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from redis import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from segmentation.services import access

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60
PORTIONS = 100


class KeyRate(BaseThrottle):
    """A fixed window per key and minute, shared by all processes.

    A process tells the cache of its calls in portions of a hundredth of what the key
    may: a trip to the cache with each call would cost more than most calls do. So a key
    may go over its rate by one hundredth a process, and keys of low rates by nothing.
    """

    reset_seconds = WINDOW_SECONDS

    def allow_request(self, request: Request, view: Any) -> bool:
        key = request.user
        if not isinstance(key, access.Key):
            return True
        window, passed = divmod(int(time.time()), WINDOW_SECONDS)
        self.reset_seconds = WINDOW_SECONDS - passed
        n_calls = _counted(key, window)
        left = max(key.rate_per_minute - n_calls, 0)
        view.rate_headers = {
            "X-RateLimit-Limit": str(key.rate_per_minute),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(self.reset_seconds),
        }
        return n_calls <= key.rate_per_minute

    def wait(self) -> float:
        return self.reset_seconds


@dataclass
class _Window:
    """What this process knows of a key's calls in a minute, and has not told yet."""

    number: int
    n_all: int = 0
    n_untold: int = 0


_windows: dict[int, _Window] = {}
_lock = threading.Lock()


def _counted(key: access.Key, number: int) -> int:
    """Count one more call; answers how many there were in this minute."""
    portion = max(1, key.rate_per_minute // PORTIONS)
    with _lock:
        known = _windows.get(key.pk)
        is_new = known is None or known.number != number
        if known is None or is_new:
            known = _windows[key.pk] = _Window(number)
        known.n_untold += 1
        if not is_new and known.n_untold < portion:
            return known.n_all + known.n_untold
        told, known.n_untold = known.n_untold, 0
    known.n_all = _count(f"strata-rate:{key.pk}:{number}", told)
    return known.n_all


def _count(name: str, n: int) -> int:
    """Tell of n more calls; a broken cache lets all through, not none."""
    try:
        if cache.add(name, n, timeout=2 * WINDOW_SECONDS):
            return n
        return cache.incr(name, n)
    except ValueError:  # it ran out between the two
        return n
    except (OSError, RedisError):
        log.warning("Calls are not counted: the cache does not answer", exc_info=True)
        return 0

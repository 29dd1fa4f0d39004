"""What was given out, kept so that events can name it, without a write a request.

A list's id carries the key of its row and a mark that only this install can make. So
an event may name a list whose row is not written yet, in whatever process it arrives,
and naming one takes no query. Rows are written a few times a second, many at once. A
killed process loses the last second of them: its lists are then counted as given out
by nobody, and their events still lead to the same key.
"""

from __future__ import annotations

import atexit
import hashlib
import itertools
import logging
import os
import secrets
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection, connections, transaction
from django.utils import timezone

from segmentation.models import ServedList
from segmentation.services.serving.answers import Answer

log = logging.getLogger(__name__)

WRITE_SECONDS = 0.5
AT_ONCE = 500
MOST_WAITING = 20_000  # the database is away: the oldest are given up
EPOCH_MS = 1_577_836_800_000  # 2020
MARK_BITS = 59
# RFC 9562, version 8: 48 bits of ours, the version, 12, the variant, 62.
VERSION, VARIANT = 8 << 76, 2 << 62
LOW_62, LOW_12 = (1 << 62) - 1, (1 << 12) - 1


class _Writer:
    """One thread of this process that writes what waits; begun at the first row."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MOST_WAITING)
        self._pid = 0
        self._lock = threading.Lock()

    def add(self, fields: dict[str, Any]) -> None:
        self._waiting.append(fields)
        if self._pid != os.getpid():  # after a fork there is no thread
            self._begin()

    def flush(self) -> int:
        """Write what waits; answers how many rows. What cannot be written waits on."""
        with self._lock:
            n_written = 0
            while self._waiting:
                rows = list(itertools.islice(self._waiting, AT_ONCE))
                _write(rows)
                for _row in rows:
                    self._waiting.popleft()
                n_written += len(rows)
            return n_written

    def _begin(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()
        threading.Thread(target=self._run, name="served-lists", daemon=True).start()
        atexit.register(self._last)

    def _run(self) -> None:
        while True:
            time.sleep(WRITE_SECONDS)
            if not self._waiting:
                continue
            try:
                self.flush()
            except Exception:
                log.warning("Served lists cannot be written now", exc_info=True)
                connections.close_all()

    def _last(self) -> None:
        try:
            self.flush()
        except Exception:
            log.warning("The last served lists were not written", exc_info=True)


_writer = _Writer()
_counter = itertools.count(secrets.randbelow(1 << 12))
_node = secrets.randbelow(1 << 10)


def log_served(
    answer: Answer, identity_id: int | None, purpose: str, placement: str = ""
) -> uuid.UUID:
    """Remember a list that was given out; events can name the id that comes back."""
    key = _new_key(time.time())
    recommendation_id = named(key)
    fields = {
        "id": key,
        "served_at": timezone.now(),
        "recommendation_id": recommendation_id,
        "run_id": answer.run_id,
        "identity_id": identity_id,
        "purpose": purpose,
        "placement": placement,
        "list_source": answer.source,
        "item_ids": [item.item_id for item in answer.items],
    }
    if connection.in_atomic_block:  # it goes, or not, with what the caller does
        _write([fields])
    else:
        _writer.add(fields)
    return recommendation_id


def flush() -> int:
    """Write at once what waits in this process."""
    return _writer.flush()


def named(key: int) -> uuid.UUID:
    """The id under which a storefront knows the row of a key."""
    return _as_uuid(key << MARK_BITS | _mark(key, settings.SECRET_KEY))


def key_of(recommendation_id: uuid.UUID) -> int | None:
    """The key that an id of ours carries; None where it is not one of these."""
    packed = _packed(recommendation_id)
    key, mark = packed >> MARK_BITS, packed & ((1 << MARK_BITS) - 1)
    former = getattr(settings, "SECRET_KEY_FALLBACKS", ())
    if any(mark == _mark(key, secret) for secret in (settings.SECRET_KEY, *former)):
        return key
    return None


def _write(rows: Sequence[dict[str, Any]]) -> None:
    """Many rows in one statement; bulk_create takes ten times as long for each."""
    columns = [
        field for field in ServedList._meta.concrete_fields if field.attname in rows[0]
    ]
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in columns)
    sql = (
        f"INSERT INTO {quote(ServedList._meta.db_table)} ({names}) "
        f"VALUES ({', '.join(['%s'] * len(columns))}) ON CONFLICT DO NOTHING"
    )
    values = [
        [field.get_db_prep_save(row[field.attname], connection) for field in columns]
        for row in rows
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(sql, values)


def _new_key(seconds: float) -> int:
    """63 bits: milliseconds, this process, a count; lower than none given before."""
    passed = int(seconds * 1000) - EPOCH_MS
    return passed << 22 | _node << 12 | next(_counter) & LOW_12


def _mark(key: int, secret: str) -> int:
    made = hashlib.blake2b(
        key.to_bytes(8, "big"), digest_size=8, key=_key_bytes(secret), person=b"served"
    )
    return int.from_bytes(made.digest(), "big") >> (64 - MARK_BITS)


@lru_cache(maxsize=8)
def _key_bytes(secret: str) -> bytes:
    return hashlib.sha256(b"served-list" + secret.encode()).digest()


def _as_uuid(value: int) -> uuid.UUID:
    """122 bits between the bits that say what kind of id it is."""
    high, middle, low = value >> 74, value >> 62 & LOW_12, value & LOW_62
    return uuid.UUID(int=high << 80 | VERSION | middle << 64 | VARIANT | low)


def _packed(text: uuid.UUID) -> int:
    value = text.int
    return (value >> 80) << 74 | (value >> 64 & LOW_12) << 62 | value & LOW_62

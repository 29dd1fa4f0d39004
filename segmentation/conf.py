"""What Strata reads from Django's settings, with a default for every host."""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def home() -> Path:
    """The folder for artifacts, uploads, staging and the embedded broker."""
    return Path(getattr(settings, "STRATA_HOME", Path(settings.BASE_DIR) / "var"))


def broker_url() -> str:
    """The broker the host configured, or "" for the file system under home()."""
    return getattr(settings, "CELERY_BROKER_URL", None) or ""


def currency() -> str:
    """The one reporting currency, ISO 4217."""
    return getattr(settings, "STRATA_CURRENCY", "USD")


def time_zone() -> ZoneInfo:
    """The shop's time zone: what a file means by a time without one."""
    return ZoneInfo(getattr(settings, "STRATA_TIME_ZONE", settings.TIME_ZONE))


def min_segment_size() -> int:
    """Segments of fewer people are never named to a storefront."""
    return int(getattr(settings, "STRATA_MIN_SEGMENT_SIZE", 20))


IMPORT_LIMITS = {
    "MAX_MB": 2048,
    "MAX_EXPANDED_MB": 20_480,
    "MAX_ROWS": 100_000_000,
    "MAX_COLUMNS": 1000,
    "MAX_CELL": 250_000,
}
LONGEST_CELL = 1_000_000  # characters; a CSV is then read in blocks of 8 MB


def import_limit(name: str) -> int:
    """How much one file may hold: a key of IMPORT_LIMITS, set as STRATA_IMPORT_NAME."""
    return int(getattr(settings, f"STRATA_IMPORT_{name}", IMPORT_LIMITS[name]))


def export_at_once() -> int:
    """So many rows go out while the operator waits; more are written by a worker."""
    return int(getattr(settings, "STRATA_EXPORT_AT_ONCE", 10_000))


def small_table_rows() -> int:
    """So many rows a table may have to come in with a preview of all that changes."""
    return int(getattr(settings, "STRATA_SMALL_TABLE_ROWS", 10_000))


# Days that a kind of file is kept after whoever needed it is done.
KEPT_DAYS = {"UPLOADS": 90, "STAGING": 7, "REJECTS": 90, "EXPORTS": 7}


def kept_days(name: str) -> float:
    """How long files are kept: a key of KEPT_DAYS, set as STRATA_KEEP_NAME_DAYS."""
    return float(getattr(settings, f"STRATA_KEEP_{name}_DAYS", KEPT_DAYS[name]))


MEMORY_SHARE = 0.75  # of the machine: the database and the web have to live, too


def train_memory_mb() -> int:
    """Megabytes that a training may need; three quarters of the machine's if unset."""
    told = getattr(settings, "STRATA_TRAIN_MEMORY_MB", 0)
    return int(told or MEMORY_SHARE * _machine_bytes() / 1e6)


def train_minutes() -> int:
    """Minutes that a training may take; a night if unset."""
    return int(getattr(settings, "STRATA_TRAIN_MINUTES", 0) or 480)


def _machine_bytes() -> int:
    """Memory of this machine, or of the container where that has less (cgroup v2)."""
    own = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        return min(own, limit)
    return own


def gate_coverage() -> float:
    """What share of what they could name lists must name, or the gate shuts.

    Lists of ten for n customers could name 10 n items, or the whole catalogue.
    """
    return float(getattr(settings, "STRATA_GATE_COVERAGE", 0.01))


def kept_runs() -> int:
    """So many finished runs of each purpose keep their artifact."""
    return int(getattr(settings, "STRATA_KEEP_RUNS", 5))


def refresh_minutes() -> float:
    """How often live lists are made anew from newer behaviour; 0: never."""
    return float(getattr(settings, "STRATA_REFRESH_MINUTES", 5.0))


def public_url() -> str:
    """Where people reach this install, without a slash at the end."""
    return getattr(settings, "PUBLIC_URL", "http://127.0.0.1:8000")


def push_test_origins() -> list[str]:
    """Origins that may receive pushes although they are not public hosts."""
    return list(getattr(settings, "PUSH_TEST_ORIGINS", []))


def field_keys() -> list[bytes]:
    """Fernet keys for encrypted fields, newest first; derived from SECRET_KEY if unset.

    Behind those that are named stand the ones derived from SECRET_KEY and its
    fallbacks, so that naming the first key of one's own, or a new SECRET_KEY, does not
    lose what was written before.
    """
    named = [key.encode() for key in getattr(settings, "STRATA_FIELD_KEYS", [])]
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return named + [_derived(secret, b"strata fields") for secret in secrets]


def fingerprint_key() -> bytes:
    """The one key of fingerprints; ``manage.py rotate_keys`` follows a change of it."""
    return _derived(settings.SECRET_KEY, b"strata fields")


def _derived(secret: str, purpose: bytes) -> bytes:
    key = HKDF(hashes.SHA256(), 32, salt=None, info=purpose).derive(secret.encode())
    return base64.urlsafe_b64encode(key)

"""System checks: a wrong or missing setting stops the start and is named."""

from __future__ import annotations

import os
import zoneinfo
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core import checks

from segmentation import conf


def register_all() -> None:
    checks.register(settings_are_readable)
    checks.register(home_is_writable)
    checks.register(shop_is_known)
    checks.register(field_keys_are_keys)
    checks.register(import_limits_are_possible)
    checks.register(production_is_safe, deploy=True)


def settings_are_readable(**_: Any) -> list[checks.CheckMessage]:
    """The problems that the project's settings module collected."""
    problems = getattr(settings, "STRATA_PROBLEMS", [])
    return [
        checks.Error(
            sentence, hint=f"Set the environment variable {name}.", id="strata.E001"
        )
        for name, sentence in problems
    ]


def home_is_writable(**_: Any) -> list[checks.CheckMessage]:
    home = conf.home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        if os.access(home, os.W_OK):
            return []
        reason = "it is not writable"
    except OSError as error:
        reason = str(error)
    return [
        checks.Error(
            f"STRATA_HOME is {home}, but {reason}.",
            hint="Set STRATA_HOME to a folder that this user may write.",
            id="strata.E002",
        )
    ]


def shop_is_known(**_: Any) -> list[checks.CheckMessage]:
    found: list[checks.CheckMessage] = []
    try:
        conf.time_zone()
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        found.append(
            checks.Error(
                f"STRATA_TIME_ZONE is {settings.STRATA_TIME_ZONE!r}, "
                "which is not a time zone.",
                hint="Use a name such as Europe/Berlin.",
                id="strata.E003",
            )
        )
    currency = conf.currency()
    if len(currency) != 3 or not currency.isalpha() or not currency.isupper():
        found.append(
            checks.Error(
                f"STRATA_CURRENCY is {currency!r}, not an ISO 4217 code.",
                hint="Use three capital letters such as EUR.",
                id="strata.E004",
            )
        )
    return found


def field_keys_are_keys(**_: Any) -> list[checks.CheckMessage]:
    for key in getattr(settings, "STRATA_FIELD_KEYS", []):
        try:
            Fernet(key)
        except ValueError:
            return [
                checks.Error(
                    "STRATA_FIELD_KEYS holds something that is no Fernet key.",
                    hint="Make keys with cryptography.fernet.Fernet.generate_key().",
                    id="strata.E007",
                )
            ]
    return []


def import_limits_are_possible(**_: Any) -> list[checks.CheckMessage]:
    """A limit is at least one; a cell must fit into the block that it is read with."""
    found: list[checks.CheckMessage] = []
    for name in conf.IMPORT_LIMITS:
        setting = f"STRATA_IMPORT_{name}"
        value = getattr(settings, setting, 1)
        most = conf.LONGEST_CELL if name == "MAX_CELL" else 2**53
        if isinstance(value, int) and 1 <= value <= most:
            continue
        found.append(
            checks.Error(
                f"{setting} is {value!r}, not a whole number from 1 to {most}.",
                hint=f"Leave it out for {conf.IMPORT_LIMITS[name]}.",
                id="strata.E008",
            )
        )
    return found


def production_is_safe(**_: Any) -> list[checks.CheckMessage]:
    """Only for ``check --deploy``: what must not be so on a public server."""
    found: list[checks.CheckMessage] = []
    if conf.push_test_origins():
        found.append(
            checks.Error(
                "PUSH_TEST_ORIGINS lets pushes go to private hosts.",
                hint="Unset it outside of tests and the demo.",
                id="strata.E005",
            )
        )
    if not getattr(settings, "STRATA_FIELD_KEYS", []):
        found.append(
            checks.Warning(
                "STRATA_FIELD_KEYS is unset, so addresses are encrypted with a key "
                "made from SECRET_KEY: who has that one can read them in a dump.",
                hint="Set it to a key from cryptography.fernet.Fernet.generate_key().",
                id="strata.W001",
            )
        )
    return found

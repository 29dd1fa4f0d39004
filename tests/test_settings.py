"""Both homes: nothing set, and production, where what is wrong stops the start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parent.parent
PRODUCTION = {
    "DATABASE_URL": "postgres://strata:secret@127.0.0.1:1/strata",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "PUBLIC_URL": "https://shop.example",
    "STRATA_FIELD_KEYS": Fernet.generate_key().decode(),
}
WRONG = [
    ("DATABASE_URL", "", "DATABASE_URL is missing"),
    ("DATABASE_URL", "mysql://x/y", "DATABASE_URL must name a PostgreSQL database"),
    ("DATABASE_URL", "nonsense", "DATABASE_URL must name a PostgreSQL database"),
    ("REDIS_URL", "", "REDIS_URL is missing"),
    ("REDIS_URL", "http://redis", "REDIS_URL must begin with redis://"),
    ("COUNTERS_URL", "redis", "COUNTERS_URL must begin with redis://"),
    ("SECRET_KEY", "", "SECRET_KEY is missing"),
    ("PUBLIC_URL", None, "PUBLIC_URL is missing"),
    ("PUBLIC_URL", "shop.example", "PUBLIC_URL must begin with http"),
    ("STRATA_TIME_ZONE", "Mars", "STRATA_TIME_ZONE is 'Mars'"),
    ("STRATA_CURRENCY", "dollars", "STRATA_CURRENCY is 'dollars'"),
    ("STRATA_FIELD_KEYS", "abc", "STRATA_FIELD_KEYS holds something"),
    ("STRATA_IMPORT_MAX_ROWS", "0", "STRATA_IMPORT_MAX_ROWS is 0"),
    ("STRATA_IMPORT_MAX_CELL", "9000000", "STRATA_IMPORT_MAX_CELL is 9000000"),
    ("STRATA_IMPORT_MAX_MB", "much", "STRATA_IMPORT_MAX_MB cannot be understood"),
    ("DEBUG", "maybe", "DEBUG cannot be understood"),
    ("STRATA_HTTPS", "perhaps", "STRATA_HTTPS cannot be understood"),
    ("LOG_LEVEL", "LOUD", "LOG_LEVEL is 'LOUD'"),
    ("LANGUAGE_CODE", "xx", "LANGUAGE_CODE is 'xx'"),
    ("HSTS_SECONDS", "long", "HSTS_SECONDS cannot be understood"),
    ("STRATA_IMPORT_MAX_MB", "2 GB", "STRATA_IMPORT_MAX_MB cannot be understood"),
    ("CONN_MAX_AGE", "x", "CONN_MAX_AGE cannot be understood"),
    ("VAPID_SUBJECT", "me", "VAPID_SUBJECT is 'me'"),
    ("VAPID_PRIVATE_KEY", "abc", "VAPID_PRIVATE_KEY is no P-256 private key"),
    ("STRATA_HOME", "/proc/nowhere", "STRATA_HOME is /proc/nowhere"),
]


def run(home: Path, *command: str, **env: str | None) -> subprocess.CompletedProcess:
    """A process that knows these variables and no others."""
    told = {"PATH": os.environ["PATH"], "STRATA_HOME": str(home)} | env
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={name: value for name, value in told.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def said(done: subprocess.CompletedProcess) -> str:
    return done.stdout + done.stderr


@pytest.mark.slow
def test_with_nothing_set_it_runs_embedded_with_a_secret_of_its_own(tmp_path):
    home = tmp_path / "var"
    show = (
        "from django.conf import settings as s;"
        "print(s.DATABASES['default']['ENGINE'], s.SECRET_KEY, s.CELERY_BROKER_URL)"
    )
    first, second = (run(home, "manage.py", "shell", "-v0", "-c", show) for _ in "ab")
    assert first.returncode == 0, said(first)
    engine, secret, broker = first.stdout.split()
    assert (engine, broker) == ("django.db.backends.sqlite3", "None")
    assert first.stdout == second.stdout  # made once, then kept
    kept = home / "secret_key"
    assert kept.read_text() == secret and len(secret) >= 50
    assert kept.stat().st_mode & 0o777 == 0o600
    assert run(home, "manage.py", "check").returncode == 0


@pytest.mark.slow
def test_proper_production_settings_pass_the_check_for_deployment(tmp_path):
    command = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    done = run(tmp_path, *command, **PRODUCTION)
    assert done.returncode == 0, said(done)
    assert "no issues" in said(done)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value", "says"), WRONG)
def test_a_wrong_or_missing_variable_stops_the_check_and_is_named(
    name, value, says, tmp_path
):
    done = run(tmp_path, "manage.py", "check", **PRODUCTION | {name: value})
    assert done.returncode == 1
    assert says in said(done)
    assert "Traceback" not in said(done)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("-c", "import recsys_project.wsgi"),
        ("-c", "import recsys_project.asgi"),
        ("-m", "celery", "-A", "recsys_project", "worker", "-c", "1"),
        ("-m", "celery", "-A", "recsys_project", "beat"),
        ("manage.py", "work", "--only", "default"),
    ],
    ids=lambda command: " ".join(command[-3:])[-24:],
)
def test_no_process_starts_with_a_wrong_variable(command, tmp_path):
    done = run(tmp_path, *command, **PRODUCTION | {"SECRET_KEY": ""})
    assert done.returncode != 0
    assert "SECRET_KEY is missing" in said(done)


@pytest.mark.slow
def test_test_origins_for_pushes_are_refused_on_a_public_server(tmp_path):
    env = PRODUCTION | {"PUSH_TEST_ORIGINS": "http://127.0.0.1:9"}
    assert run(tmp_path, "manage.py", "check", **env).returncode == 0
    done = run(tmp_path, "manage.py", "check", "--deploy", **env)
    assert done.returncode == 1
    assert "PUSH_TEST_ORIGINS lets pushes go to private hosts" in said(done)

"""Settings of the Strata project, read from environment variables.

With no variable set Strata runs *embedded*: SQLite and files under ``var/`` (or
``STRATA_HOME``), Celery on the file system. With ``DATABASE_URL`` set it runs in
*production*: PostgreSQL, Redis, and everything a public server must have.
A wrong or missing value never raises here; it is collected in ``STRATA_PROBLEMS`` and
refused by a system check that names it (``segmentation.checks``).
"""

import contextlib
import logging
import secrets
import tempfile
import zoneinfo
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
import structlog
from django.utils.translation import gettext_lazy as _

from recsys_project.unfold import UNFOLD  # noqa: F401 (how the admin looks)

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
STRATA_PROBLEMS: list[tuple[str, str]] = []  # (variable, sentence)


def _problem(name: str, sentence: str) -> None:
    STRATA_PROBLEMS.append((name, sentence))


def _read(name: str, default, cast=str):
    """Read one variable; a value nobody understands is a problem, not a crash."""
    try:
        return env(name, cast=cast, default=default)
    except (ValueError, TypeError) as error:
        _problem(name, f"{name} cannot be understood: {error}.")
        return default


def _yes_or_no(text: str | bool) -> bool:
    word = str(text).strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off", ""):
        return False
    raise ValueError(f"{text!r} is neither 1 nor 0")


def _one_of(name: str, value: str, allowed: Collection[str], fallback: str) -> str:
    """The value, or the fallback where it is none of those allowed."""
    if value in allowed:
        return value
    few = f"; use one of {', '.join(allowed)}" if len(allowed) < 10 else ""
    _problem(name, f"{name} is {value!r}, which is not known{few}.")
    return fallback


def _kept_secret(path: Path) -> str:
    """Make the embedded secret key once, readable by its owner only."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # NamedTemporaryFile makes it 0600; link() lets one of two processes win.
            with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:
                file.write(secrets.token_urlsafe(50))
                file.flush()
                with contextlib.suppress(FileExistsError):
                    path.hardlink_to(file.name)
        return path.read_text(encoding="ascii")
    except OSError as error:
        _problem("STRATA_HOME", f"Strata cannot keep files in {path.parent}: {error}.")
        return secrets.token_urlsafe(50)


# Where Strata runs
STRATA_HOME = Path(_read("STRATA_HOME", str(BASE_DIR / "var"))).resolve()
PRODUCTION = bool(_read("DATABASE_URL", ""))
HTTPS = _read("STRATA_HTTPS", PRODUCTION, _yes_or_no)
DEBUG = _read("DEBUG", False, _yes_or_no)
PUBLIC_URL = _read("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")

if PRODUCTION:
    SECRET_KEY = _read("SECRET_KEY", "")
    if not SECRET_KEY:
        _problem("SECRET_KEY", "SECRET_KEY is missing; set it to 50 random characters.")
        SECRET_KEY = secrets.token_urlsafe(50)  # only so that the check can run
else:
    SECRET_KEY = _read("SECRET_KEY", "") or _kept_secret(STRATA_HOME / "secret_key")

SECRET_KEY_FALLBACKS = _read("SECRET_KEY_FALLBACKS", [], list)  # former ones

ALLOWED_HOSTS = _read("ALLOWED_HOSTS", [], list) or [
    host for host in (urlsplit(PUBLIC_URL).hostname,) if host
]
if not PRODUCTION:
    ALLOWED_HOSTS += ["localhost", "127.0.0.1", "[::1]"]
elif "PUBLIC_URL" not in env.ENVIRON:
    _problem("PUBLIC_URL", "PUBLIC_URL is missing; set it to the address people type.")
CSRF_TRUSTED_ORIGINS = _read("CSRF_TRUSTED_ORIGINS", [], list) or [PUBLIC_URL]
if not PUBLIC_URL.startswith(("http://", "https://")):
    _problem("PUBLIC_URL", "PUBLIC_URL must begin with http:// or https://.")
    CSRF_TRUSTED_ORIGINS = []

# Applications
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_filters",
    "django_prometheus",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "import_export",
    "rest_framework",
    "segmentation",
    "campaigns",
    "recsys_project",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "recsys_project.urls"
WSGI_APPLICATION = "recsys_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Rows
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": STRATA_HOME / "strata.sqlite3",
    "CONN_MAX_AGE": 60,  # to open the file takes longer than most requests
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
            "PRAGMA cache_size=-64000;"
        ),
    },
}
DATABASES = {"default": SQLITE}
if PRODUCTION:
    try:
        named = env.db_url("DATABASE_URL")
    except Exception:  # environ raises several unrelated kinds
        named = {}
    if named.get("ENGINE") == "django.db.backends.postgresql":
        more = {
            "CONN_MAX_AGE": _read("CONN_MAX_AGE", 60, int),
            "CONN_HEALTH_CHECKS": True,
        }
        DATABASES = {"default": named | more}
    else:
        _problem(
            "DATABASE_URL",
            "DATABASE_URL must name a PostgreSQL database (postgres://…); "
            "leave it unset to run embedded on SQLite.",
        )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The queue is a hint, rows are the truth: no result backend anywhere
REDIS_URL = _read("REDIS_URL", "")
if REDIS_URL and not PRODUCTION:
    _problem(
        "DATABASE_URL",
        "DATABASE_URL is missing, but REDIS_URL is set; set both for production "
        "or none to run embedded.",
    )
if PRODUCTION and not REDIS_URL:
    _problem("REDIS_URL", "REDIS_URL is missing; set it to redis://host:6379/0.")
if REDIS_URL and not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    _problem("REDIS_URL", "REDIS_URL must begin with redis://, rediss:// or unix://.")
    REDIS_URL = ""
CELERY_BROKER_URL = REDIS_URL or None  # None: the file system under STRATA_HOME
COUNTERS_URL = _read("COUNTERS_URL", "")
if REDIS_URL and not COUNTERS_URL:
    COUNTERS_URL = REDIS_URL.rstrip("/").removesuffix("/0") + "/1"
if COUNTERS_URL and not COUNTERS_URL.startswith(("redis://", "rediss://", "unix://")):
    _problem(
        "COUNTERS_URL", "COUNTERS_URL must begin with redis://, rediss:// or unix://."
    )
elif COUNTERS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": COUNTERS_URL,
        }
    }

# Who may do what
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "home"
if HTTPS:
    SECURE_SSL_REDIRECT = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = _read("HSTS_SECONDS", 31_536_000, int)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
X_FRAME_OPTIONS = "DENY"

# What Strata itself reads (see segmentation/conf.py for the defaults of a host) ------
STRATA_FIELD_KEYS = _read("STRATA_FIELD_KEYS", [], list)  # newest first
STRATA_CURRENCY = _read("STRATA_CURRENCY", "USD")
STRATA_TIME_ZONE = _one_of(
    "STRATA_TIME_ZONE",
    _read("STRATA_TIME_ZONE", "UTC"),
    zoneinfo.available_timezones(),
    "UTC",
)
STRATA_LEASE_SECONDS = _read("STRATA_LEASE_SECONDS", 20.0, float)
STRATA_STALL_SECONDS = _read("STRATA_STALL_SECONDS", 900.0, float)
STRATA_IMPORT_MAX_MB = _read("STRATA_IMPORT_MAX_MB", 2048, int)
STRATA_IMPORT_MAX_EXPANDED_MB = _read("STRATA_IMPORT_MAX_EXPANDED_MB", 20_480, int)
STRATA_IMPORT_MAX_ROWS = _read("STRATA_IMPORT_MAX_ROWS", 100_000_000, int)
STRATA_IMPORT_MAX_COLUMNS = _read("STRATA_IMPORT_MAX_COLUMNS", 1000, int)
STRATA_IMPORT_MAX_CELL = _read("STRATA_IMPORT_MAX_CELL", 250_000, int)
STRATA_EXPORT_AT_ONCE = _read("STRATA_EXPORT_AT_ONCE", 10_000, int)
STRATA_SMALL_TABLE_ROWS = _read("STRATA_SMALL_TABLE_ROWS", 10_000, int)
STRATA_KEEP_UPLOADS_DAYS = _read("STRATA_KEEP_UPLOADS_DAYS", 90.0, float)
STRATA_KEEP_STAGING_DAYS = _read("STRATA_KEEP_STAGING_DAYS", 7.0, float)
STRATA_KEEP_REJECTS_DAYS = _read("STRATA_KEEP_REJECTS_DAYS", 90.0, float)
STRATA_KEEP_EXPORTS_DAYS = _read("STRATA_KEEP_EXPORTS_DAYS", 7.0, float)
STRATA_TRAIN_MEMORY_MB = _read("STRATA_TRAIN_MEMORY_MB", 0, int)  # 0: of the machine
STRATA_TRAIN_MINUTES = _read("STRATA_TRAIN_MINUTES", 0, int)  # 0: as in conf.py
STRATA_KEEP_RUNS = _read("STRATA_KEEP_RUNS", 5, int)
STRATA_GATE_COVERAGE = _read("STRATA_GATE_COVERAGE", 0.01, float)
STRATA_REFRESH_MINUTES = _read("STRATA_REFRESH_MINUTES", 5.0, float)
STRATA_MIN_SEGMENT_SIZE = _read("STRATA_MIN_SEGMENT_SIZE", 20, int)
STRATA_METRICS_TOKEN = _read("METRICS_TOKEN", "")
PUSH_TEST_ORIGINS = _read("PUSH_TEST_ORIGINS", [], list)
VAPID_PRIVATE_KEY = _read("VAPID_PRIVATE_KEY", "")  # made once when empty
VAPID_SUBJECT = _read("VAPID_SUBJECT", "mailto:operator@strata.example")

# Words, numbers, time
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LANGUAGE_CODE = _one_of(
    "LANGUAGE_CODE", _read("LANGUAGE_CODE", "en"), [c for c, _name in LANGUAGES], "en"
)
LOCALE_PATHS = [BASE_DIR / "recsys_project" / "locale"]
TIME_ZONE = STRATA_TIME_ZONE
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

# Files
STATIC_URL = "static/"
STATIC_ROOT = STRATA_HOME / "static"
MEDIA_ROOT = STRATA_HOME / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
    "artifacts": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": STRATA_HOME / "artifacts"},
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION  # embedded: no collectstatic step
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20

# REST
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "segmentation.api.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Strata",
    "DESCRIPTION": "Lists, ads, events and subscriptions for a storefront.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
}

# Observing
LOG_LEVEL = _one_of(
    "LOG_LEVEL",
    _read("LOG_LEVEL", "INFO" if PRODUCTION else "WARNING"),
    ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    "INFO",
)
LOG_STEPS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.format_exc_info,
]
structlog.configure(
    processors=[*LOG_STEPS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def _refused_in_one_line(record: logging.LogRecord) -> bool:
    """Somebody who may not is told so; in the log that is no error with a trace."""
    if record.name == "django.request" and record.levelno < logging.ERROR:
        record.exc_info = None
    return True


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {
            "()": "structlog.stdlib.ProcessorFormatter",
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer()
                if PRODUCTION
                else structlog.dev.ConsoleRenderer(colors=False),
            ],
            "foreign_pre_chain": LOG_STEPS,
        }
    },
    "filters": {
        "refusals": {
            "()": "django.utils.log.CallbackFilter",
            "callback": _refused_in_one_line,
        }
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "lines",
            "filters": ["refusals"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
}

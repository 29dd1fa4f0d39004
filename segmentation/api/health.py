"""For machines that watch: is the process alive, can it work, what does it count."""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView
from kombu import Connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from segmentation import conf
from segmentation.models import ModelRun
from segmentation.services import jobs

log = logging.getLogger(__name__)

BROKER_SECONDS = 2

Gauges = Callable[[], Iterable[GaugeMetricFamily]]
_more_gauges: list[Gauges] = []


def add_gauges(gauges: Gauges) -> None:
    """Let another app count its own rows at /metrics."""
    if gauges not in _more_gauges:
        _more_gauges.append(gauges)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """The process lives and answers; nothing else is asked."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Everything that a call needs, each with a sentence; 503 when one is missing."""
    checks = {
        "database": _checked(_database),
        "migrations": _checked(_migrations),
        "broker": _checked(_broker),
    }
    ready = all(check["status"] == "ok" for check in checks.values())
    body = {"status": "ok" if ready else "failed", "checks": checks}
    return JsonResponse(body, status=200 if ready else 503)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus exposition: requests, and how much of which work there is."""
    if not _may_read_metrics(request):
        answer = HttpResponse(
            _("Send METRICS_TOKEN as “Authorization: Bearer …”."),
            content_type="text/plain; charset=utf-8",
            status=401,
        )
        answer.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return answer
    answer = ExportToDjangoView(request)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows())
    try:
        answer.content += generate_latest(registry)
    except DatabaseError:  # the counts of requests are worth having even then
        log.warning("the rows cannot be counted", exc_info=True)
        connection.close()
    return answer


class _Unready(Exception):
    """Something that a call needs is not there; the sentence says what."""


def _checked(check: Callable[[], str]) -> dict[str, str]:
    try:
        return {"status": "ok", "detail": check()}
    except _Unready as error:
        return {"status": "failed", "detail": str(error)}
    except Exception as error:  # any failure at all is an answer here
        # The message may hold addresses and names: it is for the log only.
        log.exception("not ready")
        return {
            "status": "failed",
            "detail": _("It failed with %(error)s; see the log.")
            % {"error": type(error).__name__},
        }


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        log.warning("the database does not answer", exc_info=True)
        connection.close()
        raise _Unready(_("The database does not answer.")) from error
    return _("The database answers (%(vendor)s).") % {"vendor": connection.display_name}


_migrated: set[str] = set()


def _migrations() -> str:
    """Asked until all are applied: a running process gets no new migrations."""
    name = str(connection.settings_dict["NAME"])
    if name not in _migrated:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            raise _Unready(
                _("%(n)d migrations are not applied; run manage.py migrate.")
                % {"n": len(missing)}
            )
        _migrated.add(name)
    return _("All migrations are applied.")


def _broker() -> str:
    url = conf.broker_url()
    if not url:
        return _broker_folder()
    try:
        with Connection(
            url,
            connect_timeout=BROKER_SECONDS,
            transport_options={
                "socket_connect_timeout": BROKER_SECONDS,
                "socket_timeout": BROKER_SECONDS,
            },
        ) as broker:
            broker.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    except OSError as error:  # kombu's own kind is one of these
        log.warning("the broker does not answer", exc_info=True)
        raise _Unready(_("The broker does not answer.")) from error
    return _("The broker answers.")


def _broker_folder() -> str:
    folder = conf.home() / "broker"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise _Unready(_("The folder of the embedded broker is not writable."))
    return _("The folder of the embedded broker is writable.")


class _Rows(Collector):
    """Gauges read from the rows at the moment of the scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _jobs()
        live = GaugeMetricFamily(
            "strata_live_run", "Id of the live model run.", labels=["purpose"]
        )
        runs = ModelRun.objects.filter(stage=ModelRun.Stage.LIVE)
        for purpose, pk in runs.values_list("purpose", "pk"):
            live.add_metric([purpose], pk)
        yield live
        for gauges in _more_gauges:
            yield from gauges()


def _jobs() -> GaugeMetricFamily:
    found = GaugeMetricFamily(
        "strata_jobs",
        "Background deeds by kind and status.",
        labels=["kind", "status"],
    )
    for model in jobs.job_models():
        rows: Any = model._default_manager.order_by().values_list("status")
        for status, n in rows.annotate(n=Count("pk")):
            found.add_metric([model._meta.model_name or "", status], n)
    return found


def _may_read_metrics(request: HttpRequest) -> bool:
    token = getattr(settings, "STRATA_METRICS_TOKEN", "")
    if token:
        sent = request.headers.get("Authorization", "")
        return hmac.compare_digest(sent.encode(), f"Bearer {token}".encode())
    if not getattr(settings, "PRODUCTION", not settings.DEBUG):
        return True
    # Behind a proxy of this machine everybody seems to be local.
    if {"X-Forwarded-For", "Forwarded"} & set(request.headers):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False

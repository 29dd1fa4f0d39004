"""What machines that watch are told: alive, ready, and how much of what."""

from __future__ import annotations

import json

import pytest
from django.db import OperationalError, connection
from django.test import Client

from segmentation.api import health
from segmentation.models import ImportJob, ImportKind
from tests import storefront

pytestmark = pytest.mark.django_db


def ready(**headers):
    answer = Client().get("/readyz", headers=headers)
    return answer.status_code, json.loads(answer.content)


def test_a_living_process_says_so_without_asking_anybody(django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_a_ready_process_names_what_it_has():
    status, body = ready()
    assert status == 200
    assert body["status"] == "ok"
    assert set(body["checks"]) == {"database", "migrations", "broker"}
    for check in body["checks"].values():
        assert check["status"] == "ok"
        assert check["detail"].endswith(".")


def test_a_database_that_does_not_answer_is_named(monkeypatch):
    def gone(*args, **kwargs):
        raise OperationalError("could not connect to db.internal:5432")

    monkeypatch.setattr(health.connection, "cursor", gone)
    monkeypatch.setattr(health.connection, "close", lambda: None)
    status, body = ready()
    assert status == 503
    assert body["checks"]["database"]["status"] == "failed"
    assert body["checks"]["broker"]["status"] == "ok"
    assert "db.internal" not in json.dumps(body)


def test_a_missing_migration_is_named():
    health._migrated.clear()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'campaigns'")
    status, body = ready()
    assert status == 503
    assert "migrate" in body["checks"]["migrations"]["detail"]


@pytest.mark.slow
def test_a_broker_that_does_not_answer_is_named(settings):
    settings.CELERY_BROKER_URL = "redis://:a-secret@127.0.0.1:1/0"
    status, body = ready()
    assert status == 503
    assert body["checks"]["broker"]["status"] == "failed"
    assert "a-secret" not in json.dumps(body)


def test_a_folder_that_cannot_be_written_is_named(settings, tmp_path):
    settings.CELERY_BROKER_URL = None
    settings.STRATA_HOME = tmp_path / "file"
    settings.STRATA_HOME.write_text("not a folder")
    status, body = ready()
    assert status == 503
    assert body["checks"]["broker"]["status"] == "failed"
    assert str(tmp_path) not in json.dumps(body)


def test_metrics_count_deeds_deliveries_and_live_runs():
    ImportJob.objects.create(
        kind=ImportKind.EVENTS, source=storefront.source(), path="x", status="failed"
    )
    run = storefront.make_live("discover", {})
    page = Client().get("/metrics").content.decode()
    assert 'strata_jobs{kind="importjob",status="failed"} 1.0' in page
    assert 'strata_jobs{kind="modelrun",status="done"} 1.0' in page
    assert f'strata_live_run{{purpose="discover"}} {float(run.pk)}' in page
    assert "# HELP strata_deliveries" in page
    assert "django_http_requests_total_by_method_total" in page


def test_requests_are_counted_even_when_the_database_is_away(monkeypatch):
    def gone(*args, **kwargs):
        raise OperationalError

    monkeypatch.setattr(health, "_jobs", gone)
    monkeypatch.setattr(health.connection, "close", lambda: None)
    answer = Client().get("/metrics")
    assert answer.status_code == 200
    assert b"django_http_requests_total_by_method_total" in answer.content


@pytest.mark.parametrize(
    ("header", "status"),
    [(None, 401), ("Bearer wrong", 401), ("Bearer open sesame", 200)],
)
def test_a_metrics_token_is_asked_for_when_set(settings, header, status):
    settings.STRATA_METRICS_TOKEN = "open sesame"
    headers = {"Authorization": header} if header else {}
    assert Client().get("/metrics", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("production", "extra", "status"),
    [
        (True, {"REMOTE_ADDR": "127.0.0.1"}, 200),
        (True, {"REMOTE_ADDR": "::1"}, 200),
        (True, {"REMOTE_ADDR": "10.0.0.7"}, 401),
        (True, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "10.0.0.7"}, 401),
        (True, {"REMOTE_ADDR": ""}, 401),
        (False, {"REMOTE_ADDR": "10.0.0.7"}, 200),
    ],
)
def test_without_a_token_production_shows_metrics_only_to_itself(
    settings, production, extra, status
):
    settings.STRATA_METRICS_TOKEN = ""
    settings.PRODUCTION = production
    assert Client().get("/metrics", **extra).status_code == status


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_nobody_keeps_an_answer_about_health(path):
    assert "no-cache" in Client().get(path).headers["Cache-Control"]
    assert Client().post(path).status_code == 405

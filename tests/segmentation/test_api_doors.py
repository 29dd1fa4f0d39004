"""Who gets in, from where and how often, and what is said to everybody else."""

from __future__ import annotations

import json
import logging

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from redis import ConnectionError as RedisDown

from segmentation.api import throttling
from segmentation.models import ApiKey
from segmentation.services import serving
from tests import storefront

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _afresh(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "doors",
        }
    }
    cache.clear()
    storefront.start_afresh()


def is_problem(answer, status: int, kind: str) -> bool:
    """The answer is a whole problem document of this kind."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = json.loads(answer.content)
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["detail"] and body["title"]
    return (answer.status_code, body["status"], body["type"]) == (
        status,
        status,
        f"urn:strata:problem:{kind}",
    )


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (None, "no-key"),
        ("Bearer sk_wrong", "bad-key"),
        ("Bearer", "bad-key"),
        ("Basic abc", "bad-key"),
        ("Bearer schlüssel", "bad-key"),
    ],
)
def test_without_a_right_key_nobody_gets_in(header, kind):
    headers = {"Authorization": header} if header else {}
    answer = Client().get("/api/v1/segments/", headers=headers)
    assert is_problem(answer, 401, kind)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_switched_off_key_is_a_wrong_key():
    caller = storefront.server()
    ApiKey.objects.update(is_active=False)
    assert is_problem(caller.get("/segments/"), 401, "bad-key")


def test_a_publishable_key_works_only_on_its_own_pages():
    caller = storefront.browser()
    assert caller.get("/recommendations/").status_code == 200
    caller.origin = "https://elsewhere.example"
    assert is_problem(caller.get("/recommendations/"), 403, "bad-origin")


def test_a_browser_that_writes_always_says_where_it_is():
    caller = storefront.browser()
    caller.origin = None
    event = {"kind": "search", "visitor_id": "v-1"}
    answer = caller.post("/events/", {"events": [event]})
    assert is_problem(answer, 403, "bad-origin")
    assert caller.get("/recommendations/").status_code == 200, "a GET to its own host"


def test_a_page_may_read_the_answers_to_its_own_calls():
    answer = storefront.browser().get("/recommendations/")
    assert answer.headers["Access-Control-Allow-Origin"] == storefront.ORIGIN
    assert "X-RateLimit-Remaining" in answer.headers["Access-Control-Expose-Headers"]
    assert "Origin" in answer.headers["Vary"]


def test_an_unknown_page_may_read_nothing():
    caller = storefront.browser()
    caller.origin = "https://elsewhere.example"
    answer = caller.get("/recommendations/")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (storefront.ORIGIN, True),
        ("https://elsewhere.example", False),
        ("null", False),
        ("http://shop.example", False),
        ("https://shop.example.evil.example", False),
    ],
)
def test_a_preflight_needs_no_key_and_tells_what_is_allowed(origin, allowed):
    storefront.browser()
    answer = Client().options(
        "/api/v1/events/",
        headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
    )
    assert answer.status_code == 204
    assert answer.headers.get("Access-Control-Allow-Origin") == (
        origin if allowed else None
    )
    if allowed:
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        for name in ("Authorization", "Content-Type", "X-Customer-Token"):
            assert name in answer.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_key_makes_as_many_calls_a_minute_as_it_may(monkeypatch):
    monkeypatch.setattr(throttling.time, "time", lambda: 1_000_000_020.0)
    caller = storefront.server(rate_per_minute=2)
    left = [caller.get("/segments/").headers["X-RateLimit-Remaining"] for _ in range(2)]
    assert left == ["1", "0"]
    refused = caller.get("/segments/")
    assert is_problem(refused, 429, "rate-limited")
    wait = int(refused.headers["Retry-After"])
    assert 0 < wait <= 60
    assert refused.headers["X-RateLimit-Limit"] == "2"
    assert storefront.server().get("/segments/").status_code == 200, "another key"
    later = 1_000_000_020.0 + wait
    monkeypatch.setattr(throttling.time, "time", lambda: later)
    assert caller.get("/segments/").status_code == 200


@pytest.mark.parametrize("error", [RedisDown("gone"), ConnectionRefusedError()])
def test_a_broken_cache_refuses_nobody(monkeypatch, error):
    class Broken:
        def add(self, *args, **kwargs):
            raise error

    monkeypatch.setattr(throttling, "cache", Broken())
    assert storefront.server().get("/segments/").status_code == 200


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "patch", "options"])
@pytest.mark.parametrize("path", ["/api/v1/", "/api/v1/nothing/", "/api/v1/events"])
def test_an_unknown_address_is_a_problem_too(method, path):
    assert is_problem(getattr(Client(), method)(path), 404, "not-found")


@pytest.mark.parametrize("text", ["%00", "a%00b", "x" * 121])
def test_an_id_that_nobody_can_have_is_not_found(text):
    answer = storefront.server().get(f"/customers/{text}/segments/")
    assert is_problem(answer, 404, "not-found")


def test_a_method_that_an_address_does_not_know_is_told():
    answer = storefront.server().put("/events/", {})
    assert is_problem(answer, 405, "bad-method")
    assert answer.headers["Allow"] == "POST, OPTIONS"


def test_a_body_that_is_no_json_is_told():
    caller = storefront.server()
    headers = {"Authorization": f"Bearer {caller.text}"}
    for body in ("{nonsense", '{"events": NaN}', b"\xff\xfe", "[" * 100_000):
        answer = Client().post(
            "/api/v1/events/", body, content_type="application/json", headers=headers
        )
        assert is_problem(answer, 400, "not-json"), body
    answer = Client().post("/api/v1/events/", {"a": 1}, headers=headers)
    assert is_problem(answer, 415, "bad-media-type")


def test_only_json_is_answered():
    answer = storefront.server().get("/segments/", Accept="text/html")
    assert is_problem(answer, 406, "not-acceptable")


def test_a_body_that_is_too_large_is_not_read(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = storefront.server().post("/events/", {"events": ["x" * 2000]})
    assert is_problem(answer, 413, "too-large")


def test_a_body_without_a_length_is_not_taken_for_an_empty_one():
    answer = storefront.server().post("/events/", None, Transfer_Encoding="chunked")
    assert answer.status_code != 411, "this one has a length"
    headers = {
        "Authorization": f"Bearer {storefront.server().text}",
        "Transfer-Encoding": "chunked",
    }
    answer = Client().generic(
        "POST",
        "/api/v1/events/",
        content_type="application/json",
        headers=headers,
        CONTENT_LENGTH="",
    )
    assert is_problem(answer, 411, "no-length")


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_of_ours_tells_nothing_and_is_logged(
    monkeypatch, settings, caplog, debug
):
    def broken(*args, **kwargs):
        raise RuntimeError("the password is 1234")

    settings.DEBUG = debug
    monkeypatch.setattr(serving, "recommend_for", broken)
    with caplog.at_level(logging.ERROR):
        answer = storefront.server().get("/recommendations/")
    assert is_problem(answer, 500, "broken")
    assert b"1234" not in answer.content
    assert b"Traceback" not in answer.content
    assert "1234" in caplog.text


def test_a_database_that_is_away_is_worth_another_try(monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("db.internal does not answer")

    monkeypatch.setattr(serving, "recommend_for", away)
    answer = storefront.server().get("/recommendations/")
    assert is_problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert b"db.internal" not in answer.content


def test_the_openapi_document_is_valid_without_a_warning(tmp_path):
    target = tmp_path / "schema.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(target))
    assert "/api/v1/events/" in target.read_text()


def test_the_document_tells_of_every_call_and_how_it_can_fail():
    answer = Client().get("/api/v1/schema/", {"format": "json"})
    paths = json.loads(answer.content)["paths"]
    assert len(paths) >= 8
    assert "/api/v1/schema/" not in paths
    for path, calls in paths.items():
        for method, call in calls.items():
            codes = set(call["responses"])
            assert {"400", "401", "403", "404", "405", "429"} <= codes, (path, method)
            refusal = call["responses"]["401"]["content"]
            assert list(refusal) == ["application/problem+json"]
            assert call["security"] == [{"apiKey": []}]


def test_the_pages_load_nothing_from_elsewhere():
    answer = Client().get("/api/v1/docs/")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "//" not in page.replace("http://testserver", "").replace("// ", "")

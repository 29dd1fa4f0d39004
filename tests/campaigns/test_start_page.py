"""The start page: what there is, what is at work, and what to do next."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.admin import next_steps
from campaigns.models import (
    Campaign,
    Launch,
)
from tests.campaigns.test_admin import launched, make_campaign
from tests.segmentation.test_admin import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return signed_in(is_superuser=True)


def test_the_start_page_asks_who_is_there(client):
    answer = client.get(reverse("home"))
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("admin:login"))


def test_an_empty_shop_is_told_to_bring_its_catalogue():
    shown = signed_in("Analyst").get(reverse("home"))
    step = shown.context["step"]
    assert "catalogue" in step.text
    assert step.url.endswith("?kind=items")
    assert {stage.is_empty for stage in shown.context["stages"]} == {True}
    assert "unknown" in shown.context["parts"][2].text


def test_who_may_not_do_the_next_step_gets_no_link():
    step = signed_in("Viewer").get(reverse("home")).context["step"]
    assert "catalogue" in step.text
    assert step.url == ""


def test_the_circle_shows_what_there_is_and_what_is_at_work(boss, database):
    launched()
    shown = boss.get(reverse("home"), {"part": ""})
    text = shown.content.decode()
    assert "<b>1</b> click" in text
    assert [deed["kind"] for deed in shown.context["at_work"]] == ["launch"]
    names = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
    assert names[database] in text


def test_workers_that_take_nothing_up_are_named(boss):
    launched()
    long_ago = timezone.now() - timedelta(minutes=5)
    Launch.objects.update(status="queued", created_at=long_ago)
    part = boss.get(reverse("home")).context["parts"][2]
    assert (part.tone, "no worker takes" in part.text) == ("bad", True)


def test_the_start_page_asks_no_more_for_more_rows(boss):
    launched()
    with CaptureQueriesContext(connection) as few:
        boss.get(reverse("home"))
    launched()
    with CaptureQueriesContext(connection) as many:
        boss.get(reverse("home"))
    assert len(many) <= len(few)


def test_the_next_step_is_a_draft_once_all_else_is_there(monkeypatch):
    campaign = make_campaign()
    for name in ("_data", "_models", "_taste", "_segments", "_reachable"):
        monkeypatch.setattr(next_steps, name, lambda: None)
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert campaign.name in next_steps.first(request).text
    Campaign.objects.update(status="completed")
    assert next_steps.first(request).is_done


def test_the_last_report_is_of_what_was_sent_last_not_written_last(monkeypatch):
    sent_later = launched().campaign
    sent_earlier = launched().campaign
    Launch.objects.filter(campaign=sent_earlier).update(
        scheduled_for=timezone.now() - timedelta(days=1)
    )
    Campaign.objects.filter(pk=sent_later.pk).update(name="Later")
    Campaign.objects.update(status="completed")
    for name in ("_data", "_models", "_taste", "_segments", "_reachable"):
        monkeypatch.setattr(next_steps, name, lambda: None)
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert "Later" in next_steps.first(request).text

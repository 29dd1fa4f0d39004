"""The public pages: what a link does in a browser, and what a robot may not do."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.models import Consent, Delivery, Outcome
from campaigns.services import tracking
from tests import storefront
from tests.campaigns import worlds

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def afresh() -> None:
    storefront.start_afresh()


@pytest.fixture
def delivery() -> Delivery:
    worlds.make_reachable(worlds.make_people(1))
    launch = worlds.make_planned(worlds.make_campaign(holdout_share=0.0))
    return launch.deliveries.get()


@pytest.fixture
def links() -> tracking.Links:
    return tracking.Links(timezone.now())


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[-1]


def test_a_click_leads_on_every_time_and_counts_once(client, delivery, links):
    path = path_of(links.clicked(delivery.pk, worlds.LINK))
    for _number in range(3):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer["Location"] == worlds.LINK
        assert "no-store" in answer["Cache-Control"]
    assert Outcome.objects.count() == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"X-Moz": "prefetch"},
        {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"},
        {"User-Agent": "facebookexternalhit/1.1"},
    ],
)
def test_who_only_looks_ahead_is_led_on_but_not_counted(
    client, delivery, links, headers
):
    path = path_of(links.clicked(delivery.pk, worlds.LINK))
    assert client.get(path, headers=headers).status_code == 302
    assert client.head(path).status_code == 302
    assert not Outcome.objects.exists()


def test_a_forged_link_leads_nowhere(client, delivery, links):
    path = path_of(links.clicked(delivery.pk, worlds.LINK))
    answer = client.get(path[:-3] + "abc")
    assert answer.status_code == 404
    assert "Location" not in answer
    assert b"This link does not work" in answer.content
    assert client.get("/t/c/nonsense").status_code == 404
    assert client.get("/t/z/nonsense").status_code == 404
    assert not Outcome.objects.exists()


@pytest.mark.parametrize("token", ["%00.x", "a%00b.x", "%ff.x", "ü.x", ".", "s0."])
def test_an_address_that_nobody_made_is_not_found(client, token):
    tracking.Links(timezone.now())  # the first secret is there
    assert client.get(f"/t/c/{token}").status_code == 404


def test_an_expired_link_says_so_and_leads_nowhere(client, delivery):
    old = timezone.now() - 2 * tracking.LIFETIMES[tracking.Use.CLICKED]
    path = path_of(tracking.Links(old).clicked(delivery.pk, worlds.LINK))
    answer = client.get(path)
    assert answer.status_code == 410
    assert b"This link has expired" in answer.content
    assert "Location" not in answer and not Outcome.objects.exists()


def test_nothing_in_the_request_changes_where_a_link_leads(client, delivery, links):
    path = path_of(links.clicked(delivery.pk, worlds.LINK))
    answer = client.get(path + "?next=https://evil.example&url=https://evil.example")
    assert answer["Location"] == worlds.LINK


def test_a_service_worker_reports_without_cookie_or_token(delivery, links):
    strict = Client(enforce_csrf_checks=True)
    for url in (links.shown(delivery.pk), links.dismissed(delivery.pk)):
        assert strict.post(path_of(url)).status_code == 204
    kinds = set(Outcome.objects.values_list("kind", flat=True))
    assert kinds == {"delivered", "dismissed"}


def test_an_impression_is_a_pixel(client):
    placement = worlds.make_placement()
    worlds.make_ad(placement)
    from campaigns.services import placements

    [slot] = placements.decide(
        placement, identity_id=None, customer_id=None, now=timezone.now()
    )
    answer = client.get(path_of(slot.impression_url))
    assert answer["Content-Type"] == "image/gif" and answer.content[:3] == b"GIF"
    assert client.get(path_of(slot.click_url))["Location"] == worlds.LINK
    assert Outcome.objects.filter(decision=slot.decision_id).count() == 2


def test_unsubscribing_asks_first_and_a_robot_cannot_do_it(delivery, links):
    strict = Client(enforce_csrf_checks=True)
    path = path_of(links.unsubscribe(delivery.pk))
    asked = strict.get(path)
    assert asked.status_code == 200 and b"<form" in asked.content
    assert Consent.objects.get().granted
    done = strict.post(path, {"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200 and b"no more" in done.content
    assert not Consent.objects.get().granted


def test_a_page_speaks_the_readers_language_where_it_can(client):
    answer = client.get("/t/c/x", headers={"Accept-Language": "zh-hans"})
    assert b'lang="zh-hans"' in answer.content


def test_the_push_worker_may_serve_a_whole_shop(client):
    answer = client.get("/push/worker.js")
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Service-Worker-Allowed"] == "/"
    script = answer.content.decode()
    for word in ("notificationclick", "notificationclose", "shown_url", "dismiss_url"):
        assert word in script


def test_the_address_of_a_message_reaches_its_page(client, delivery, links):
    for url in (links.dismissed(delivery.pk), links.shown(delivery.pk)):
        assert client.get(path_of(url)).status_code == 204
    assert client.delete(path_of(links.shown(delivery.pk))).status_code == 405

"""A real browser on a page of another origin: preflight, key, answer, refusal."""

from __future__ import annotations

import pytest

from segmentation.models import Event
from tests import storefront

pytestmark = [pytest.mark.slow, pytest.mark.browser]

REPORT = """async ([strata, key]) => {
  try {
    const answer = await fetch(`${strata}/api/v1/events/`, {
      method: "POST",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ events: [
        { kind: "view", visitor_id: "v-1", item_id: "tea", event_id: "e-1" }] }),
    });
    const left = answer.headers.get("X-RateLimit-Remaining");
    return { status: answer.status, body: await answer.json(), left };
  } catch (error) {
    return { refused: String(error) };
  }
}"""


def test_only_a_page_of_an_allowed_origin_can_report(live_web, page):
    shop = live_web.replace("127.0.0.1", "localhost")  # another origin to a browser
    allowed = storefront.browser(allowed_origins=[shop])
    page.goto(f"{shop}/healthz")
    told = page.evaluate(REPORT, [live_web, allowed.text])
    assert told["status"] == 200
    assert told["body"]["accepted"] == 1
    assert int(told["left"]) > 0
    assert Event.objects.count() == 1

    elsewhere = storefront.browser(allowed_origins=["https://elsewhere.example"])
    told = page.evaluate(REPORT, [live_web, elsewhere.text])
    assert told["body"]["type"].endswith(":bad-origin")


def test_a_page_of_an_unknown_origin_cannot_even_ask(live_web, page):
    caller = storefront.browser(allowed_origins=["https://elsewhere.example"])
    page.goto(f"{live_web.replace('127.0.0.1', 'localhost')}/healthz")
    assert "refused" in page.evaluate(REPORT, [live_web, caller.text])
    assert not Event.objects.exists()


def test_the_api_pages_work_without_the_internet(live_web, page):
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{live_web}/api/v1/docs/")
    page.get_by_text("/api/v1/recommendations/").first.wait_for()
    assert wrong == []
    assert {url.split("/")[2] for url in asked if not url.startswith("data:")} == {
        live_web.split("/")[2]
    }

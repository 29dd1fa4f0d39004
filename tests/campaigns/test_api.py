"""Subscriptions, consents, placements and a person's rights over REST."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.cache import cache
from django.test import Client

from campaigns.models import Ad, Consent, ContactPoint, Decision, Placement
from segmentation.models import ApiKey, AuditEntry, Customer, Erasure, Identity
from segmentation.services import identities
from tests import storefront

pytestmark = pytest.mark.django_db

ENDPOINT = "https://push.example/send/abc"


@pytest.fixture(autouse=True)
def _afresh(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "campaigns",
        }
    }
    cache.clear()
    storefront.start_afresh()


def subscription(endpoint: str = ENDPOINT, **changes) -> dict:
    """What a browser gives: an endpoint, a P-256 point and 16 random bytes."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys = {"p256dh": as_text(point), "auth": as_text(b"0123456789abcdef")}
    return {"endpoint": endpoint, "expirationTime": None, "keys": keys} | changes


def as_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture
def hero():
    """A placement with one ad for everybody."""
    tea = storefront.make_items("tea")[0]
    placement = Placement.objects.create(slug="hero", name="Hero")
    ad = Ad.objects.create(
        placement=placement,
        name="Tea",
        title="Tea time",
        link="https://shop.example/tea",
        item=tea,
    )
    return placement, ad


def test_a_browser_learns_the_key_it_needs_to_subscribe():
    answer = storefront.browser().get("/push/key/")
    raw = answer.json()["application_server_key"]
    assert len(base64.urlsafe_b64decode(raw + "==")) == 65


def test_a_browser_subscribes_for_its_customer_who_agrees():
    answer = storefront.browser("c-1").post(
        "/push/subscriptions/",
        {
            "subscription": subscription(),
            "consent": {"granted": True, "text_version": "2026-11"},
        },
    )
    assert answer.status_code == 201
    assert answer.json()["active"] is True
    customer = Identity.objects.get(external_id="c-1").customer
    assert ContactPoint.objects.get().customer == customer
    said = Consent.objects.get()
    assert (said.customer, said.channel, said.granted) == (customer, "webpush", True)
    assert said.text_version == "2026-11"


def test_without_a_word_about_consent_none_is_recorded():
    body = {"subscription": subscription(), "visitor_id": "v-1"}
    assert storefront.browser().post("/push/subscriptions/", body).status_code == 201
    assert not Consent.objects.exists()


def test_the_same_subscription_again_is_the_same_contact_point():
    caller = storefront.browser()
    body = {"subscription": subscription(), "visitor_id": "v-1"}
    first = caller.post("/push/subscriptions/", body).json()
    assert caller.post("/push/subscriptions/", body).json() == first
    assert ContactPoint.objects.count() == 1


def test_after_the_login_the_browser_belongs_to_the_customer():
    body = {"subscription": subscription(), "visitor_id": "v-1"}
    storefront.browser().post("/push/subscriptions/", body)
    storefront.browser("c-1").post("/push/subscriptions/", body)
    known = Identity.objects.get(external_id="c-1")
    assert ContactPoint.objects.get().customer_id == known.customer_id


def test_nobody_joins_a_customers_devices_by_an_old_visitor_id():
    known = storefront.make_customer("c-1")
    identities.link_visitor("v-1", known.customer)
    body = {"subscription": subscription(), "visitor_id": "v-1"}
    answer = storefront.browser().post("/push/subscriptions/", body)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith(":other-customer")
    assert not ContactPoint.objects.exists()


def test_a_browser_subscribes_for_nobody_else():
    body = {"subscription": subscription(), "customer_id": "c-2"}
    answer = storefront.browser("c-1").post("/push/subscriptions/", body)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"endpoint": "http://10.0.0.1/x"}, "subscription"),
        ({"endpoint": "https://127.0.0.1/x"}, "subscription"),
        ({"endpoint": "nonsense"}, "subscription"),
        ({"keys": {"p256dh": "AAAA", "auth": "AAAA"}}, "subscription"),
        ({"keys": {}}, "subscription.keys.p256dh"),
        ({"keys": None}, "subscription.keys"),
    ],
)
def test_an_endpoint_that_cannot_be_sent_to_is_refused(changes, field):
    body = {"subscription": subscription(**changes), "visitor_id": "v-1"}
    answer = storefront.browser().post("/push/subscriptions/", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert not ContactPoint.objects.exists()


def test_a_subscription_is_somebodys():
    answer = storefront.server().post(
        "/push/subscriptions/", {"subscription": subscription()}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "visitor_id"


def test_a_browser_takes_its_subscription_back():
    caller = storefront.browser()
    body = {"subscription": subscription(), "visitor_id": "v-1"}
    caller.post("/push/subscriptions/", body)
    for _again in range(2):
        answer = caller.delete("/push/subscriptions/", {"endpoint": ENDPOINT})
        assert answer.status_code == 204
    assert ContactPoint.objects.get().is_active is False


def test_consents_are_recorded_and_the_last_word_counts():
    caller = storefront.server()
    said = {"channel": "webpush", "granted": True, "text_version": "1"}
    first = caller.put("/customers/c-1/consents/", {"consents": [said]})
    assert first.status_code == 200
    assert first.json()["consents"][0]["granted"] is True
    assert first.json()["consents"][0]["purpose"] == "marketing"
    late = said | {"granted": False, "said_at": "2020-01-01T00:00:00Z"}
    caller.put("/customers/c-1/consents/", {"consents": [late]})
    assert Consent.objects.get().granted is True, "said before the last word"
    caller.put("/customers/c-1/consents/", {"consents": [said | {"granted": False}]})
    assert Consent.objects.get().granted is False


@pytest.mark.parametrize(
    "said",
    [
        {"channel": "smoke signals", "granted": True},
        {"channel": "webpush"},
        {"channel": "webpush", "granted": True, "purpose": "fun"},
    ],
)
def test_a_consent_that_nobody_can_mean_is_refused(said):
    answer = storefront.server().put("/customers/c-1/consents/", {"consents": [said]})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith("consents.0.")


def test_an_ad_is_decided_with_signed_links(hero):
    placement, ad = hero
    answer = storefront.browser().get("/placements/hero/", {"visitor_id": "v-1"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["placement"] == "hero"
    shown = body["ads"][0]
    assert (shown["title"], shown["item_id"]) == ("Tea time", "tea")
    decision = Decision.objects.get(pk=shown["decision_id"])
    assert (decision.ad, decision.placement) == (ad, placement)
    visitor = Identity.objects.get(visitor_id="v-1")
    assert decision.identity_id == visitor.pk, "so that caps count from the first visit"
    for name in ("impression_url", "click_url"):
        assert "/t/" in shown[name]


def test_the_links_of_an_ad_count(hero):
    shown = storefront.server().get("/placements/hero/").json()["ads"][0]
    client = Client(headers={"User-Agent": "Mozilla/5.0"})
    path = shown["impression_url"].partition("/t/")[2]
    assert client.get(f"/t/{path}").status_code == 200
    path = shown["click_url"].partition("/t/")[2]
    assert (
        client.get(f"/t/{path}")
        .headers["Location"]
        .startswith("https://shop.example/tea")
    )
    decision = Decision.objects.get()
    assert decision.shown_at and decision.clicked_at


def test_where_nothing_may_stand_the_list_is_empty(hero):
    Ad.objects.update(is_active=False)
    answer = storefront.server().get("/placements/hero/")
    assert answer.json() == {"placement": "hero", "ads": []}


def test_a_placement_that_is_not_there_or_off_is_not_found(hero):
    Placement.objects.update(is_active=False)
    for slug in ("hero", "none"):
        answer = storefront.server().get(f"/placements/{slug}/")
        assert answer.status_code == 404
        assert answer.json()["type"].endswith(":not-found")
        assert answer.json()["detail"] == f"There is no placement “{slug}”."


def test_an_ad_decision_takes_few_queries(hero, django_assert_max_num_queries):
    caller = storefront.server()
    storefront.make_customer("c-1")
    placement, _ad = hero
    for number in range(30):
        Ad.objects.create(
            placement=placement, name=str(number), title="x", link="https://x.example"
        )
    caller.get("/placements/hero/", {"customer_id": "c-1"})
    with django_assert_max_num_queries(8):
        caller.get("/placements/hero/", {"customer_id": "c-1", "n": 3})


def test_a_customer_gets_all_that_is_kept():
    caller = storefront.server()
    event = {"kind": "view", "customer_id": "c-1", "item_id": "tea"}
    caller.post("/events/", {"events": [event]})
    answer = caller.get("/customers/c-1/export/")
    assert answer.status_code == 200
    assert len(answer.json()["events"]) == 1
    assert {"consents", "contact_points", "messages"} <= set(answer.json())


def test_an_erased_customer_is_gone_and_the_answer_is_the_receipt():
    caller = storefront.server()
    event = {"kind": "view", "customer_id": "c-1", "item_id": "tea"}
    caller.post("/events/", {"events": [event]})
    receipt = caller.delete("/customers/c-1/")
    assert receipt.status_code == 200
    assert sum(receipt.json()["rows"].values()) >= 2
    [sentence] = receipt.json()["remains"]
    assert "still to be looked through" in sentence
    [erasure] = Erasure.objects.all()
    assert erasure.status == "queued" and erasure.number == receipt.json()["customer"]
    assert not Customer.objects.exists()
    assert not Identity.objects.exists()
    assert caller.get("/customers/c-1/export/").status_code == 404
    assert caller.delete("/customers/c-1/").status_code == 404
    entry = AuditEntry.objects.get(action="erase customer")
    assert entry.actor_name == ApiKey.objects.get().name != ""


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("delete", "/customers/c-1/", "privacy"),
        ("get", "/customers/c-1/export/", "privacy"),
        ("put", "/customers/c-1/consents/", "consents"),
    ],
)
def test_a_persons_rights_need_a_server_key_with_the_scope(method, path, scope):
    storefront.make_customer("c-1")
    refused = getattr(storefront.browser("c-1"), method)(path)
    assert refused.json()["type"].endswith(":server-key-needed")
    refused = getattr(storefront.server(scopes=["events"]), method)(path)
    assert refused.json()["type"].endswith(":missing-scope")
    assert Customer.objects.count() == 1
    answer = getattr(storefront.server(scopes=[scope]), method)(path)
    assert answer.status_code != 403


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("get", "/push/key/", "subscriptions"),
        ("post", "/push/subscriptions/", "subscriptions"),
        ("delete", "/push/subscriptions/", "subscriptions"),
        ("get", "/placements/hero/", "ads"),
    ],
)
def test_a_browser_key_can_be_limited(method, path, scope):
    answer = getattr(storefront.browser(scopes=["events"]), method)(path)
    assert answer.json()["type"].endswith(":missing-scope")
    answer = getattr(storefront.browser(scopes=[scope]), method)(path)
    assert answer.status_code != 403

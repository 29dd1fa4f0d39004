"""Keys and customer tokens: what they allow, and when they stop."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from django.db import connection

from segmentation.models import ApiKey, SigningSecret
from segmentation.services import access, identities
from tests import storefront

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _afresh():
    storefront.start_afresh()


def token(customer: str = "c-1", **kwargs) -> str:
    now = kwargs.pop("now", datetime.now(UTC))
    return access.issue_token(storefront.source(), customer, now=now, **kwargs)[0]


def forged(key_id: str, secret: str, algorithm: str = "HS256", **changes) -> str:
    """A token made by somebody who knows how ours look."""
    now = int(time.time())
    claims = {"aud": access.AUDIENCE, "src": "web", "sub": "c-1", "iat": now}
    claims |= {"exp": now + 600} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, secret, algorithm=algorithm, headers={"kid": key_id})


def test_only_the_hash_of_a_key_is_kept():
    caller = storefront.server()
    stored = str(ApiKey.objects.values().get())
    assert caller.text not in stored
    assert access.key_of(caller.text).pk == caller.row.pk


def test_a_kept_key_costs_no_query(django_assert_num_queries):
    caller = storefront.server()
    access.key_of(caller.text)
    with django_assert_num_queries(0):
        assert access.key_of(caller.text).source.name == "web"


def test_a_revoked_key_stops_within_five_seconds(monkeypatch):
    caller = storefront.server()
    assert access.key_of(caller.text)
    ApiKey.objects.update(is_active=False)
    passed = time.monotonic() + access.KEEP_SECONDS
    assert access.KEEP_SECONDS <= 5
    monkeypatch.setattr(access.time, "monotonic", lambda: passed)
    assert access.key_of(caller.text) is None


def test_a_key_without_scopes_may_what_its_kind_may():
    server, browser = storefront.server(), storefront.browser()
    assert access.key_of(server.text).scopes == set(access.Scope.values)
    assert access.key_of(browser.text).scopes == access.IN_A_BROWSER


def test_a_publishable_key_never_gets_what_only_servers_may():
    greedy = storefront.browser(scopes=["privacy", "tokens", "lists"])
    assert access.key_of(greedy.text).scopes == {"lists"}


def test_a_token_names_its_customer_for_an_hour_at_most():
    now = datetime.now(UTC)
    text, ends_at = access.issue_token(
        storefront.source(), "c-1", now=now, seconds=999_999
    )
    assert access.customer_of_token(text, storefront.source()) == "c-1"
    assert ends_at - now <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda s: token(now=datetime.now(UTC) - timedelta(hours=2)), "expired"),
        (lambda s: token()[:-4] + "AAAA", "not valid"),
        (lambda s: "rubbish", "not valid"),
        (
            lambda s: forged(s.key_id, "another secret, of a good length"),
            "not valid",
        ),
        (lambda s: forged("unknown", s.secret), "unknown secret"),
        (lambda s: forged("\x00", s.secret), "unknown secret"),
        (lambda s: forged(s.key_id, "", algorithm="none"), "not valid"),
        (lambda s: forged(s.key_id, s.secret, algorithm="HS512"), "not valid"),
        (lambda s: forged(s.key_id, s.secret, aud="somebody-else"), "not valid"),
        (lambda s: forged(s.key_id, s.secret, aud=None), "not valid"),
        (lambda s: forged(s.key_id, s.secret, exp=None), "not valid"),
        (lambda s: forged(s.key_id, s.secret, src="tills"), "another source"),
        (
            lambda s: forged(s.key_id, s.secret, exp=int(time.time()) + 9999),
            "more than an hour",
        ),
    ],
)
def test_a_token_that_is_not_ours_vouches_for_nobody(make, sentence):
    text = make(access.signing_secret())
    with pytest.raises(access.BadToken, match=sentence):
        access.customer_of_token(text, storefront.source())


def test_the_proof_of_forging_works_with_the_right_secret():
    ours = access.signing_secret()
    text = forged(ours.key_id, ours.secret)
    assert access.customer_of_token(text, storefront.source()) == "c-1"


def test_after_a_rotation_both_secrets_verify_and_the_newest_signs():
    old = token()
    rotated = access.rotate_secret()
    new = token()
    assert jwt.get_unverified_header(new)["kid"] == rotated.key_id
    for text in (old, new):
        assert access.customer_of_token(text, storefront.source()) == "c-1"


def test_a_retired_secret_verifies_nothing():
    text = token()
    key_id = jwt.get_unverified_header(text)["kid"]
    access.retire_secret(key_id, now=datetime.now(UTC))
    with pytest.raises(access.BadToken):
        access.customer_of_token(text, storefront.source())
    assert jwt.get_unverified_header(token())["kid"] != key_id


def test_a_token_costs_no_query_once_its_secret_is_known(django_assert_num_queries):
    text, shop = token(), storefront.source()
    access.customer_of_token(text, shop)
    with django_assert_num_queries(0):
        access.customer_of_token(text, shop)


@pytest.mark.django_db(transaction=True)
def test_two_that_need_the_first_secret_agree_on_one():
    found = _at_once(lambda: access._newest_secret().key_id)
    assert len(set(found)) == 1
    assert SigningSecret.objects.count() == 1


def test_a_visitor_who_logs_in_takes_the_past_along():
    visitor = identities.resolve(storefront.source(), visitor="v-1")
    known = storefront.make_customer("c-1")
    assert not identities.is_known(visitor)
    linked = identities.link_visitor("v-1", known.customer)
    assert linked.pk == visitor.pk
    visitor.refresh_from_db()
    assert visitor.customer == known.customer
    assert identities.is_known(visitor)


def test_a_second_login_on_the_same_browser_inherits_nothing():
    first, second = (storefront.make_customer(name) for name in ("c-1", "c-2"))
    identities.link_visitor("v-1", first.customer)
    assert identities.link_visitor("v-1", second.customer).customer == first.customer


def test_the_same_id_in_two_sources_is_two_customers():
    web = identities.resolve(storefront.source("web"), customer="7")
    tills = identities.resolve(storefront.source("tills"), customer="7")
    assert web.customer_id != tills.customer_id
    assert identities.resolve(storefront.source("web"), customer="7").pk == web.pk


@pytest.mark.parametrize("text", ["x" * 121, " padded", "nul\x00"])
def test_an_impossible_id_is_refused(text):
    with pytest.raises(identities.BadId):
        identities.resolve(storefront.source(), customer=text)


@pytest.mark.django_db(transaction=True)
def test_two_that_meet_a_new_customer_make_one():
    shop = storefront.source()
    found = _at_once(lambda: identities.resolve(shop, customer="new").customer_id)
    assert len(set(found)) == 1


def _at_once(deed, n: int = 4) -> list:
    """What n threads answer that start the deed together."""
    gate, answers = threading.Barrier(n), []

    def run() -> None:
        try:
            gate.wait()
            answers.append(deed())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == n
    return answers

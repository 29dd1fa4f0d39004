"""VAPID: keys and tokens, judged by another implementation."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from py_vapid import Vapid02

from campaigns.channels import vapid
from campaigns.channels.vapid import TOKEN_SECONDS, Vapid

HOUR = 3600


class Clock:
    now = 1_900_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ours(vapid_keys, clock):
    return Vapid(vapid_keys[0], "mailto:shop@strata.example", clock=clock)


def claims(header):
    payload = header.split("t=")[1].split(",")[0].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_another_implementation_accepts_our_token(ours):
    header = ours.authorization("https://push.example")
    assert Vapid02.verify(header)
    assert not Vapid02.verify(header.replace(claim_part(header), flipped(header)))


def test_a_token_says_for_whom_until_when_and_who(ours, clock):
    assert claims(ours.authorization("https://push.example")) == {
        "aud": "https://push.example",
        "exp": int(clock.now) + 12 * HOUR,
        "sub": "mailto:shop@strata.example",
    }


def test_each_origin_has_a_token_of_its_own(ours):
    one = ours.authorization("https://one.example")
    two = ours.authorization("https://two.example")
    assert claims(one)["aud"] == "https://one.example"
    assert claims(two)["aud"] == "https://two.example"


def test_a_token_is_signed_once_and_again_before_it_runs_out(ours, clock):
    first = ours.authorization("https://push.example")
    clock.now += TOKEN_SECONDS / 2 - 1
    assert ours.authorization("https://push.example") == first
    clock.now += 2
    second = ours.authorization("https://push.example")
    assert claims(second)["exp"] > claims(first)["exp"]


def test_the_store_of_tokens_does_not_grow_with_what_people_subscribe(ours):
    for number in range(1100):
        ours.authorization(f"https://{number}.example")
    assert len(ours._tokens) <= 1000


@pytest.mark.parametrize("subject", ["", "shop@strata.example", "http://shop.example"])
def test_a_subject_that_apple_refuses_is_refused_here(vapid_keys, subject):
    with pytest.raises(ValueError, match="mailto:"):
        Vapid(vapid_keys[0], subject)


def test_a_new_pair_belongs_together_and_is_what_a_browser_takes():
    private, public = vapid.generate_keys()
    assert vapid.public_key_of(private) == public
    raw = vapid.b64url_decode(public)
    assert (len(raw), raw[0]) == (65, 4)
    assert vapid.generate_keys()[0] != private


def test_a_key_may_be_pem_or_the_bare_number():
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    number = key.private_numbers().private_value.to_bytes(32, "big")
    assert vapid.public_key_of(pem) == vapid.public_key_of(vapid.b64url(number))


@pytest.mark.parametrize("text", ["", "AAAA!", "-----BEGIN nothing", "A" * 43])
def test_a_key_that_cannot_be_read_is_named(text):
    with pytest.raises(ValueError, match="VAPID private key"):
        vapid.public_key_of(text)


def test_a_key_of_another_curve_is_named():
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ValueError, match="P-256"):
        vapid.public_key_of(pem)


def claim_part(header):
    return header.split(".")[1]


def flipped(header):
    part = claim_part(header)
    return ("A" if part[5] != "A" else "B").join((part[:5], part[6:]))

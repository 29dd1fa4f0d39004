"""Web Push: what leaves, and what every answer means."""

import asyncio
import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from ipaddress import ip_address

import http_ece
import pytest
from aiohttp.resolver import ThreadedResolver
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from py_vapid import Vapid02

from campaigns.channels import webpush
from campaigns.channels.base import Address, BadAddress, Message, Outcome, Urgency
from campaigns.channels.vapid import b64url, b64url_decode, point
from campaigns.channels.webpush import MAX_PLAINTEXT, WebPush, Wire

# RFC 8291, appendix A
RFC = {
    "plaintext": b"When I grow up, I want to be a watermelon",
    "as_private": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
    "ua_public": (
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZ"
        "GH6SRpkNtoIAiw4"
    ),
    "salt": "DGv6ra1nlYgDCS1FRnbzlw",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    "body": (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg"
        "Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVB"
        "St2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    ),
}


def test_the_example_of_the_rfc_is_encrypted_to_the_byte():
    number = int.from_bytes(b64url_decode(RFC["as_private"]), "big")
    body = webpush.encrypt(
        RFC["plaintext"],
        b64url_decode(RFC["ua_public"]),
        b64url_decode(RFC["auth"]),
        ephemeral=ec.derive_private_key(number, ec.SECP256R1()),
        salt=b64url_decode(RFC["salt"]),
    )
    assert body == b64url_decode(RFC["body"])


@pytest.mark.parametrize(("length", "pad_to"), [(0, 0), (1, 0), (3993, 0), (20, 900)])
def test_another_implementation_reads_what_we_encrypt(
    browser_key, keys, length, pad_to
):
    plaintext = bytes(i % 251 for i in range(length))
    auth = b64url_decode(keys["auth"])
    p256dh = b64url_decode(keys["p256dh"])
    body = webpush.encrypt(plaintext, p256dh, auth, pad_to=pad_to)
    read = http_ece.decrypt(
        body, private_key=browser_key, auth_secret=auth, version="aes128gcm"
    )
    assert read == plaintext
    assert len(body) == 103 + max(length, pad_to)


def test_every_message_has_a_key_and_a_salt_of_its_own(keys):
    p256dh, auth = b64url_decode(keys["p256dh"]), b64url_decode(keys["auth"])
    one, two = (webpush.encrypt(b"x", p256dh, auth) for _ in range(2))
    assert one[:16] != two[:16]
    assert one[21:86] != two[21:86]


def test_what_leaves_has_every_header_and_opens_with_the_browsers_key(
    send, fault_server, browser_key, keys, vapid_keys
):
    message = Message(
        {"title": "Für dich", "n": 3},
        ttl_seconds=7200,
        urgency=Urgency.HIGH,
        collapse_key="campaign-7_42",
    )
    send("201", message)
    _kind, headers, body = fault_server.seen[0]
    assert headers["TTL"] == "7200"
    assert headers["Urgency"] == "high"
    assert headers["Topic"] == "campaign-7_42"
    assert headers["Content-Encoding"] == "aes128gcm"
    assert Vapid02.verify(headers["Authorization"])
    assert headers["Authorization"].endswith(f",k={vapid_keys[1]}")
    plaintext = http_ece.decrypt(
        body,
        private_key=browser_key,
        auth_secret=b64url_decode(keys["auth"]),
        version="aes128gcm",
    )
    assert json.loads(plaintext) == {"title": "Für dich", "n": 3}


def test_a_message_without_collapse_key_has_no_topic(send, fault_server):
    send("201")
    assert "Topic" not in fault_server.seen[0][1]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, Outcome.ACCEPTED),
        (202, Outcome.ACCEPTED),
        (400, Outcome.REJECTED),
        (401, Outcome.CREDENTIALS),
        (403, Outcome.CREDENTIALS),
        (404, Outcome.GONE),
        (406, Outcome.RATE_LIMITED),
        (410, Outcome.GONE),
        (413, Outcome.TOO_LARGE),
        (429, Outcome.RATE_LIMITED),
        (500, Outcome.RETRY),
        (502, Outcome.RETRY),
        (503, Outcome.RETRY),
        (200, Outcome.REJECTED),
        (418, Outcome.REJECTED),
    ],
)
def test_each_status_has_its_outcome(send, fault_server, status, outcome):
    receipt = send(str(status))
    assert (receipt.outcome, receipt.status) == (outcome, status)
    assert receipt.origin == fault_server.origin
    if outcome is not Outcome.ACCEPTED:
        assert receipt.sample == f"because {status}"


def test_only_a_service_that_says_gone_costs_a_subscription(send):
    statuses = [200, 201, 301, 400, 401, 403, 404, 406, 410, 413, 429, 500, 503]
    lost = [s for s in statuses if send(str(s)).outcome.drops_contact]
    assert lost == [404, 410]


def test_only_our_credentials_stop_an_origin(send):
    stopping = [
        s for s in (400, 401, 403, 410, 429) if send(str(s)).outcome.stops_origin
    ]
    assert stopping == [401, 403]


def test_an_accepted_message_brings_its_number_at_the_provider(send):
    receipt = send("slow")
    assert receipt.outcome is Outcome.ACCEPTED
    assert receipt.provider_id == "/messages/slow"


@pytest.mark.parametrize("status", ["429", "406", "503"])
def test_a_service_that_says_when_to_come_back_is_heard(send, fault_server, status):
    fault_server.headers["Retry-After"] = "17"
    assert send(status).retry_after == 17


def test_retry_after_may_be_a_date():
    now = 1_800_000_000.0
    assert webpush.retry_after(formatdate(now + 90, usegmt=True), now=now) == 90


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("", None), ("soon", None), ("-5", 0), ("9" * 400, 86_400)],
)
def test_a_strange_retry_after_does_no_harm(value, seconds):
    assert webpush.retry_after(value, now=0) == seconds


@pytest.mark.parametrize("kind", ["hang", "reset"])
def test_a_request_that_may_have_arrived_is_unknown(send, fault_server, kind):
    receipt = send(kind)
    assert receipt.outcome is Outcome.UNKNOWN
    assert receipt.outcome.may_try_again
    assert len(fault_server.seen) == 1  # and was not quietly sent a second time


def test_a_status_counts_even_if_its_body_never_ends(send):
    assert send("endless").outcome is Outcome.GONE


def test_a_closed_port_is_surely_not_reached(vapid_keys, keys, send_all, unused_port):
    origin = f"http://127.0.0.1:{unused_port}"
    channel = WebPush(
        private_key=vapid_keys[0],
        subject="mailto:a@b.example",
        allowed_origins=[origin],
    )
    (receipt,) = send_all(channel, [(Address(f"{origin}/x", keys), _message())])
    assert receipt.outcome is Outcome.RETRY
    assert receipt.status is None


class Silent(ThreadedResolver):
    async def resolve(self, host, port=0, family=0):
        await asyncio.sleep(60)


class Failing(ThreadedResolver):
    async def resolve(self, host, port=0, family=0):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")


@pytest.mark.parametrize("resolver", [Silent, Failing])
def test_a_name_that_does_not_resolve_is_surely_not_reached(vapid_keys, keys, resolver):
    async def run():
        channel = WebPush(
            private_key=vapid_keys[0],
            subject="mailto:a@b.example",
            wire=Wire(connect_seconds=0.2, answer_seconds=5),
            resolver=resolver(),
        )
        address = Address("https://push.example/x", keys)
        async with channel.session() as session:
            return await session.send(address, _message())

    receipt = asyncio.run(run())
    assert receipt.outcome is Outcome.RETRY
    assert receipt.origin == "https://push.example"


def test_a_certificate_that_nobody_vouches_for_gets_no_message(
    vapid_keys, keys, self_signed
):
    arrived = []

    async def serve_and_send():
        server = await asyncio.start_server(
            lambda reader, writer: arrived.append(reader),
            "127.0.0.1",
            0,
            ssl=self_signed,
        )
        origin = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        channel = WebPush(
            private_key=vapid_keys[0],
            subject="mailto:a@b.example",
            allowed_origins=[origin],
        )
        async with server, channel.session() as session:
            return await session.send(Address(f"{origin}/x", keys), _message())

    receipt = asyncio.run(serve_and_send())
    assert receipt.outcome is Outcome.RETRY
    assert "ertificate" in receipt.sample
    assert arrived == []


def test_a_redirect_is_not_followed(send, fault_server):
    fault_server.headers["Location"] = f"{fault_server.origin}/201"
    assert send("307").outcome is Outcome.REJECTED
    assert [kind for kind, _headers, _body in fault_server.seen] == ["307"]


def test_the_largest_message_fits_and_one_more_byte_is_not_sent(send, fault_server):
    envelope = len(_message("").body())
    assert send("201", _message("x" * (MAX_PLAINTEXT - envelope))).status == 201
    assert len(fault_server.seen[0][2]) == 4096
    receipt = send("201", _message("x" * (MAX_PLAINTEXT - envelope + 1)))
    assert (receipt.outcome, receipt.status) == (Outcome.TOO_LARGE, None)
    assert len(fault_server.seen) == 1


def test_connections_are_bounded_and_used_again(channel, fault_server, keys, send_all):
    address = Address(f"{fault_server.origin}/slow", keys)
    receipts = send_all(channel, [(address, _message())] * 16)
    assert {receipt.outcome for receipt in receipts} == {Outcome.ACCEPTED}
    assert fault_server.most_at_once == 4
    assert len(fault_server.connections) == 4


def test_waiting_for_a_turn_uses_up_no_time_out(
    vapid_keys, fault_server, keys, send_all
):
    channel = WebPush(
        private_key=vapid_keys[0],
        subject="mailto:a@b.example",
        allowed_origins=[fault_server.origin],
        wire=Wire(connections=1, connect_seconds=0.3, answer_seconds=0.3),
    )
    address = Address(f"{fault_server.origin}/slow", keys)  # 0.1 s each
    receipts = send_all(channel, [(address, _message())] * 6)
    assert {receipt.outcome for receipt in receipts} == {Outcome.ACCEPTED}


def test_a_bad_address_among_good_ones_harms_only_itself(
    channel, fault_server, keys, send_all
):
    good = Address(f"{fault_server.origin}/201", keys)
    bad = Address(f"{fault_server.origin}/201", {**keys, "auth": "short"})
    receipts = send_all(channel, [(good, _message()), (bad, _message())] * 2)
    found = [receipt.outcome for receipt in receipts]
    assert found == [Outcome.ACCEPTED, Outcome.UNUSABLE] * 2
    assert len(fault_server.seen) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"auth": ""},
        {"auth": "AAAA"},
        {"auth": "not base64!"},
        {"p256dh": ""},
        {"p256dh": "BAAA"},
        {"p256dh": "B" + "A" * 86},  # 65 bytes, not on the curve
    ],
)
def test_keys_that_no_browser_has_are_refused_at_the_door(channel, keys, change):
    endpoint = next(iter(channel.allowed_origins)) + "/x"
    channel.check_address(Address(endpoint, keys))
    with pytest.raises(BadAddress):
        channel.check_address(Address(endpoint, {**keys, **change}))


def test_a_compressed_point_is_refused(channel, browser_key, keys):
    raw = point(browser_key.public_key())
    compressed = b64url(bytes([2 + raw[-1] % 2]) + raw[1:33])
    endpoint = next(iter(channel.allowed_origins)) + "/x"
    with pytest.raises(BadAddress):
        channel.check_address(Address(endpoint, {**keys, "p256dh": compressed}))


@pytest.fixture
def unused_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def self_signed(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "self_signed.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context


def _message(text="hello"):
    return Message({"title": text}, ttl_seconds=60)

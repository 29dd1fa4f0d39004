"""The demo's push service is as strict as a real one, and reads only what is for it."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import http_ece
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from campaigns.channels import vapid
from campaigns.demo import push_service
from campaigns.demo.user_agents import UserAgent, b64url_decode

RFC_UA_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
RFC_AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
RFC_BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg"
    "Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVB"
    "St2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


@pytest.fixture
def service(tmp_path):
    with push_service.running(tmp_path) as found:
        yield found


class Sender:
    """A sender made of other people's code: http_ece and PyJWT."""

    def __init__(self, origin):
        self.origin = origin
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.public = vapid.b64url(vapid.point(self.key.public_key()))

    def authorization(self, key=None, **claims):
        claims = {
            "aud": self.origin,
            "exp": int(time.time()) + 3600,
            "sub": "mailto:a@b.example",
        } | claims
        claims = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(claims, key or self.key, algorithm="ES256")
        return f"vapid t={token}, k={self.public}"

    def body(self, subscription, payload):
        return http_ece.encrypt(
            json.dumps(payload).encode(),
            private_key=ec.generate_private_key(ec.SECP256R1()),
            dh=b64url_decode(subscription["keys"]["p256dh"]),
            auth_secret=b64url_decode(subscription["keys"]["auth"]),
            version="aes128gcm",
        )

    def push(self, subscription, payload=None, *, body=None, without=(), **headers):
        sent = {
            "TTL": "60",
            "Content-Encoding": "aes128gcm",
            "Authorization": self.authorization(),
        }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if name not in without}
        if body is None:
            body = self.body(subscription, {} if payload is None else payload)
        return call("POST", subscription["endpoint"], body, sent)


@pytest.fixture
def sender(service):
    return Sender(service.origin)


@pytest.fixture
def subscription(service):
    return subscribe(service, device="household-1")


def call(method, url, body=None, headers=None):
    """(status, headers, parsed JSON or None)."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read()
        return answer.status, answer.headers, json.loads(text) if text else None


def subscribe(service, **asked):
    status, _headers, answer = call(
        "POST", f"{service.origin}/subscribe", json.dumps(asked).encode()
    )
    assert status == 201
    return answer


def delivered(service, since=0, **options):
    query = "".join(f"&{name}={value}" for name, value in options.items())
    return call("GET", f"{service.origin}/delivered?since={since}{query}")[2]


def stats(service):
    return call("GET", f"{service.origin}/stats")[2]


def test_the_example_of_the_rfc_is_read():
    number = int.from_bytes(b64url_decode(RFC_UA_PRIVATE), "big")
    agent = UserAgent.new("rfc", "")
    agent.private_key = ec.derive_private_key(number, ec.SECP256R1())
    agent.public_point = vapid.point(agent.private_key.public_key())
    agent.auth = b64url_decode(RFC_AUTH)
    read = agent.decrypt(b64url_decode(RFC_BODY))
    assert read == b"When I grow up, I want to be a watermelon"


def test_a_push_is_read_and_handed_to_the_simulator(service, sender, subscription):
    payload = {"title": "Für dich", "items": [1, 2, 3]}
    status, headers, _body = sender.push(subscription, payload, Topic="launch-1")
    assert status == 201
    assert headers["Location"].startswith(service.origin)
    answer = delivered(service)
    (message,) = answer["messages"]
    assert message["payload"] == payload
    assert message["device"] == "household-1"
    assert message["topic"] == "launch-1"
    assert abs(message["received_at"] - time.time()) < 60
    assert answer["last"] == message["number"] == 1


def test_reading_goes_on_where_it_stopped(service, sender, subscription):
    for number in range(5):
        sender.push(subscription, {"n": number})
    first = delivered(service, limit=2)
    second = delivered(service, since=first["last"])
    found = [m["payload"]["n"] for m in first["messages"] + second["messages"]]
    assert found == [0, 1, 2, 3, 4]
    assert delivered(service, since=second["last"])["messages"] == []


def test_a_copy_replaces_the_unread_one_and_is_counted(service, sender, subscription):
    sender.push(subscription, {"n": 1}, Topic="same")
    sender.push(subscription, {"n": 2}, Topic="same")
    sender.push(subscription, {"n": 3}, Topic="other")
    messages = delivered(service)["messages"]
    assert [(m["payload"]["n"], m["copy"]) for m in messages] == [(2, True), (3, False)]
    assert (stats(service)["copies"], stats(service)["replaced"]) == (1, 1)


def test_a_copy_of_what_was_read_is_seen_twice(service, sender, subscription):
    sender.push(subscription, {"n": 1}, Topic="same")
    delivered(service)
    sender.push(subscription, {"n": 2}, Topic="same")
    (message,) = delivered(service, since=1)["messages"]
    assert message["copy"]
    assert (stats(service)["copies"], stats(service)["replaced"]) == (1, 0)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"without": ["TTL"]}, 400),
        ({"TTL": "-1"}, 400),
        ({"TTL": "soon"}, 400),
        ({"without": ["Content-Encoding"]}, 400),
        ({"Content_Encoding": "aesgcm"}, 400),
        ({"Topic": "x" * 33}, 400),
        ({"Topic": "a b"}, 400),
        ({"Urgency": "now"}, 400),
        ({"body": b"x" * 4097}, 413),
        ({"without": ["Authorization"]}, 401),
        ({"Authorization": "WebPush abc"}, 401),
        ({"Authorization": "vapid t=abc, k=def"}, 403),
    ],
)
def test_what_a_strict_service_refuses_is_refused(
    service, sender, subscription, change, status
):
    found, _headers, answer = sender.push(subscription, **change)
    assert (found, bool(answer["reason"])) == (status, True)
    assert delivered(service)["messages"] == []
    assert stats(service)["bad_requests"] + stats(service)["bad_vapid"] == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://push.example"},
        {"aud": None},
        {"exp": 1},
        {"exp": 9_999_999_999},
        {"exp": None},
        {"sub": None},
        {"sub": "somebody"},
        {"key": ec.generate_private_key(ec.SECP256R1())},  # not the k= it comes with
    ],
)
def test_a_token_that_is_not_right_is_refused(service, sender, subscription, claims):
    header = sender.authorization(**claims)
    assert sender.push(subscription, Authorization=header)[0] == 403
    assert stats(service)["bad_vapid"] == 1


def test_a_subscription_is_bound_to_the_key_it_was_made_with(service, sender):
    ours = subscribe(service, device="d", application_server_key=sender.public)
    assert sender.push(ours)[0] == 201
    stranger = Sender(service.origin)
    assert stranger.push(ours)[0] == 403
    assert sender.push(ours)[0] == 201


def test_what_is_meant_for_another_device_cannot_be_read(service, sender, subscription):
    other = subscribe(service, device="household-2")
    status, _headers, answer = sender.push(
        subscription, body=sender.body(other, {"secret": True})
    )
    assert status == 400
    assert "not for this subscription" in answer["reason"]
    assert stats(service)["decrypt_failures"] == 1


@pytest.mark.parametrize("body", [b"", b"short", b"\x00" * 200])
def test_what_is_no_record_is_refused(service, sender, subscription, body):
    assert sender.push(subscription, body=body)[0] == 400
    assert stats(service)["decrypt_failures"] == 1


def test_a_device_that_left_is_gone(service, sender, subscription):
    token = subscription["endpoint"].rsplit("/", 1)[1]
    url = f"{service.origin}/subscriptions/{token}"
    assert call("DELETE", url)[0] == 204
    assert sender.push(subscription)[0] == 410
    assert call("DELETE", url)[0] == 404
    assert subscribe(service, device="household-1") != subscription


def test_a_subscription_that_never_was_is_not_found(service, sender, subscription):
    subscription["endpoint"] = f"{service.origin}/push/never"
    assert sender.push(subscription)[0] == 404


def test_thousands_subscribe_at_once_and_nobody_twice(service):
    devices = [f"household-{n}" for n in range(3000)]
    first = subscribe(service, devices=devices)["subscriptions"]
    assert len({subscription["endpoint"] for subscription in first}) == 3000
    assert subscribe(service, devices=devices)["subscriptions"] == first
    assert stats(service)["subscriptions"] == 3000


@pytest.mark.parametrize(
    "asked",
    [b"", b"[]", b"{}", b'{"device": 7}', b'{"devices": "ab"}', b'{"devices": [[]]}'],
)
def test_a_strange_subscribe_is_refused_with_a_reason(service, asked):
    status, _headers, answer = call("POST", f"{service.origin}/subscribe", asked)
    assert status == 400
    assert "device" in answer["reason"]


def test_user_agents_survive_a_restart_and_a_torn_last_line(tmp_path):
    with push_service.running(tmp_path) as service:
        kept, left = (subscribe(service, device=name) for name in ("kept", "left"))
        call("DELETE", left["endpoint"].replace("/push/", "/subscriptions/"))
        port = int(service.origin.rsplit(":", 1)[1])
    with (tmp_path / "user_agents.jsonl").open("a") as file:
        file.write('{"token": "to')
    with push_service.running(tmp_path, port=port) as service:
        sender = Sender(service.origin)
        assert sender.push(kept, {"still": "here"})[0] == 201
        assert sender.push(left)[0] == 410
        assert subscribe(service, device="kept") == kept
        late = subscribe(service, device="late")
    with push_service.running(tmp_path, port=port) as service:
        assert subscribe(service, device="late") == late


def test_it_runs_as_a_process_that_says_when_it_is_ready_and_stops(tmp_path):
    command = [sys.executable, "-m", "campaigns.demo.push_service", "--data", tmp_path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["origin"].startswith("http://127.0.0.1:")
        assert call("GET", f"{ready['origin']}/stats")[0] == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        assert process.wait(timeout=10) == 0

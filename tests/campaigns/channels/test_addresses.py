"""Nobody makes our servers talk to our own network."""

import asyncio
from ipaddress import ip_address

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

from campaigns.channels import addresses
from campaigns.channels.addresses import UnsafeEndpoint
from campaigns.channels.base import Address, Message, Outcome
from campaigns.channels.webpush import WebPush

NONE = frozenset()
PUBLIC, PRIVATE = "1.1.1.1", "10.0.0.7"


def parse(endpoint, *allowed):
    return addresses.parse_endpoint(
        endpoint, allowed_origins=addresses.origins(allowed)
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example/x",
        "ftp://push.example/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//push.example/x",
        "push.example",
        "",
        "https://",
        "https:///x",
        "https://user@push.example/x",
        "https://user:secret@push.example/x",
        "https://push.example:0/x",
        "https://push.example:99999/x",
        "https://push example/x",
        "https://push.example\\@10.0.0.1/x",
        "https://push.example/\r\nHost: inside",
        "https://пуш.example/x",
        "https://%31%30.0.0.1/x",
        "https://[::1/x",
        "https://push.example/" + "x" * 2048,
    ],
)
def test_what_is_no_https_address_is_refused(endpoint):
    with pytest.raises(UnsafeEndpoint):
        parse(endpoint)


INSIDE = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # the metadata service of most clouds
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:0a00:0001::1",  # 6to4 around 10.0.0.1
    "2001:db8::1",
    "2001::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_of_the_inside_is_refused_as_a_literal(address):
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(UnsafeEndpoint):
        parse(f"https://{host}/x")


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_points_inside_is_refused(address):
    with pytest.raises(UnsafeEndpoint):
        resolve(Fixed([PUBLIC, address]))


@pytest.mark.parametrize(
    "host", ["2130706433", "127.1", "0127.0.0.1", "127.0.0.1.", "010.1"]
)
def test_numbers_that_a_socket_would_read_as_an_address_are_no_names(host):
    with pytest.raises(UnsafeEndpoint):
        parse(f"https://{host}/x")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_addresses_of_the_open_internet_pass(address):
    assert addresses.is_public(ip_address(address))
    assert resolve(Fixed([address]))[0]["host"] == address


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/dQw4:APA91bE-x_%3A~",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAAA==",
        "https://wns2-par02p.notify.windows.com/w/?token=BQYAAA%2b%2f%3d",
        "https://web.push.apple.com/QGx/x;y",
        "https://push.example:8443/x",
    ],
)
def test_the_endpoints_of_real_services_pass_byte_for_byte(endpoint):
    assert str(parse(endpoint)) == endpoint


def test_an_origin_is_written_as_push_services_compare_it():
    assert addresses.origin_of(parse("https://PUSH.example:443/x")) == (
        "https://push.example"
    )
    assert addresses.origin_of(parse("https://push.example:8443/x")) == (
        "https://push.example:8443"
    )


def test_only_the_exact_listed_origin_is_excepted():
    listed = "http://127.0.0.1:9000"
    assert parse(f"{listed}/push/1", listed).port == 9000
    for other in (
        "http://127.0.0.1:9001/x",
        "https://127.0.0.1:9000/x",
        "http://localhost:9000/x",
        "http://127.0.0.2:9000/x",
    ):
        with pytest.raises(UnsafeEndpoint):
            parse(other, listed)


def test_a_listed_name_is_not_reached_by_another_scheme():
    with pytest.raises(UnsafeEndpoint):
        parse("https://push.test:9000/x", "http://push.test:9000")


def test_a_listed_name_may_point_inside_on_its_port_only():
    allowed = addresses.origins(["http://push.test:9000"])
    assert resolve(Fixed([PRIVATE]), allowed, "push.test", 9000)
    with pytest.raises(UnsafeEndpoint):
        resolve(Fixed([PRIVATE]), allowed, "push.test", 9001)


@pytest.fixture
def attempts(monkeypatch):
    """The socket addresses that a connection was tried to; none is really opened."""
    tried = []

    async def refuse(addr_infos, **_options):
        tried.extend(info[4][0] for info in addr_infos)
        raise ConnectionRefusedError("no network in tests")

    monkeypatch.setattr(aiohttp.connector.aiohappyeyeballs, "start_connection", refuse)
    return tried


def test_a_name_that_changes_its_mind_after_the_check_gains_nothing(
    attempts, vapid_keys, keys, monkeypatch
):
    monkeypatch.setattr(addresses, "DNS_SECONDS", 0)  # ask again for the second message
    rebinding = Rebinding([[PUBLIC], [PRIVATE], [PRIVATE]])
    receipts = send_twice(rebinding, vapid_keys, keys)
    # One question per connection, and it goes to the very answer that was checked.
    assert attempts == [PUBLIC]
    assert rebinding.asked == 2
    assert receipts[0].outcome is Outcome.RETRY
    assert receipts[1].outcome is Outcome.UNUSABLE
    assert PRIVATE in receipts[1].sample
    assert not receipts[
        1
    ].outcome.drops_contact  # a sick DNS must not cost a subscriber


def test_a_name_is_not_asked_again_while_its_checked_answer_is_fresh(
    attempts, vapid_keys, keys
):
    rebinding = Rebinding([[PUBLIC], [PRIVATE]])
    send_twice(rebinding, vapid_keys, keys)
    assert rebinding.asked == 1
    assert attempts == [PUBLIC, PUBLIC]


class Fixed(AbstractResolver):
    """Always the same answer."""

    def __init__(self, hosts):
        self.hosts = hosts

    async def resolve(self, host, port=0, family=0):
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": 2,
                "proto": 6,
                "flags": 0,
            }
            for address in self.hosts
        ]

    async def close(self):
        pass


class Rebinding(Fixed):
    """Another answer each time it is asked."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = 0

    async def resolve(self, host, port=0, family=0):
        self.hosts = self.answers[self.asked]
        self.asked += 1
        return await super().resolve(host, port, family)


def resolve(inner, allowed=NONE, host="push.example", port=443):
    return asyncio.run(addresses.PublicResolver(allowed, inner).resolve(host, port))


def send_twice(resolver, vapid_keys, keys):
    channel = WebPush(
        private_key=vapid_keys[0], subject="mailto:a@b.example", resolver=resolver
    )
    address = Address("https://push.example/x", keys)

    async def run():
        async with channel.session() as session:
            return [
                await session.send(address, Message({"n": n}, ttl_seconds=60))
                for n in range(2)
            ]

    return asyncio.run(run())

"""What every channel promises. A new channel adds its wire to WIRES, nothing else."""

import asyncio
import contextlib

import pytest

from campaigns import channels
from campaigns.channels import memory, vapid
from campaigns.channels.base import Address, BadAddress, Message, Outcome, Receipt
from campaigns.demo import push_service

MESSAGE = Message({"title": "Three for you"}, ttl_seconds=60, collapse_key="launch-1")


@contextlib.contextmanager
def webpush_wire(folder):
    private, public = vapid.generate_keys()
    with push_service.running(folder) as service:
        subscriptions = service.subscribe(["one", "two"], public)
        channel = channels.get_channel(
            "webpush",
            private_key=private,
            subject="mailto:shop@strata.example",
            allowed_origins=[service.origin],
        )
        yield channel, [Address(s["endpoint"], s["keys"]) for s in subscriptions]


@contextlib.contextmanager
def memory_wire(_folder):
    yield channels.get_channel("memory"), [Address("one"), Address("two")]
    memory.outbox.clear()


WIRES = {"webpush": webpush_wire, "memory": memory_wire}


@pytest.fixture(params=sorted(channels.CHANNELS))
def wire(request, tmp_path):
    """A channel of each kind with something at its other end: (channel, addresses)."""
    with WIRES[request.param](tmp_path) as found:
        yield found


def send(channel, *pairs):
    async def run():
        async with channel.session() as session:
            return await asyncio.gather(*(session.send(*pair) for pair in pairs))

    return asyncio.run(run())


def test_every_channel_has_a_label_for_people():
    assert [name for name, _label in channels.channel_choices()] == [*channels.CHANNELS]
    assert all(str(label) for _name, label in channels.channel_choices())


def test_an_unknown_name_is_named():
    with pytest.raises(channels.UnknownChannel, match="pigeon"):
        channels.get_channel("pigeon")


def test_a_good_address_gets_its_message(wire):
    channel, (address, _other) = wire
    channel.check_address(address)
    (receipt,) = send(channel, (address, MESSAGE))
    assert isinstance(receipt, Receipt)
    assert receipt.outcome is Outcome.ACCEPTED
    assert receipt.provider_id
    assert receipt.origin


def test_many_messages_are_in_flight_at_once_and_each_is_answered(wire):
    channel, addresses = wire
    receipts = send(channel, *[(address, MESSAGE) for address in addresses * 20])
    assert [receipt.outcome for receipt in receipts] == [Outcome.ACCEPTED] * 40
    assert len({receipt.provider_id for receipt in receipts}) == 40


def test_one_channel_may_open_many_sessions(wire):
    channel, (address, _other) = wire
    outcomes = [send(channel, (address, MESSAGE))[0].outcome for _ in range(2)]
    assert outcomes == [Outcome.ACCEPTED] * 2


def test_an_address_that_cannot_be_is_refused_at_the_door_and_on_the_wire(wire):
    channel, (address, _other) = wire
    nowhere = Address("", address.keys)
    with pytest.raises(BadAddress):
        channel.check_address(nowhere)
    bad, good = send(channel, (nowhere, MESSAGE), (address, MESSAGE))
    assert bad.outcome is Outcome.UNUSABLE
    assert bad.sample
    assert not bad.outcome.may_try_again
    assert good.outcome is Outcome.ACCEPTED


def test_what_is_too_large_is_not_sent_and_costs_no_address(wire):
    channel, (address, _other) = wire
    too_large = Message({"x": "x" * (channel.max_payload or 0)}, ttl_seconds=60)
    (receipt,) = send(channel, (address, too_large))
    assert receipt.outcome is Outcome.TOO_LARGE
    assert receipt.status is None
    assert not receipt.outcome.drops_contact


def test_keys_stay_out_of_logs(wire):
    _channel, (address, _other) = wire
    assert not any(key in repr(address) for key in address.keys.values())

"""The outbox: what tests of sending lean on."""

import pytest

from campaigns.channels import get_channel, memory
from campaigns.channels.base import Address, Message, Outcome, Receipt, collapse_key


@pytest.fixture(autouse=True)
def empty_outbox():
    memory.outbox.clear()
    yield
    memory.outbox.clear()


def test_what_is_sent_is_in_the_outbox_in_order(send_all):
    pairs = [(Address(name), Message({"n": name}, 60)) for name in ("a", "b")]
    receipts = send_all(get_channel("memory"), pairs)
    assert [(sent.address, sent.message) for sent in memory.outbox] == pairs
    assert [receipt.provider_id for receipt in receipts] == ["memory:1", "memory:2"]


def test_a_target_may_have_an_answer_of_its_own(send_all):
    channel = get_channel("memory", answers={"b": Receipt(Outcome.GONE, status=410)})
    pairs = [(Address(name), Message({}, 60)) for name in ("a", "b", "c")]
    outcomes = [receipt.outcome for receipt in send_all(channel, pairs)]
    assert outcomes == [Outcome.ACCEPTED, Outcome.GONE, Outcome.ACCEPTED]
    assert [sent.address.target for sent in memory.outbox] == ["a", "c"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ttl_seconds": -1},
        {"urgency": "at once"},
        {"collapse_key": ""},
        {"collapse_key": "x" * 33},
        {"collapse_key": "no spaces"},
    ],
)
def test_a_message_that_no_provider_takes_cannot_be_made(wrong):
    with pytest.raises(ValueError, match=r"ttl|at once|collapse_key"):
        Message({}, **{"ttl_seconds": 60, **wrong})


def test_a_collapse_key_is_the_same_on_every_attempt_and_tells_people_apart():
    assert collapse_key(7, 42) == collapse_key(7, 42)
    assert len({collapse_key(7, 42), collapse_key(74, 2), collapse_key(7, 43)}) == 3
    Message({}, 60, collapse_key=collapse_key("launch", 1))  # is a valid one

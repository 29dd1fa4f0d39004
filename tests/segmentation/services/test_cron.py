"""Five fields on the shop's own clock, over the nights that have 23 or 25 hours."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from segmentation.services import cron

BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("expression", "after", "first"),
    [
        ("0 4 * * 1", "2026-11-24T12:00+01:00", "2026-11-30T04:00+01:00"),
        ("0 4 * * mon", "2026-11-30T03:59+01:00", "2026-11-30T04:00+01:00"),
        ("0 4 * * 1", "2026-11-30T04:00+01:00", "2026-12-07T04:00+01:00"),
        ("*/20 * * * *", "2026-11-24T12:05+01:00", "2026-11-24T12:20+01:00"),
        ("30 2 1 * *", "2026-12-31T23:00+01:00", "2027-01-01T02:30+01:00"),
        ("0 0 * * 7", "2026-11-24T12:00+01:00", "2026-11-29T00:00+01:00"),
        ("0 0 * * 5-7", "2026-11-28T00:00+01:00", "2026-11-29T00:00+01:00"),
        ("0 0 29 2 *", "2026-11-24T12:00+01:00", "2028-02-29T00:00+01:00"),
        # Either day, as cron has it: the 13th, or a Friday.
        ("0 0 13 * 5", "2026-11-24T12:00+01:00", "2026-11-27T00:00+01:00"),
        ("0 0 13 * 5", "2026-12-12T12:00+01:00", "2026-12-13T00:00+01:00"),
        # 29 March 2026 has no half past two: it is made up for at half past three.
        ("30 2 * * *", "2026-03-28T12:00+01:00", "2026-03-29T03:30+02:00"),
        ("30 2 * * *", "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"),
        # 25 October 2026 has two: the first counts.
        ("30 2 * * *", "2026-10-24T12:00+02:00", "2026-10-25T02:30+02:00"),
        ("30 2 * * *", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        # Summer and winter the same hour of the shop.
        ("0 4 * * *", "2026-07-01T12:00+02:00", "2026-07-02T04:00+02:00"),
    ],
)
def test_the_next_time_is_the_shops(expression, after, first):
    read = cron.read(expression)
    assert read.next(at(after), BERLIN) == at(first)
    assert read.last(at(first), BERLIN, since=LONG_AGO) == at(first)
    assert read.last(at(first), BERLIN, since=at(first)) is None


def test_of_all_that_passed_the_last_is_told():
    nightly = cron.read("0 4 * * *")
    since, now = at("2026-11-20T04:00+01:00"), at("2026-11-24T03:59+01:00")
    assert nightly.last(now, BERLIN, since=since) == at("2026-11-23T04:00+01:00")


@pytest.mark.parametrize(
    "text",
    ["", "daily", "0 4 * *", "61 * * * *", "0 25 * * *", "0 4 31 2 *", "a b c d e"],
)
def test_what_is_no_cron_expression_is_said(text):
    with pytest.raises(cron.BadCron, match="no cron expression"):
        cron.read(text)

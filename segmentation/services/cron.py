"""When a cron expression is due, on the shop's own clock.

Five fields: minute, hour, day of the month, month, day of the week (0 or 7 is Sunday,
names are fine). Where both days are restricted, either makes a day, as cron has it. An
hour that daylight saving leaves out is made up for right after it; one that comes twice
counts the first time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from celery.schedules import ParseException, crontab
from django.utils.translation import gettext as _

AHEAD_DAYS = 366 * 8 + 2  # the 29th of February may be eight years away


class BadCron(ValueError):
    """No cron expression; the sentence says what is wrong."""


@dataclass(frozen=True)
class Cron:
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    is_either: bool  # day of the month or day of the week

    def next(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """The first instant after this one; None where there is none in years."""
        first = after.astimezone(zone).date() - timedelta(days=1)
        for number in range(AHEAD_DAYS):
            times = self._times(first + timedelta(days=number), zone)
            later = [instant for instant in times if instant > after]
            if later:
                return min(later)
        return None

    def last(
        self, until: datetime, zone: ZoneInfo, *, since: datetime
    ) -> datetime | None:
        """The last instant after ``since`` that is not after ``until``."""
        day = until.astimezone(zone).date() + timedelta(days=1)
        begin = since.astimezone(zone).date() - timedelta(days=1)
        while day >= begin:
            past = [at for at in self._times(day, zone) if since < at <= until]
            if past:
                return max(past)
            day -= timedelta(days=1)
        return None

    def _times(self, day: date, zone: ZoneInfo) -> Iterator[datetime]:
        if not self._is_on(day):
            return
        for hour in self.hours:
            for minute in self.minutes:
                local = datetime(
                    day.year, day.month, day.day, hour, minute, tzinfo=zone
                )
                yield local.astimezone(UTC)

    def _is_on(self, day: date) -> bool:
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        is_day = (of_month or of_week) if self.is_either else (of_month and of_week)
        return day.month in self.months and is_day


def read(text: str) -> Cron:
    """Read five fields; BadCron where they are none."""
    fields = text.split()
    if len(fields) != 5:
        raise BadCron(
            _("“%(text)s” is no cron expression: it needs five fields.")
            % {"text": text}
        )
    minute, hour, day, month, weekday = fields
    weekday = re.sub(r"(?<![/\d])7(?!\d)", "0", weekday)  # both are Sunday
    try:
        read_ = crontab(
            minute=minute,
            hour=hour,
            day_of_month=day,
            month_of_year=month,
            day_of_week=weekday,
        )
    except (ParseException, ValueError) as error:
        raise BadCron(
            _("“%(text)s” is no cron expression: %(error)s")
            % {"text": text, "error": error}
        ) from error
    return Cron(
        tuple(sorted(read_.minute)),
        tuple(sorted(read_.hour)),
        frozenset(read_.day_of_month),
        frozenset(read_.month_of_year),
        frozenset(read_.day_of_week),
        is_either=not day.startswith("*") and not weekday.startswith("*"),
    )

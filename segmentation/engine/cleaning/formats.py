"""How the cells of one column are written: decimal mark, dates, zone, nulls."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from segmentation.engine.sentences import Refusal, Sentence, gettext_noop

ORDERS = {
    "dmy": gettext_noop("day first, such as 31.01.2024 18:05"),
    "mdy": gettext_noop("month first, such as 01/31/2024 6:05 PM"),
    "ymd": gettext_noop("year first, such as 2024-1-31 18:05"),
}
# Name → how many of it make a second.
EPOCHS = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
SERIAL = "serial"
_EPOCH_EXAMPLES = {
    "epoch_s": gettext_noop("in seconds since 1970, such as 1706724300"),
    "epoch_ms": gettext_noop("in milliseconds since 1970, such as 1706724300000"),
    "epoch_us": gettext_noop("in microseconds since 1970, such as 1706724300000000"),
}
DATES = ("", *ORDERS, *EPOCHS, SERIAL)
NUMBER_EXAMPLES = {"": "1234.56", ".": "1,234.56", ",": "1.234,56"}
_MOMENT = datetime(2024, 1, 31, 18, 5, 7, tzinfo=UTC)  # only its text is used


class FormatError(Refusal):
    """No such way of writing; the text says what there is."""


@dataclass(frozen=True)
class Format:
    """How the cells of one column are written. Empty: as machines write.

    ``decimal`` is “.” or “,” (then thousands, currency signs, brackets and percents are
    read too). ``date`` is one of `DATES` or a strptime pattern; ``time_zone`` an IANA
    name, empty for the plan's. ``nulls`` are words that mean nothing in this column,
    beside those that always do. Raises FormatError.
    """

    decimal: str = ""
    date: str = ""
    time_zone: str = ""
    nulls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.decimal not in NUMBER_EXAMPLES:
            raise FormatError(
                gettext_noop(
                    "“%(decimal)s” is no decimal mark; take “.” or “,”, or nothing."
                ),
                decimal=self.decimal,
            )
        if self.date not in DATES and not _is_pattern(self.date):
            raise FormatError(
                gettext_noop(
                    "“%(date)s” is no way of writing dates; take one of %(known)s, or "
                    "a pattern such as %%d.%%m.%%Y %%H:%%M."
                ),
                date=self.date,
                known=", ".join(DATES[1:]),
            )
        if self.time_zone and not _is_zone(self.time_zone):
            raise FormatError(
                gettext_noop(
                    "“%(time_zone)s” is no time zone; take one such as Asia/Shanghai."
                ),
                time_zone=self.time_zone,
            )

    def as_json(self) -> dict[str, Any]:
        """What differs from the empty format, as JSON holds it."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Format:
        """The format that `as_json` wrote; FormatError for anything else."""
        known = [field.name for field in fields(cls)]
        nulls = data.get("nulls", [])
        texts = [value for name, value in data.items() if name != "nulls"]
        if not set(data) <= set(known):
            unknown = ", ".join(sorted(set(data) - set(known)))
            raise FormatError(
                gettext_noop("A format knows no “%(unknown)s”; it knows %(known)s."),
                unknown=unknown,
                known=", ".join(known),
            )
        if not isinstance(nulls, list) or not _are_texts([*texts, *nulls]):
            raise FormatError(
                gettext_noop("A format holds texts, and a list of texts as nulls.")
            )
        return cls(**{**data, "nulls": tuple(nulls)})

    @staticmethod
    def is_not(wanted: Sentence) -> Sentence:
        """Why a cell is refused: it is not what `number` or `time` says."""
        return Sentence(gettext_noop("is not %(what)s"), what=wanted)

    def number(self) -> Sentence:
        """What a cell should be, for the sentence of a reject."""
        if not self.decimal:
            return Sentence(gettext_noop("a number"))
        like = NUMBER_EXAMPLES[self.decimal]
        return Sentence(gettext_noop("a number written like %(like)s"), like=like)

    def time(self) -> Sentence:
        """The same, where a time is due."""
        if not self.date:
            return Sentence(gettext_noop("a date and time such as 2017-01-31 18:05:00"))
        if self.date in ORDERS:
            order = Sentence(ORDERS[self.date])
            return Sentence(gettext_noop("a date written %(order)s"), order=order)
        if self.date in EPOCHS:
            unit = Sentence(_EPOCH_EXAMPLES[self.date])
            return Sentence(gettext_noop("a time %(unit)s"), unit=unit)
        if self.date == SERIAL:
            return Sentence(gettext_noop("a day of a spreadsheet, such as 45322.75"))
        like = _MOMENT.strftime(self.date)
        return Sentence(gettext_noop("a date written like %(like)s"), like=like)


@dataclass(frozen=True)
class Guess:
    """A format, why it was taken, and what else it may be: then somebody must say."""

    format: Format
    reason: str
    doubts: tuple[Format, ...] = ()


def _is_pattern(date: str) -> bool:
    """Whether strptime takes the pattern and it names a whole day."""
    try:
        read = datetime.strptime(_MOMENT.strftime(date), date)  # noqa: DTZ007
    except ValueError:
        return False
    return "%" in date and read.date() == _MOMENT.date()


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)

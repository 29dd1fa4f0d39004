"""How a file is written: what is known of it, what is guessed, what is doubtful."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import pyarrow as pa
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.engine.cells import plain_text

FORMATS = ("csv", "jsonl", "json", "xlsx", "parquet")
TEXT_FORMATS = ("csv", "jsonl", "json")
JSON_FORMATS = ("jsonl", "json")
PACKINGS = ("", "gzip", "zip")
CHUNK_ROWS = 100_000
TWO_COLONS = "::"  # the one delimiter of two letters: MovieLens parts its tables so
NO_ROWS = gettext_lazy("The file has column names but no rows.")
NO_TEXT = (TypeError, ValueError, AssertionError)  # how codecs of no text answer
YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Unreadable(ValueError):
    """The file is no table that we can read; the text says what to do."""


@dataclass(frozen=True)
class Layout:
    """How a file is written. Empty text: not known, or not for this format."""

    format: str = ""  # one of FORMATS
    encoding: str = ""  # text formats: Python codec name
    delimiter: str = ""  # csv: one character, or two colons
    quote: str = '"'  # csv: "" for none
    escape: str = ""  # csv: "\\" where quotes in cells are written \"
    has_header: bool = True  # without: "column 1", "column 2", …
    packing: str = ""  # one of PACKINGS
    sheet: str = ""  # xlsx: name of the sheet
    lines: str = ""  # json: the list in each object whose elements are the rows

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        if self.format not in JSON_FORMATS:
            del told["lines"]
        return told

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Layout:
        """The layout, checked; Unreadable names what nobody can mean."""
        return cls(**checked(values))


@dataclass(frozen=True)
class Detected:
    """A guess with its reasons; what is in ``doubts`` must be asked, not decided."""

    layout: Layout
    reasons: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, list[str]] = field(default_factory=dict)
    # What else may be chosen of a property, where only the file can tell.
    choices: dict[str, list[str]] = field(default_factory=dict)

    def ask(self) -> str:
        """One sentence that names what must be chosen; "" without doubts."""
        if not self.doubts:
            return ""
        asked = "; ".join(
            f"{WORDS[name]}: {_(' or ').join(map(shown, values))}"
            for name, values in self.doubts.items()
        )
        return _(
            "It is not certain how the file is written. Choose for it: %(asked)s."
        ) % {"asked": asked}


@dataclass
class Reader:
    """An open file: its headers, its rows in all (0: unknown), and its chunks.

    ``n_bytes`` is the size on disk; ``bytes_read()`` how much of that was read.
    Chunks of text formats and sheets hold text columns; Parquet keeps its types.
    """

    headers: list[str]
    n_rows: int
    chunks: Iterator[pa.Table]
    # Lines that do not fit the header, as they were found: number and cells.
    ragged: list[tuple[int, list[str]]] = field(default_factory=list)
    ragged_reason: str = ""
    first_row: int = 2  # the number of the first row of data; the header is 1
    n_bytes: int = 0
    bytes_read: Callable[[], int] = int
    # What an operator should know of how the file was read.
    notices: list[str] = field(default_factory=list)


WORDS = {
    "format": gettext_lazy("format"),
    "encoding": gettext_lazy("encoding"),
    "delimiter": gettext_lazy("delimiter"),
    "quote": gettext_lazy("quote"),
    "escape": gettext_lazy("escape"),
    "has_header": gettext_lazy("line of column names"),
    "packing": gettext_lazy("packing"),
    "sheet": gettext_lazy("sheet"),
    "lines": gettext_lazy("list of rows"),
}
NAMED = {
    "\t": gettext_lazy("tab"),
    "": gettext_lazy("none"),
    "true": gettext_lazy("yes"),
    "false": gettext_lazy("no"),
}


def shown(value: str) -> str:
    """A value of a property as a person reads it."""
    return str(NAMED[value]) if value in NAMED else f"“{value}”"


def checked(values: dict[str, Any]) -> dict[str, Any]:
    """What was chosen for a file, with every value in its usual form."""
    if not isinstance(values, dict):
        raise Unreadable(_("The layout of a file is a JSON object."))
    known = [each.name for each in fields(Layout)]
    for name in values:
        if name not in known:
            raise Unreadable(
                _("The layout of a file has no “%(name)s”; it has %(known)s.")
                % {"name": name, "known": ", ".join(known)}
            )
    return {name: _value(name, value) for name, value in values.items()}


def _value(name: str, value: Any) -> Any:
    if name == "has_header":
        value = YES_NO.get(str(value).strip().lower())
        good = value is not None
    elif not isinstance(value, str):
        good = False
    elif name == "encoding":
        return codec(value) if value else ""
    elif name in ("delimiter", "quote", "escape"):
        value = "\t" if value in ("\\t", "tab") else value
        good = len(value) < 2 and value.isascii() and value not in ("\r", "\n", "\0")
        good |= name == "delimiter" and value == TWO_COLONS
    else:
        allowed = {"format": ("", *FORMATS), "packing": PACKINGS}.get(name)
        good = allowed is None or value in allowed
    if not good:
        raise Unreadable(
            _("“%(value)s” cannot be the %(name)s of a file.")
            % {"value": value, "name": WORDS[name]}
        )
    return value


def codec(name: str) -> str:
    """Python's name of a text encoding; Unreadable for one that nobody knows."""
    try:
        found = codecs.lookup(name.strip())
        # Text must come out, piece by piece: neither base64 nor a domain name's.
        decoder = codecs.getincrementaldecoder(found.name)("replace")
        decoder.decode(b"a", final=False).encode()
    except (LookupError, AttributeError, *NO_TEXT) as error:
        raise Unreadable(
            _("“%(encoding)s” is no encoding; try utf-8 or gb18030.")
            % {"encoding": name}
        ) from error
    return "utf-8" if found.name == "utf-8-sig" else found.name


def unblank(names: list[str]) -> list[str]:
    """Column names without spaces around them, and without the mark of a file of ours;
    a blank one is called by its place."""
    stripped = [plain_text(name.strip()) for name in names]
    return [name or placed(number) for number, name in enumerate(stripped, start=1)]


def placed(number: int) -> str:
    """What a column without a name is called; the same in every language."""
    return f"column {number}"


def refuse_doubled(headers: list[str]) -> None:
    doubled = {name for name in headers if headers.count(name) > 1}
    if doubled:
        raise Unreadable(
            _("Two columns are called %(names)s; give each its own name.")
            % {"names": ", ".join(sorted(doubled))}
        )

"""What stands in a workbook's sheets, read by expat as it is unpacked.

openpyxl knows the workbook: its sheets, its shared texts' place, which formats are
dates. The cells themselves it reads ten times as slowly, and a sheet that does not say
its size (many programs write none) it reads once more before the first row.

Elements: ECMA-376 Part 1, 18.3.1 (worksheets) and 18.4 (shared texts).
"""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, Any
from xml.parsers import expat

from django.utils.translation import gettext as _
from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.numbers import (
    BUILTIN_FORMATS,
    is_date_format,
    is_timedelta_format,
)
from openpyxl.utils import column_index_from_string
from openpyxl.utils.datetime import from_excel
from openpyxl.xml.constants import ARC_STYLE, SHARED_STRINGS
from openpyxl.xml.functions import fromstring, localname

MOST_ROWS = 2**20  # that a sheet can have
PIECE = 2**16
# The namespaces of the two editions of the standard.
_SPACES = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
_NAMES = ("row", "c", "f", "v", "t", "rPh", "si")
_KNOWN = {f"{space} {name}": name for space in _SPACES for name in _NAMES}
_KNOWN |= {name: name for name in _NAMES}  # of programs that name no space
_TRUE = ("1", "true")

Cells = list[str | None]
Uncomputed = dict[int, list[int]]  # column → first row and number of such cells


class Book:
    """An open workbook; ``names`` are its sheets, ``visible`` those not hidden.

    ``uncomputed`` tells, of the rows read so far, where formulas stand whose value no
    program ever stored: nothing can be read there. Raises what openpyxl, zipfile and
    expat raise for a damaged file.
    """

    def __init__(self, file: IO[bytes]) -> None:
        reader = ExcelReader(file, read_only=True, data_only=True)
        reader.read_manifest()
        reader.read_workbook()
        self._archive: zipfile.ZipFile = reader.archive
        self._dates, self._spans = _formats(reader.archive)
        self._epoch = reader.wb.epoch
        self._texts: list[str] | None = None
        found = reader.package.find(SHARED_STRINGS)
        self._shared = found.PartName[1:] if found is not None else ""
        self._places: dict[str, str] = {}
        self.uncomputed: Uncomputed = {}
        self.names: list[str] = []  # of sheets with cells, as they stand
        self.visible: list[str] = []
        for sheet, link in reader.parser.find_sheets():
            if link.target in reader.valid_files and link.Type.endswith("/worksheet"):
                self._places[sheet.name] = link.target
                self.names.append(sheet.name)
                if sheet.state == "visible":
                    self.visible.append(sheet.name)

    def rows(self, name: str) -> Iterator[Cells]:
        """The rows that hold anything, as texts; one without is no row of a table."""
        if self._texts is None:
            self._texts = self._shared_texts() if self._shared else []
        parsed = _Rows(self._texts, self._dates, self._spans, self._epoch)
        self.uncomputed = parsed.uncomputed
        for _piece in parsed.through(self._archive, self._places[name]):
            yield from parsed.taken()

    def close(self) -> None:
        self._archive.close()

    def _shared_texts(self) -> list[str]:
        parsed = _Texts()
        for _piece in parsed.through(self._archive, self._shared):
            pass
        return parsed.found


def _formats(archive: zipfile.ZipFile) -> tuple[set[int], set[int]]:
    """The styles of cells that are times, and those of them that are spans of time.

    All the rest of a stylesheet is looks; openpyxl refuses some that Excel takes.
    """
    dates, spans = set[int](), set[int]()
    own: dict[int, str] = {}
    styles: list[int] = []
    if ARC_STYLE in archive.namelist():
        for element in fromstring(archive.read(ARC_STYLE)).iter():
            if localname(element) == "numFmt":
                own[int(element.get("numFmtId"))] = element.get("formatCode")
            elif localname(element) == "cellXfs":
                styles = [int(style.get("numFmtId", 0)) for style in element]
    for place, number_format in enumerate(styles):
        code = own.get(number_format) or BUILTIN_FORMATS.get(number_format, "General")
        if is_date_format(code):
            dates.add(place)
        if is_timedelta_format(code):
            spans.add(place)
    return dates, spans


class _Part:
    """One part of the file: what is within <t> or <v> becomes ``_written``."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._is_text = False
        self._is_reading_aid = False  # how a text is pronounced, which is not its text

    def through(self, archive: zipfile.ZipFile, name: str) -> Iterator[None]:
        """Parse the part, pausing after each piece."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        with archive.open(name) as part:
            while piece := part.read(PIECE):
                parser.Parse(piece, False)
                yield
            parser.Parse(b"", True)
            yield

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        known = _KNOWN.get(name)
        if known == "v" or known == "t":
            self._is_text = not self._is_reading_aid
        elif known == "rPh":
            self._is_reading_aid = True
        elif known:
            self._opened(known, attributes)

    def _end(self, name: str) -> None:
        known = _KNOWN.get(name)
        if known == "v" or known == "t":
            self._is_text = False
        elif known == "rPh":
            self._is_reading_aid = False
        elif known:
            self._closed(known)

    def _characters(self, text: str) -> None:
        if self._is_text:
            self._written.append(text)

    def _opened(self, known: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def _closed(self, known: str) -> None:
        raise NotImplementedError


class _Texts(_Part):
    """The shared texts, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def _opened(self, known: str, attributes: dict[str, str]) -> None:
        self._written = []

    def _closed(self, known: str) -> None:
        if known == "si":
            self.found.append("".join(self._written))


class _Rows(_Part):
    """The cells of a sheet, row by row, each in its column."""

    def __init__(
        self, texts: list[str], dates: set[int], spans: set[int], epoch: dt.datetime
    ) -> None:
        super().__init__()
        self._texts, self._dates, self._spans = texts, dates, spans
        self._epoch = epoch
        self._done: list[Cells] = []
        self._cells: Cells = []
        self._number = 0
        self._column, self._kind, self._style = 0, "n", 0
        self._is_formula = False
        self.uncomputed: Uncomputed = {}

    def taken(self) -> list[Cells]:
        """The rows that are whole, once."""
        done, self._done = self._done, []
        return done

    def _opened(self, known: str, attributes: dict[str, str]) -> None:
        if known == "row":
            self._number = int(attributes.get("r") or self._number + 1)
            if self._number > MOST_ROWS:  # it may claim a number like 10^12
                raise ValueError(_("a sheet has at most 1,048,576 rows"))
            self._cells = []
        elif known == "c":
            place = attributes.get("r")
            self._column = _column_of(place) if place else len(self._cells)
            self._kind = attributes.get("t", "n")
            self._style = int(attributes.get("s", "0"))
            self._written, self._is_formula = [], False
        elif known == "f":
            self._is_formula = True

    def _closed(self, known: str) -> None:
        if known == "c" and self._written:
            cell = self._cell("".join(self._written))
            missing = self._column - len(self._cells)
            if missing > 0:
                self._cells += [None] * missing
            self._cells.append(cell or None)
        elif known == "c" and self._is_formula and self._kind != "str":
            # (What is computed to an empty text says that it is a text.)
            self.uncomputed.setdefault(self._column, [self._number, 0])[1] += 1
        elif known == "row" and any(self._cells):
            self._done.append(self._cells)

    def _cell(self, written: str) -> str:
        if self._kind == "s":
            return self._texts[int(written)]
        if self._kind == "b":
            return "true" if written in _TRUE else "false"
        if self._kind != "n":  # texts, errors such as #N/A, times in ISO form
            return written
        if self._style in self._dates:
            return self._moment(written)
        return written if written.isdigit() else number(written)

    def _moment(self, written: str) -> str:
        """A day of the spreadsheet as a time; as it stands where it is none."""
        try:
            days = float(written)
            spans = self._style in self._spans
            found = from_excel(days, self._epoch, timedelta=spans)
        except (ValueError, OverflowError):
            return number(written)
        if not isinstance(found, dt.datetime):
            return str(found)
        if not (found.hour or found.minute or found.second or found.microsecond):
            return found.date().isoformat()
        return found.isoformat(sep=" ")


def number(written: str) -> str:
    """A number as a person reads it: 17850, never 17850.0 or 6.9500000000000002."""
    try:
        value = float(written)
    except ValueError:
        return written
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


@lru_cache(maxsize=1024)
def _letters(letters: str) -> int:
    return column_index_from_string(letters) - 1


def _column_of(place: str) -> int:
    """0 for A1; ValueError where no sheet has such a column."""
    return _letters(place.rstrip("0123456789"))


def width(row: list[Any]) -> int:
    """Cells up to the last one that holds anything."""
    n = len(row)
    while n and row[n - 1] is None:
        n -= 1
    return n

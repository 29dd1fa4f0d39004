"""Find out how a file is written, say why, and say what remains doubtful."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from segmentation.services.importing.reading import (
    dialects,
    encodings,
    jsonlines,
    limits,
    lists,
    packing,
    workbooks,
)
from segmentation.services.importing.reading.layout import (
    JSON_FORMATS,
    Detected,
    Layout,
    Unreadable,
    checked,
)

HEAD, SLICE, N_SLICES = 2**18, 2**16, 192
PACKED_HEAD = 2**22
FOREIGN = (
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"SQLite format 3", "SQLite"),
    (b"ORC\n", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"ARROW1", "Arrow"),
    (b"{\\rtf", "RTF"),
)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
WEB_PAGE = re.compile(
    rb"(<!--.*?-->|\s)*<(!doctype|html|head|body|table|div|script|meta|title|span|p|tr)\b",
    re.IGNORECASE | re.DOTALL,
)


def detect(
    path: Path, chosen: dict[str, Any] | None = None, names: Collection[str] = ()
) -> Detected:
    """How the file is written, with reasons; ``chosen`` properties hold as they are.

    ``names`` are columns that a mapping asks for; they settle whether there is a
    header. Reads some pieces of the file only, however big it is. Raises Unreadable
    with a sentence when it is no table.
    """
    given = checked(chosen or {})
    if not path.exists():
        raise Unreadable(_("The file %(path)s is gone.") % {"path": path})
    if not path.stat().st_size:
        raise Unreadable(_("The file is empty."))
    limits.refuse_size(path.stat().st_size)
    reasons: dict[str, str] = {}
    packed = given.get("packing")
    if packed is None:
        with path.open("rb") as file:
            packed = packing.packing_of(file.read(16), path)
        if packed:
            reasons["packing"] = _("The file begins as such an archive does.")
    samples = _samples(path, packed)
    start = samples[0]
    if not start:
        raise Unreadable(_("The file is empty."))
    layout = Layout(packing=packed)
    if known := given.get("format") or _binary_format(start):
        if "format" not in given:
            reasons["format"] = _("The file begins as such files do.")
        layout = replace(layout, format=known)
        if known == "xlsx":
            return _of_workbook(path, layout, given, reasons)
        if known == "parquet":
            return Detected(layout, reasons)
    found = _of_text(samples, layout, given, reasons, names)
    is_json = found.layout.format in JSON_FORMATS and not found.doubts
    return _with_lists(path, found, given) if is_json else found


def _samples(path: Path, packed: str) -> list[bytes]:
    """The start of the file, and slices from all over it where one can jump."""
    if packed:
        source = packing.Source(path, packed)
        try:
            return [source.read(PACKED_HEAD)]
        finally:
            source.close()
    size = path.stat().st_size
    with path.open("rb") as file:
        samples = [file.read(HEAD)]
        left = size - HEAD
        step = max(left // N_SLICES, SLICE) // 4 * 4  # even: UTF-16 keeps its step
        for place in range(HEAD, size, step):
            file.seek(place)
            samples.append(file.read(SLICE))
        if left > SLICE:
            file.seek((size - SLICE) // 4 * 4)
            samples.append(file.read(SLICE + 4))
    return samples


def _binary_format(start: bytes) -> str:
    """The format of what is no text; "" for text; Unreadable for foreign files."""
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(packing.ZIP):
        if b"application/vnd.oasis" in start[:200]:
            raise _foreign(_("an OpenDocument file"))
        if b"[Content_Types].xml" in start or b"xl/" in start:
            return "xlsx"
        raise _foreign(_("an archive in an archive"))
    if start.startswith(OLE):
        raise Unreadable(
            _(
                "The file is a workbook of an old Excel (.xls) or one with a password; "
                "save it as .xlsx without a password, or as CSV."
            )
        )
    for mark, name in FOREIGN:
        if start.startswith(mark):
            raise _foreign(_("a file of the kind %(name)s") % {"name": name})
    return ""


def _foreign(what: str) -> Unreadable:
    return Unreadable(
        _("This is %(what)s, not a table; export CSV, JSON Lines, XLSX or Parquet.")
        % {"what": what}
    )


def _of_workbook(
    path: Path, layout: Layout, given: dict[str, Any], reasons: dict[str, str]
) -> Detected:
    doubts: dict[str, list[str]] = {}
    found = workbooks.sheets_with_rows(path, layout)
    if not found:
        raise Unreadable(_("The workbook has no visible sheet with any rows."))
    sheets = dict(found)
    name = given.get("sheet") or found[0][0]
    if not given.get("sheet"):
        if len(found) > 1:
            doubts["sheet"] = list(sheets)
            reasons["sheet"] = _("Several sheets hold rows.")
        else:
            reasons["sheet"] = _("It is the only visible sheet with rows.")
    layout = replace(layout, sheet=name, has_header=given.get("has_header", True))
    if "has_header" not in given and name in sheets:
        told = dialects.header_of(sheets[name])
        has_header, reasons["has_header"], certain = told
        layout = replace(layout, has_header=has_header)
        if not certain:
            doubts["has_header"] = ["true", "false"]
    return Detected(layout, reasons, doubts)


def _of_text(
    samples: list[bytes],
    layout: Layout,
    given: dict[str, Any],
    reasons: dict[str, str],
    names: Collection[str],
) -> Detected:
    doubts: dict[str, list[str]] = {}
    if name := given.get("encoding"):
        layout = replace(layout, encoding=name)
    else:
        found = encodings.encoding_of(samples)
        layout = replace(layout, encoding=found.name)
        reasons["encoding"] = found.reason
        if found.doubts:
            doubts["encoding"] = list(found.doubts)
    text = encodings.decoded(samples[0][: 2 * HEAD], layout.encoding)
    if text is None:
        text = samples[0][: 2 * HEAD].decode(layout.encoding, "replace")
    text = text.removeprefix("\ufeff")
    _refuse_markup(text)
    if not layout.format:
        layout = replace(layout, format=_text_format(text))
        reasons["format"] = _("Its first line reads like that.")
    if layout.format != "csv":
        return Detected(layout, reasons, doubts)
    return _of_csv(text, samples, layout, given, reasons, doubts, names)


def _with_lists(path: Path, found: Detected, given: dict[str, Any]) -> Detected:
    """Whether rows lie in a list of each object; asked where several may be meant."""
    paths = jsonlines.lists_in(path, found.layout)
    if "lines" in given or not paths:
        layout = replace(found.layout, lines=given.get("lines", ""))
        return replace(found, layout=layout, choices={"lines": paths})
    if name := lists.meant(paths):
        words = _("Each element of “%(name)s” is a row; the rest is repeated in each.")
        reasons = found.reasons | {"lines": words % {"name": name}}
        layout = replace(found.layout, lines=name)
        return replace(found, layout=layout, reasons=reasons, choices={"lines": paths})
    words = _("The objects hold lists of objects, in which the rows may lie.")
    return replace(
        found,
        reasons=found.reasons | {"lines": words},
        doubts={"lines": [*paths, ""]},
    )


def _refuse_markup(text: str) -> None:
    start = text[:4096].encode("utf-8", "replace")
    if WEB_PAGE.match(start):
        raise Unreadable(
            _("The file is a web page, not a table; download the export itself.")
        )
    if start.lstrip().startswith(b"<?xml"):
        raise Unreadable(
            _("The file is XML, not a table; export CSV, JSON Lines, XLSX or Parquet.")
        )


def _text_format(text: str) -> str:
    first = text.lstrip()[:1]
    if first == "{" and re.match(r'\s*\{\s*("|\})', text):
        return "jsonl"
    if first == "[" and re.match(r"\s*\[\s*(\{|\])", text):
        return "json"
    return "csv"


def _of_csv(
    text: str,
    samples: list[bytes],
    layout: Layout,
    given: dict[str, Any],
    reasons: dict[str, str],
    doubts: dict[str, list[str]],
    names: Collection[str],
) -> Detected:
    if not text.strip():
        raise Unreadable(_("The file holds nothing but blank lines."))
    is_whole = len(samples) == 1 and len(samples[0]) < HEAD
    found = dialects.dialect_of(text, is_whole, given, names)
    layout = replace(
        layout,
        delimiter=found.delimiter,
        quote=found.quote,
        escape=found.escape,
        has_header=found.has_header,
    )
    return Detected(layout, reasons | found.reasons, doubts | found.doubts)

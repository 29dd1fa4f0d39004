"""JSON Lines, and a JSON array of objects, as columns of text.

A nested object becomes columns ``a.b``, a list ``1;2`` (of objects: its JSON text, or
rows of their own where the layout says so: `lists`).
Numbers keep the digits they were written with.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from django.utils.translation import gettext as _

from segmentation.services.importing.reading import limits, lists
from segmentation.services.importing.reading.layout import Layout, Reader, Unreadable
from segmentation.services.importing.reading.packing import Source
from segmentation.services.importing.reading.texts import Utf8

ROWS = 20_000  # in a chunk
HEAD_ROWS = 5_000  # whose fields are the columns
LOOKED_AT = 500  # objects in which lists are looked for
PIECE = 2**20
LONGEST = 2**26  # characters of one object
WORDS = {True: "true", False: "false"}
DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)

Flat = dict[str, str | None]
Found = tuple[Any, str]  # an element of the file, and its text
Row = tuple[int, Flat | str]  # its number, and its fields; a text where it is none


def open_json(path: Path, layout: Layout) -> Reader:
    """The columns are all fields of the first rows; later ones are told in notices."""
    head = _rows(_stream(path, layout), layout)
    names: dict[str, None] = {}
    try:
        for _number, found in islice(head, HEAD_ROWS):
            if isinstance(found, dict):
                names.update(dict.fromkeys(found))
    finally:
        head.close()
    if not names:
        raise Unreadable(
            _("The file holds no JSON objects; each row must be one, with its fields.")
        )
    limits.refuse_columns(len(names))
    stream = _stream(path, layout)
    reader = Reader(list(names), 0, iter(()), first_row=1)
    reader.ragged_reason = _("is not a JSON object")
    reader.n_bytes = path.stat().st_size
    reader.bytes_read = stream.position
    reader.chunks = _chunks(reader, _rows(stream, layout))
    return reader


def lists_in(path: Path, layout: Layout) -> list[str]:
    """The lists of objects within the first objects of a file; Unreadable if broken."""
    stream = _stream(path, layout)
    try:
        found = islice(_objects(stream, layout), LOOKED_AT)
        return lists.found_in(each for each, _text in found)
    except RecursionError:  # nested without end: told as a row that is none
        return []
    finally:
        stream.close()


def _stream(path: Path, layout: Layout) -> Utf8:
    return Utf8(Source(path, layout.packing), layout.encoding)


def _chunks(reader: Reader, rows: Iterator[Row]) -> Iterator[pa.Table]:
    n_rows, unseen = 0, set[str]()
    while batch := list(islice(rows, ROWS)):
        flat = []
        for number, found in batch:
            if isinstance(found, dict):
                flat.append(found)
            else:
                reader.ragged.append((number, [found]))
        columns = [
            pa.array([row.get(name) for row in flat], pa.string())
            for name in reader.headers
        ]
        chunk = pa.table(columns, names=reader.headers)
        _note_unseen(reader, flat, unseen, n_rows)
        limits.refuse_cells(chunk, n_rows + reader.first_row)
        n_rows += len(flat)
        limits.refuse_rows(n_rows)
        if flat:
            yield chunk


def _note_unseen(
    reader: Reader, rows: Iterable[dict[str, Any]], unseen: set[str], n_before: int
) -> None:
    known = {*reader.headers, *unseen}
    late = set[str]().union(*rows) - known
    for name in sorted(late):
        unseen.add(name)
        reader.notices.append(
            _(
                "The field “%(name)s” first comes after row %(row)d and is not read; "
                "columns are the fields of the first %(n)d rows."
            )
            % {"name": name, "row": n_before, "n": HEAD_ROWS}
        )


def _rows(stream: Utf8, layout: Layout) -> Generator[Row, None, None]:
    try:
        number = 0
        for found, text in _objects(stream, layout):
            for fields in _fields(found, text, layout.lines):
                number += 1
                yield number, fields
    finally:
        stream.close()


def _objects(stream: Utf8, layout: Layout) -> Iterator[Found]:
    return _of_lines(stream) if layout.format == "jsonl" else _of_array(stream)


def _of_lines(stream: Utf8) -> Iterator[Found]:
    for lines in _lines(stream):
        for line in filter(str.strip, lines):
            try:
                found = DECODER.decode(line)
            except (ValueError, RecursionError):
                found = None
            yield found, line


def _lines(stream: Utf8) -> Iterator[list[str]]:
    """Whole lines, as many as a piece holds."""
    rest = b""
    while piece := stream.read(PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        _refuse_endless(len(rest))
        yield [line.decode() for line in lines]
    yield [rest.decode()]


def _of_array(stream: Utf8) -> Iterator[Found]:
    """The elements of one array, each as soon as it is there."""
    decoder, number, is_over = DECODER, 0, False
    text = stream.read(PIECE).decode("utf-8", "strict").lstrip()[1:]
    while not is_over:
        text = text.lstrip(" \t\r\n,")
        if text.startswith("]"):
            return
        try:
            found, end = decoder.raw_decode(text)
            if not isinstance(found, dict | list) and end == len(text):
                raise ValueError  # a number may go on in the next piece
        except RecursionError:
            raise _broken_array(number + 1) from None
        except ValueError:
            more = _more(stream)
            if not more:
                raise _broken_array(number + 1) from None
            text += more
            _refuse_endless(len(text))
            continue
        number += 1
        yield found, text[:end]
        text = text[end:]


def _more(stream: Utf8) -> str:
    """The next piece, never ending within a character."""
    data = stream.read(PIECE)
    while data:
        try:
            return data.decode()
        except UnicodeDecodeError:
            data += stream.read(1)
    return ""


def _broken_array(number: int) -> Unreadable:
    return Unreadable(
        _("The JSON array breaks off or is broken in element %(n)d; export it again.")
        % {"n": number}
    )


def _refuse_endless(n: int) -> None:
    if n > LONGEST:
        raise Unreadable(
            _(
                "One JSON object has more than %(n)d MB; write one object for each "
                "row, each on its own line."
            )
            % {"n": LONGEST // 2**20}
        )


def _fields(found: Any, text: str, lines: str) -> list[Flat | str]:
    """The fields of a row, or of those in its list ``lines``, if it has any.

    Its text where it is no object, or is nested without end.
    """
    try:
        if not isinstance(found, dict):
            return [_whole(text)]
        elements = lists.taken(found, lines) if lines else []
        head = _flat(found)
        return [head | _element(each, lines) for each in elements] or [head]
    except RecursionError:
        return [_whole(text)]


def _element(value: Any, lines: str) -> Flat:
    return (
        _flat(value, f"{lines}.") if isinstance(value, dict) else _flat({lines: value})
    )


def _flat(value: dict[str, Any], before: str = "") -> Flat:
    flat: Flat = {}
    for name, each in value.items():
        name = before + _whole(name)
        if isinstance(each, dict):
            flat.update(_flat(each, f"{name}."))
        elif isinstance(each, list):
            flat[name] = _whole(_listed(each))
        else:
            flat[name] = each if each is None else _whole(WORDS.get(each, each))
    return flat


def _whole(text: str) -> str:
    """Half a surrogate pair, which JSON allows, is no text that can be stored."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _listed(values: list[Any]) -> str:
    if any(isinstance(value, dict | list) for value in values):
        return json.dumps(values, ensure_ascii=False)
    return ";".join(str(WORDS.get(value, value)) for value in values)

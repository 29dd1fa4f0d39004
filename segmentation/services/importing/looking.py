"""The first rows of a file: how it is written, what they are, and how they arrive.

Reads one chunk however big the file is, so that a page can ask again at each change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation import conf
from segmentation.engine import cleaning, mapping
from segmentation.engine.cleaning import Guess, texts
from segmentation.engine.mapping import aliases, names, transforms
from segmentation.models import WITHOUT_ITEM
from segmentation.services import consents, events
from segmentation.services.importing import reading
from segmentation.services.importing.noticing import Notices
from segmentation.services.saying import say

SAMPLE_ROWS = 5_000  # that are guessed from and tried
SHOWN_ROWS = 10
SHOWN_REJECTS = 8
SHOWN_CELLS = 3  # of each column
MOST_WORDS = 40  # more different ones than that are no words to translate
LONGEST = 60  # characters of a cell on a page


@dataclass(frozen=True)
class Look:
    """A file as it lies there: ``sample`` holds its first rows.

    Columns that no person can read are left out.
    """

    detected: reading.Detected
    headers: list[str]
    sample: pa.Table
    is_whole: bool  # the sample is all that there is
    first_row: int = 2
    ragged: list[tuple[int, list[str]]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def first_rows(self) -> list[list[str]]:
        rows = self.sample.slice(0, SHOWN_CELLS)
        columns = [cleaning.as_text(column.combine_chunks()) for column in rows.columns]
        cells = zip(*columns, strict=True)
        return [[shortened(cell or "") for cell in row] for row in cells]


@dataclass(frozen=True)
class Settled:
    """A column with its way of writing decided, or in doubt: then nobody chose yet."""

    column: mapping.Column
    guess: Guess | None = None

    @property
    def is_doubtful(self) -> bool:
        return bool(self.guess and self.guess.doubts)


@dataclass(frozen=True)
class Arrival:
    """A row of the file: its values by field, or why it does not come in."""

    number: int
    values: dict[str, Any] = field(default_factory=dict)
    column: str = ""
    value: str = ""
    reason: str = ""
    is_ignored: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell as it stands, and the value that it becomes or why it cannot."""

    raw: str
    value: Any
    why: str = ""  # a sentence of the engine, as in `Arrival.reason`


@dataclass(frozen=True)
class Preview:
    """What the first rows become. With a problem, the sentence of it and nothing."""

    problem: str = ""
    targets: list[str] = field(default_factory=list)
    rows: list[Arrival] = field(default_factory=list)
    rejects: list[Arrival] = field(default_factory=list)
    n_rows: int = 0
    n_rejected: int = 0
    n_ignored: int = 0
    notices: list[str] = field(default_factory=list)


def look(path: Path, chosen: dict[str, Any]) -> Look:
    """Detect how a file is written and read its first rows; Unreadable says why not.

    ``chosen`` is what somebody decided of its layout. Doubts stay in ``detected``.
    """
    detected = reading.detect(path, chosen)
    reader = reading.open_file(path, detected.layout)
    try:
        chunk = next(reader.chunks, None)
    finally:
        reader.chunks.close()  # type: ignore[attr-defined]
    if chunk is None:
        empty = [pa.array([], pa.string()) for _header in reader.headers]
        chunk = pa.table(empty, names=reader.headers)
    headers = [name for name in reader.headers if _is_readable(chunk.field(name).type)]
    sample = chunk.select(headers).slice(0, SAMPLE_ROWS).combine_chunks()
    return Look(
        detected,
        headers,
        sample,
        is_whole=reader.n_bytes < 2**20 and chunk.num_rows == sample.num_rows,
        first_row=reader.first_row,
        ragged=reader.ragged[:SHOWN_REJECTS],
        notices=[str(notice) for notice in reader.notices],
    )


def _is_readable(kind: pa.DataType) -> bool:
    """Whether cells can be shown as text: bytes are pictures, or keys, or anything."""
    tests = (
        *(pa.types.is_binary, pa.types.is_large_binary),
        *(pa.types.is_fixed_size_binary, pa.types.is_nested),
    )
    return not any(test(kind) for test in tests)


def sheets(path: Path, chosen: dict[str, Any]) -> list[str]:
    """The sheets of a workbook that one may choose from; none if there is only one."""
    free = {name: value for name, value in chosen.items() if name != "sheet"}
    return reading.detect(path, free).doubts.get("sheet", [])


def settled(
    kind: str,
    target: str,
    column: mapping.Column,
    sample: pa.Table,
    *,
    is_chosen: bool = False,
) -> Settled:
    """Find out how the cells of a column are written.

    ``is_chosen``: somebody said it already, and only words for nothing are looked for.
    """
    role = mapping.role_of(kind, target) or cleaning.TEXT
    plain = target in mapping.FIELDS[kind] and role != cleaning.KIND
    if not column.headers or not plain:
        return Settled(column)
    cells = transforms.changed(transforms.gathered(sample, column), column)
    guess = cleaning.guess_format(cells, role)
    own = column.format
    found = (
        [guess.format, *guess.doubts]
        if not is_chosen
        else [
            form
            for form in (guess.format, *guess.doubts)
            if (form.decimal, form.date) == (own.decimal, own.date)
        ]
    )
    taken = found[0] if found else own
    told = replace(taken, time_zone=own.time_zone, nulls=own.nulls or taken.nulls)
    return Settled(replace(column, format=told), None if is_chosen else guess)


def words(column: mapping.Column, sample: pa.Table) -> list[tuple[str, int]]:
    """The different words of a column and how often, most frequent first; or none."""
    if not column.headers:
        return []
    bare = replace(column, map={}, default="")
    cells = texts.trimmed(transforms.changed(transforms.gathered(sample, bare), bare))
    counts = pc.value_counts(pc.utf8_lower(cells.drop_null()))
    if len(counts) > MOST_WORDS:
        return []
    found = Counter({each["values"]: each["counts"] for each in counts.to_pylist()})
    return [(word, n) for word, n in found.most_common() if word]


def cells(
    kind: str, target: str, column: mapping.Column, sample: pa.Table
) -> list[Cell]:
    """Some different cells of a column, and what each of them arrives as."""
    if not column.headers:
        return []
    raw = texts.trimmed(transforms.gathered(sample, column))
    some = pc.unique(raw.drop_null())
    some = some.filter(pc.not_equal(some, ""))[:SHOWN_CELLS]
    rules = mapping.Plan(kind, {}, conf.time_zone(), events.KINDS)
    role = mapping.role_of(kind, target) or cleaning.TEXT
    read = transforms.changed(some, column)
    values, bad, why = cleaning.clean(read, role, rules, column.format)
    told = zip(some.to_pylist(), values.to_pylist(), bad.tolist(), strict=True)
    return [Cell(shortened(raw), v, why if is_bad else "") for raw, v, is_bad in told]


def kind_of(word: str) -> str:
    """The kind of event that a word usually means; "" when nobody would know."""
    return aliases.WORDS.get(names.normal(word), "")


def preview(
    kind: str, columns: Mapping[str, Any], seen: Look, *, shape: str = ""
) -> Preview:
    """Read the sample as the import would, and show the first rows of it."""
    if problem := consents.refusal(columns):
        return Preview(problem)
    try:
        plan = mapping.plan(
            kind,
            columns,
            seen.headers,
            time_zone=conf.time_zone(),
            kinds=events.KINDS,
            itemless=WITHOUT_ITEM,
            currency=conf.currency(),
            shape=shape,
        )
        clean = mapping.canonical(seen.sample, plan)
        notices = Notices(plan)
        notices.add(seen.sample)
    except mapping.MappingError as error:
        return Preview(say(error))
    table = clean.table
    if kind == "events":
        table = mapping.with_returns(table, events.KINDS)
    targets = [name for name in table.column_names if name in columns]
    rejected = _rejected(clean, seen)
    ragged = [
        Arrival(number, value=shortened(" | ".join(cells)), reason="")
        for number, cells in seen.ragged
    ]
    return Preview(
        targets=targets,
        rows=_first(table.select(targets), clean, rejected, seen),
        rejects=sorted(
            [*rejected.values(), *ragged], key=lambda arrival: arrival.number
        )[:SHOWN_REJECTS],
        n_rows=seen.sample.num_rows,
        n_rejected=len(clean.rejects.rows),
        n_ignored=clean.ignored,
        notices=[*seen.notices, *notices.told()],
    )


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _rejected(clean: mapping.Canonical, seen: Look) -> dict[int, Arrival]:
    """The first refused rows by their place, in the order of the file."""
    found, told = {}, clean.rejects
    for at in np.argsort(told.rows, kind="stable")[:SHOWN_ROWS].tolist():
        row = int(told.rows[at])
        found[row] = Arrival(
            row + seen.first_row,
            column=told.columns[at],
            value=shortened(told.values[at]),
            reason=told.reasons[at],
        )
    return found


def _first(
    table: pa.Table,
    clean: mapping.Canonical,
    rejected: dict[int, Arrival],
    seen: Look,
) -> list[Arrival]:
    """The first rows of the file, each as what it becomes."""
    kept = clean.kept[:SHOWN_ROWS].tolist()
    values = dict(zip(kept, table.slice(0, SHOWN_ROWS).to_pylist(), strict=True))
    rows = []
    for row in range(min(SHOWN_ROWS, seen.sample.num_rows)):
        number = row + seen.first_row
        if row in values:
            rows.append(Arrival(number, values[row]))
        else:
            rows.append(rejected.get(row, Arrival(number, is_ignored=True)))
    return rows

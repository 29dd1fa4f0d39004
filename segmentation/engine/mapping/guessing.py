"""Which column is what: by known exports, by names, by what the cells look like.

Each guess says why, shows cells, and names what it cannot decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine.cleaning import Format, Mask, guess_format, is_true, texts
from segmentation.engine.mapping.aliases import ALIASES, PAIRS, WORDS
from segmentation.engine.mapping.builtin import BUILTIN, recognised
from segmentation.engine.mapping.fields import ALL_ATTRIBUTES, FIELDS, role_of
from segmentation.engine.mapping.names import bare, normal
from segmentation.engine.mapping.specs import Column, Spec, read_column
from segmentation.engine.mapping.transforms import changed, gathered, unblanked
from segmentation.engine.sentences import Sentence, gettext_noop, one_after_another

SAMPLES = 3  # cells that are shown
SHOWN = 80  # characters of each
MOST_KINDS = 40  # more different words than that are no kinds
# So many of the cells must look like what a column is taken for.
ENOUGH = 0.9
_EMAIL = (
    r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    gettext_noop("“%(name)s” holds addresses of e-mail."),
)
_CURRENCY = (r"^[A-Z]{3}$", gettext_noop("“%(name)s” holds currencies."))
_DATE = (
    r"^(\d{1,4}[-/.年] ?\d{1,2}[-/.月] ?\d{1,4}\b.*|1\d{9}(\d{3})?)$",
    gettext_noop("“%(name)s” holds dates or times."),
)
_IMAGE = (
    r"(?i)^https?://\S+\.(jpe?g|png|webp|gif|avif)([?#]\S*)?$",
    gettext_noop("“%(name)s” holds pictures."),
)
_URL = (r"(?i)^https?://\S+$", gettext_noop("“%(name)s” holds addresses of pages."))
_OBJECT = (
    r"(?s)^\{.*\}$",
    gettext_noop("“%(name)s” holds objects of JSON, as our exports write attributes."),
)
_LOOKS = {
    "events": {"customer": _EMAIL, "currency": _CURRENCY, "occurred_at": _DATE},
    "items": {
        "image": _IMAGE,
        "url": _URL,
        "currency": _CURRENCY,
        ALL_ATTRIBUTES: _OBJECT,
    },
    "customers": {"email": _EMAIL, ALL_ATTRIBUTES: _OBJECT},
}
# Names that say little: what such a column holds must be kinds that we know.
_VAGUE = {"type", "status", "action", "类型", "状态", "操作"}
_OF_A_SALE = ("quantity", "price", "amount", "order")
USUAL = gettext_noop("“%(name)s” is a usual name for %(target)s.")
KINDS = gettext_noop("“%(name)s” holds kinds of events.")
TITLE_STANDS = gettext_noop(
    "No column holds ids of items, so “%(name)s” stands for them."
)
LIKE_SALES = gettext_noop(
    "No column says what happened; the lines look like those of sales."
)
LIKE_RATINGS = gettext_noop(
    "No column says what happened; the lines look like ratings."
)

Found = Iterator[tuple[str, Column, str]]


@dataclass(frozen=True)
class Guessed:
    """A proposed spec, why, some cells as they stand, and what else it may be.

    With doubts somebody must choose one of them; the spec is the first.
    """

    spec: Spec
    reason: str
    samples: list[str] = field(default_factory=list)
    doubts: list[Spec] = field(default_factory=list)


def guess_columns(
    kind: str, headers: list[str], sample: pa.Table
) -> dict[str, Guessed]:
    """Propose a mapping for a file; ``sample`` holds its first rows as they stand."""
    headers = [name for name in headers if name and _is_readable(sample, name)]
    found: dict[str, tuple[Column, str]] = {}
    if known := recognised(kind, headers, sample):
        words = gettext_noop("As in the export “%(name)s”.")
        reason: str = Sentence(words, name=BUILTIN[known].label)
        for target, spec in BUILTIN[known].fitted(headers).items():
            found[target] = (read_column(target, spec), reason)
    else:
        for target, column, reason in _by_name(kind, headers, sample):
            found[target] = (column, reason)
        for target, column, reason in _by_look(kind, headers, sample, found):
            found[target] = (column, reason)
        if kind == "events" and "item" not in found:
            taken = {header for one, _why in found.values() for header in one.headers}
            for target, column, reason in _named_item(headers, taken):
                found[target] = (column, reason)
        if kind == "events" and "kind" not in found:
            found |= _constant_kind(set(found))
        if kind == "customers" and "customer" not in found and "email" in found:
            why = Sentence(gettext_noop("No other column names a customer."))
            found["customer"] = (found["email"][0], why)
    order = [*FIELDS[kind], *(name for name in found if name not in FIELDS[kind])]
    return {
        target: _with_format(kind, target, *found[target], sample)
        for target in order
        if target in found
    }


def _is_readable(sample: pa.Table, header: str) -> bool:
    """Whether its cells can be shown as text: lists, structures and bytes cannot."""
    kind = sample.schema.field(header).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    bytes_ = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_fixed_size_binary,
    )
    return not pa.types.is_nested(kind) and not any(test(kind) for test in bytes_)


def _by_name(kind: str, headers: list[str], sample: pa.Table) -> Found:
    """Columns that are called as such columns usually are; each is taken once."""
    there = _names_of(headers)
    taken: set[str] = set()
    for target, names in ALIASES[kind].items():
        if kind == "items" and target == "item":
            names = _telling_first(names, there, sample)
        for name in names:
            header = there.get(name)
            if header is None or header in taken:
                continue
            column = _column(target, name, there, sample)
            if column is not None:
                taken |= set(column.headers)
                yield target, column, Sentence(USUAL, name=column.name, target=target)
                break
        else:
            if target == "name" and (pair := _pair(target, "", there, sample)):
                taken |= set(pair.headers)
                why = gettext_noop("“%(name)s” together are the name.")
                yield target, pair, Sentence(why, name=pair.name)


def _names_of(headers: list[str]) -> dict[str, str]:
    """Name → header: of “properties.product_id” also its end, where that is unique."""
    ends = [normal(header.rpartition(".")[2]) for header in headers if "." in header]
    inner = {normal(header.rpartition(".")[2]): header for header in reversed(headers)}
    there = {end: inner[end] for end in ends if ends.count(end) == 1}
    there |= {bare(header): header for header in reversed(headers)}
    return there | {normal(header): header for header in reversed(headers)}


def _telling_first(
    names: list[str], there: dict[str, str], sample: pa.Table
) -> list[str]:
    """Names of columns with another value in each line before all others.

    In a table of items one column is the item's own, and others are its product's.
    """
    own = [name for name in names if name in there and _is_own(sample, there[name])]
    return [*own, *names]


def _is_own(sample: pa.Table, header: str) -> bool:
    cells = _cells(sample, header)
    return len(pc.unique(cells)) == len(cells) == sample.num_rows


def _named_item(headers: list[str], taken: set[str]) -> Found:
    """What the item is called, where no column of events has a number of it."""
    there = _names_of([header for header in headers if header not in taken])
    for name in ALIASES["items"]["title"]:
        if header := there.get(name):
            yield "item", Column((header,)), Sentence(TITLE_STANDS, name=header)
            return


def _column(
    target: str, name: str, there: dict[str, str], sample: pa.Table
) -> Column | None:
    """The column of that name, with its other half or its words; None: not so."""
    header = there[name]
    if target == "occurred_at":
        return _pair(target, name, there, sample) or Column((header,))
    if target != "kind":
        return Column((header,))
    words = _words(sample, header)
    meant = _meanings(words)
    if len(meant) < ENOUGH * len(words) if name in _VAGUE else not words:
        return None
    return Column((header,), map=_unlike(meant))


def _pair(
    target: str, name: str, there: dict[str, str], sample: pa.Table
) -> Column | None:
    for first, second in PAIRS[target]:
        if name in ("", first) and {first, second} <= there.keys():
            pair = Column((there[first], there[second]), join=" ")
            if target == "name" or _is_clock(sample, *pair.headers):
                return pair
    return None


def _is_clock(sample: pa.Table, day: str, clock: str) -> bool:
    """Whether one column holds days without a time, and the other the time."""
    days, clocks = _cells(sample, day), _cells(sample, clock)
    timed = is_true(pc.match_substring(days, ":"))
    return not timed.any() and _share(clocks, r"^\d{1,2}[:.]\d\d") >= ENOUGH


def _by_look(
    kind: str,
    headers: list[str],
    sample: pa.Table,
    found: dict[str, tuple[Column, str]],
) -> Found:
    """Columns that nothing names, by what stands in them."""
    taken = {header for column, _why in found.values() for header in column.headers}
    free = [header for header in headers if header not in taken]
    for target, (pattern, why) in _LOOKS.get(kind, {}).items():
        for header in free if target not in found else ():
            if _share(_cells(sample, header), pattern) >= ENOUGH:
                free.remove(header)
                yield target, Column((header,)), Sentence(why, name=header)
                break
    for header in free if kind == "events" and "kind" not in found else ():
        words = _words(sample, header)
        meant = _meanings(words)
        if words and len(meant) >= ENOUGH * len(words):
            column = Column((header,), map=_unlike(meant))
            yield "kind", column, Sentence(KINDS, name=header)
            return


def _constant_kind(found: set[str]) -> dict[str, tuple[Column, str]]:
    """Files without a kind are mostly lines of sales, or ratings."""
    if found & set(_OF_A_SALE):
        return {"kind": (Column(constant="purchase"), Sentence(LIKE_SALES))}
    if "value" in found:
        return {"kind": (Column(constant="rating"), Sentence(LIKE_RATINGS))}
    return {}


def _words(sample: pa.Table, header: str) -> list[str]:
    """The different words of a column; none if they are too many to be kinds."""
    words = pc.unique(pc.utf8_lower(_cells(sample, header)))
    return words.to_pylist() if len(words) <= MOST_KINDS else []


def _meanings(words: list[str]) -> dict[str, str]:
    return {word: WORDS[normal(word)] for word in words if normal(word) in WORDS}


def _unlike(meant: dict[str, str]) -> dict[str, str]:
    """Only the words that are not called as their kind is."""
    return {word: kind for word, kind in meant.items() if word != kind}


def _cells(sample: pa.Table, header: str) -> pa.Array:
    """The cells of a column as text, without the blank ones."""
    cells = unblanked(sample.column(header).combine_chunks())
    return texts.trimmed(cells).drop_null()


def _share(cells: pa.Array, pattern: str) -> float:
    if not len(cells):
        return 0.0
    fits: Mask = is_true(pc.match_substring_regex(cells, pattern))
    return float(fits.mean())


def _with_format(
    kind: str, target: str, column: Column, reason: str, sample: pa.Table
) -> Guessed:
    """The guess with how its cells are written, and some of them to look at."""
    if not column.headers:
        return Guessed(column.as_json(), reason, [column.constant])
    cells = gathered(sample, column)
    shown = pc.unique(texts.trimmed(cells).drop_null())[:SAMPLES].to_pylist()
    shown = [cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}…" for cell in shown]
    role = role_of(kind, target) or "text"
    if column.format != Format() or role == "kind" or target not in FIELDS[kind]:
        return Guessed(column.as_json(), reason, shown)
    guess = guess_format(changed(cells, column), role)
    doubts = [replace(column, format=form).as_json() for form in guess.doubts]
    spec = replace(column, format=guess.format).as_json()
    if role in ("number", "time") or guess.format != Format():
        reason = one_after_another(reason, guess.reason)
    return Guessed(spec, reason, shown, doubts)

"""Where the cells of a target field come from, and what is done to them: checked.

A spec is ``"Header"``, ``"=constant"`` or an object; its keys are applied in this
order: ``column`` or ``columns`` (with ``join``; without it the first that is not
blank), ``fill_down``, ``split``, ``map``, ``default``; then the cells are read as
``number``, ``date``, ``time_zone`` and ``nulls`` say. Blanks around a cell never count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation.engine.cleaning import Format, FormatError
from segmentation.engine.mapping.fields import MappingError
from segmentation.engine.sentences import gettext_noop

Spec = str | dict[str, Any]

# How a number is written, by example, and the decimal mark that this means.
NUMBERS = {"1234.56": "", "1,234.56": ".", "1.234,56": ","}
_EXAMPLES = {mark: example for example, mark in NUMBERS.items()}


@dataclass(frozen=True)
class Split:
    """One part of a text: the first is 1, the last is -1."""

    by: str
    part: int


@dataclass(frozen=True)
class Column:
    """A checked spec. Without headers every row has the constant."""

    headers: tuple[str, ...] = ()
    constant: str = ""
    join: str | None = None  # None: the first of the columns that is not blank
    fill_down: bool = False
    split: Split | None = None
    map: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    format: Format = field(default_factory=Format)

    @property
    def name(self) -> str:
        """How a sentence calls it."""
        return "” and “".join(self.headers) if self.headers else f"={self.constant}"

    @property
    def is_plain(self) -> bool:
        """Whether the cells of one column are taken as they stand."""
        changed = (self.fill_down, self.split, self.map, self.default)
        return len(self.headers) == 1 and not any(changed)

    def as_json(self) -> Spec:
        """The shortest spec that `read_column` makes this of."""
        if not self.headers:
            return f"={self.constant}"
        form = self.format.as_json()
        told: dict[str, Any] = {
            "join": self.join,
            "fill_down": self.fill_down or None,
            "split": self.split and {"by": self.split.by, "part": self.split.part},
            "map": dict(self.map) or None,
            "default": self.default or None,
            "number": _EXAMPLES[form["decimal"]] if "decimal" in form else None,
            **{name: form.get(name) for name in ("date", "time_zone", "nulls")},
        }
        told = {name: value for name, value in told.items() if value is not None}
        if len(self.headers) > 1:
            return {"columns": list(self.headers), **told}
        only = self.headers[0]
        return {"column": only, **told} if told or only.startswith("=") else only


def read_columns(columns: Any) -> dict[str, Column]:
    """Check a mapping as JSON holds it; MappingError names field and mistake."""
    if not isinstance(columns, Mapping):
        raise MappingError(
            gettext_noop(
                'A mapping is an object such as {"customer": "CustomerID"}: a target '
                "field, and where it comes from."
            )
        )
    return {target: read_column(target, spec) for target, spec in columns.items()}


def read_column(target: str, spec: Any) -> Column:
    """Check one spec."""
    if isinstance(spec, Column):
        return spec
    if isinstance(spec, str):
        if spec.startswith("="):
            return Column(constant=spec[1:])
        if not spec:
            raise MappingError(
                gettext_noop(
                    "“%(target)s” names no column; leave it out, or name one."
                ),
                target=target,
            )
        return Column(headers=(spec,))
    if not isinstance(spec, Mapping):
        raise MappingError(
            gettext_noop(
                "“%(target)s” needs the name of a column, a constant such as "
                "=purchase, or an object with “column”; %(spec)s is none of these."
            ),
            target=target,
            spec=repr(spec),
        )
    unknown = sorted(set(spec) - {"column", "columns", *_READERS, *_FORMATS})
    if unknown:
        known = ", ".join(["column", "columns", *_READERS, *_FORMATS])
        raise MappingError(
            gettext_noop(
                "“%(target)s” cannot have “%(unknown)s”; it can have %(known)s."
            ),
            target=target,
            unknown=", ".join(map(str, unknown)),
            known=known,
        )
    told = {k: read(target, k, spec[k]) for k, read in _READERS.items() if k in spec}
    return Column(_headers(target, spec), format=_format(target, spec), **told)


def _headers(target: str, spec: Mapping[str, Any]) -> tuple[str, ...]:
    if ("column" in spec) == ("columns" in spec):
        raise MappingError(
            gettext_noop(
                "“%(target)s” needs either “column” with one name or “columns” with "
                "several."
            ),
            target=target,
        )
    if "column" in spec:
        if "join" in spec:
            raise MappingError(
                gettext_noop("“%(target)s”: “join” needs “columns”, several of them."),
                target=target,
            )
        return (_text(target, "column", spec["column"]),)
    headers = spec["columns"]
    if not isinstance(headers, list) or not headers:
        raise MappingError(
            gettext_noop("“%(target)s”: “columns” must be a list of names."),
            target=target,
        )
    return tuple(_text(target, "columns", header) for header in headers)


def _format(target: str, spec: Mapping[str, Any]) -> Format:
    told = {
        key: read(target, key, spec[key])
        for key, read in _FORMATS.items()
        if key in spec
    }
    if "number" in told:
        told["decimal"] = NUMBERS[told.pop("number")]
    try:
        return Format(**told)
    except FormatError as error:
        raise MappingError(
            gettext_noop("“%(target)s”: %(error)s"), target=target, error=error.sentence
        ) from error


def _text(target: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise MappingError(
            gettext_noop("“%(target)s”: “%(key)s” must be a text, not %(value)s."),
            target=target,
            key=key,
            value=repr(value),
        )
    return value


def _join(target: str, key: str, value: Any) -> str:
    return "" if value == "" else _text(target, key, value)


def _flag(target: str, key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise MappingError(
            gettext_noop(
                "“%(target)s”: “%(key)s” must be true or false, not %(value)s."
            ),
            target=target,
            key=key,
            value=repr(value),
        )
    return value


def _split(target: str, key: str, value: Any) -> Split:
    parts = value if isinstance(value, Mapping) else {}
    by, part = parts.get("by"), parts.get("part")
    is_whole = isinstance(part, int) and not isinstance(part, bool) and part != 0
    if (
        set(parts) != {"by", "part"}
        or not isinstance(by, str)
        or not by
        or not is_whole
    ):
        raise MappingError(
            gettext_noop(
                '“%(target)s”: “%(key)s” must be such as {"by": ";", "part": 1}, '
                "where 1 is the first part and -1 the last."
            ),
            target=target,
            key=key,
        )
    return Split(by, parts["part"])


def _map(target: str, key: str, value: Any) -> dict[str, str]:
    pairs = value.items() if isinstance(value, Mapping) else []
    if not pairs or not all(isinstance(cell, str) for pair in pairs for cell in pair):
        raise MappingError(
            gettext_noop(
                '“%(target)s”: “%(key)s” must be such as {"pv": "view", "buy": '
                '"purchase"}, from texts to texts.'
            ),
            target=target,
            key=key,
        )
    told = {word.strip().lower(): meaning for word, meaning in pairs}
    if len(told) < len(pairs):
        raise MappingError(
            gettext_noop(
                "“%(target)s”: “%(key)s” has two entries for one word; capitals and "
                "blanks around it do not count."
            ),
            target=target,
            key=key,
        )
    return told


def _number(target: str, key: str, value: Any) -> str:
    if value not in NUMBERS:
        raise MappingError(
            gettext_noop(
                "“%(target)s”: “%(key)s” must be one of %(known)s: how a number of "
                "this column is written."
            ),
            target=target,
            key=key,
            known=", ".join(NUMBERS),
        )
    return str(value)


def _words(target: str, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise MappingError(
            gettext_noop("“%(target)s”: “%(key)s” must be a list of texts."),
            target=target,
            key=key,
        )
    return tuple(_text(target, key, word) for word in value)


_Reader = Callable[[str, str, Any], Any]
_READERS: dict[str, _Reader] = {
    "join": _join,
    "fill_down": _flag,
    "split": _split,
    "map": _map,
    "default": _text,
}
_FORMATS: dict[str, _Reader] = {
    "number": _number,
    "date": _text,
    "time_zone": _text,
    "nulls": _words,
}

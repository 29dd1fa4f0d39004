"""One field of a file: where it comes from, and what is done to its cells."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from segmentation.engine import cleaning, mapping
from segmentation.engine.cleaning import Format
from segmentation.models import Kind
from segmentation.services import events
from segmentation.services.importing import looking
from segmentation.services.saying import say

CONSTANT = "="
PATTERN, PLAIN = "pattern", "plain"
N_MORE = 3  # columns beside the first
N_BLANK = 2  # lines of the table of words that are free
NUMBERS = {
    PLAIN: gettext_lazy("1234.56 – as machines write"),
    "1,234.56": gettext_lazy("1,234.56 – decimal point"),
    "1.234,56": gettext_lazy("1.234,56 – decimal comma"),
}
DATES = {
    PLAIN: gettext_lazy("2024-01-31 18:05 – as machines write"),
    "dmy": gettext_lazy("31.01.2024 – day first"),
    "mdy": gettext_lazy("01/31/2024 – month first"),
    "ymd": gettext_lazy("2024-1-31 – year first"),
    "epoch_s": gettext_lazy("1706724300 – seconds since 1970"),
    "epoch_ms": gettext_lazy("1706724300000 – milliseconds since 1970"),
    "epoch_us": gettext_lazy("1706724300000000 – microseconds since 1970"),
    "serial": gettext_lazy("45322.75 – days of a spreadsheet"),
    PATTERN: gettext_lazy("another pattern"),
}
WRITTEN = {cleaning.NUMBER: NUMBERS, cleaning.TIME: DATES}
FIRST, JOINED = "first", "joined"


class ColumnForm(forms.Form):
    """A spec of ``engine.mapping`` as controls; ``column()`` answers it, checked.

    ``was`` is the column that the controls were shown for: when another one is chosen,
    what was said about the former no longer holds.
    """

    source = forms.ChoiceField(label=gettext_lazy("Column"), required=False)
    was = forms.CharField(required=False, widget=forms.HiddenInput)
    constant = forms.CharField(
        label=gettext_lazy("Always"), required=False, strip=False
    )
    written = forms.ChoiceField(label=gettext_lazy("How is it written"), required=False)
    pattern = forms.CharField(
        label=gettext_lazy("Pattern"),
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "%d.%m.%Y %H:%M"}),
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        required=False,
        widget=forms.TextInput(attrs={"list": "st-zones"}),
    )
    together = forms.ChoiceField(
        label=gettext_lazy("With several columns"),
        required=False,
        choices=[
            (FIRST, gettext_lazy("take the first that is not blank")),
            (JOINED, gettext_lazy("put them together")),
        ],
    )
    join = forms.CharField(
        label=gettext_lazy("with this between"), required=False, strip=False
    )
    fill_down = forms.BooleanField(
        label=gettext_lazy("Blank cells take the value above them"), required=False
    )
    split_by = forms.CharField(
        label=gettext_lazy("Cut the cell at"), required=False, strip=False, max_length=9
    )
    split_part = forms.IntegerField(
        label=gettext_lazy("and take part number"),
        required=False,
        min_value=-99,
        max_value=99,
        help_text=gettext_lazy("1 is the first, -1 the last."),
    )
    default = forms.CharField(label=gettext_lazy("Where blank, take"), required=False)
    nulls = forms.CharField(
        label=gettext_lazy("Words that mean nothing"),
        required=False,
        help_text=gettext_lazy("With commas between; empty: as found."),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        kind: str,
        target: str,
        number: int,
        headers: list[str],
        column: mapping.Column | None = None,
        is_chosen: bool = False,
    ) -> None:
        self.target, self.kind = target, kind
        self.role = mapping.role_of(kind, target) or cleaning.TEXT
        self.headers = headers
        self._words = column.map if column else {}
        initial = _initial(column, self.role, is_chosen)
        super().__init__(data, prefix=f"f{number}", initial=initial)
        choices = [("", _("– not in the file –"))]
        choices += [(name, name) for name in headers if name != CONSTANT]
        choices.append((CONSTANT, _("– the same in every row –")))
        self.fields["source"].choices = choices  # type: ignore[attr-defined]
        for n in range(N_MORE):
            self.fields[f"more_{n}"] = forms.CharField(
                label=_("Further column"),
                required=False,
                widget=forms.TextInput(attrs={"list": "st-headers"}),
            )
        self._suit_the_role()

    def _suit_the_role(self) -> None:
        if self.role not in WRITTEN:
            del self.fields["written"]
        else:
            self.find_out(_("find it out from the cells"))
        if self.role != cleaning.TIME:
            del self.fields["pattern"], self.fields["time_zone"]
        if self.role == cleaning.KIND:
            self.fields["constant"] = forms.ChoiceField(
                label=_("Always"), required=False, choices=[("", "–"), *kinds()]
            )

    def find_out(self, found: str) -> None:
        """Name the first way of writing: what nobody has chosen."""
        choices = [("", found), *WRITTEN[self.role].items()]
        self.fields["written"].choices = choices  # type: ignore[attr-defined]

    @property
    def is_changed(self) -> bool:
        """Whether another column was chosen than the one that was shown."""
        return self.is_bound and self._told("source") != self._told("was")

    @property
    def is_chosen(self) -> bool:
        """Whether somebody said how the cells are written."""
        return bool(self._value("written"))

    def is_used(self) -> bool:
        source = self._value("source")
        return source != CONSTANT if source else False

    def _told(self, name: str) -> str:
        text: str = self.data.get(self.add_prefix(name), "")
        return text

    def _value(self, name: str) -> str:
        return self._told(name) if self.is_bound else self.initial.get(name, "")

    @property
    def more(self) -> list[Any]:
        return [self[f"more_{n}"] for n in range(N_MORE)]

    @property
    def has_changes(self) -> bool:
        """Whether the part that is tucked away says anything."""
        names = ["fill_down", "split_by", "default", "nulls"]
        names += [f"more_{n}" for n in range(N_MORE)]
        has_words = self.role != cleaning.KIND and bool(self.meanings())
        return has_words or any(self._value(name) for name in names)

    def meanings(self) -> dict[str, str]:
        """Word → what it means, as it was written into the table of words."""
        if not self.is_bound:
            return dict(self._words)
        told: Any = self.data
        words, meanings = (
            told.getlist(f"{self.prefix}-{name}") for name in ("word", "meaning")
        )
        pairs = zip(words, meanings, strict=False)
        return {word.strip(): to for word, to in pairs if word.strip() and to}

    def table(self, words: list[tuple[str, int]]) -> list[dict[str, Any]]:
        """Lines of the table of words: the file's, those that were said, blank ones."""
        told = {word.lower(): to for word, to in self.meanings().items()}
        lines = []
        for word, n in [*words, *((w, 0) for w in told if w not in dict(words))]:
            known = word in events.KINDS if self.role == cleaning.KIND else False
            line = {"word": word, "n": n, "meaning": told.get(word, "")}
            lines.append(line | {"is_known": known})
        free = [{"word": "", "n": 0, "meaning": "", "is_free": True}] * N_BLANK
        return [*lines, *free]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for n in range(N_MORE):
            name = data.get(f"more_{n}")
            if name and name not in self.headers:
                text = _("The file has no column “%(name)s”.") % {"name": name}
                self.add_error(f"more_{n}", text)
        if not self.errors:
            try:
                data["column"] = self._read()
            except mapping.MappingError as error:
                self.add_error(None, say(error))
        return data

    def column(self) -> mapping.Column | None:
        """The checked spec; None where the file has no such column."""
        found: mapping.Column | None = self.cleaned_data.get("column")
        return found

    def _read(self) -> mapping.Column | None:
        data = self.cleaned_data
        source = data["source"]
        if not source:
            return None
        if source == CONSTANT:
            text = data["constant"]
            return mapping.read_column(self.target, f"={text}") if text else None
        more = [data[f"more_{n}"] for n in range(N_MORE) if data[f"more_{n}"]]
        spec: dict[str, Any] = {"columns": [source, *more]}
        if not more:
            spec = {"column": source}
        elif data["together"] == JOINED:
            spec["join"] = data["join"]
        if data["fill_down"]:
            spec["fill_down"] = True
        if data["split_by"]:
            part = data["split_part"] or 1
            spec["split"] = {"by": data["split_by"], "part": part}
        if told := self.meanings():
            spec["map"] = told
        if data["default"]:
            spec["default"] = data["default"]
        return mapping.read_column(self.target, spec | self._format())

    def _format(self) -> dict[str, Any]:
        data = self.cleaned_data
        written = data.get("written", "")
        told: dict[str, Any] = {"time_zone": data.get("time_zone", "")}
        told["nulls"] = [w.strip() for w in data["nulls"].split(",") if w.strip()]
        if self.role == cleaning.NUMBER and written not in ("", PLAIN):
            told["number"] = written
        if self.role == cleaning.TIME and written not in ("", PLAIN):
            told["date"] = data["pattern"] if written == PATTERN else written
        return {name: value for name, value in told.items() if value}


def kinds() -> list[tuple[str, str]]:
    """Kinds of events by the words that mappings call them by."""
    return [(kind.name.lower(), str(kind.label)) for kind in Kind]


def meaning_choices(*, is_known: bool) -> list[tuple[str, Any]]:
    """What a word of a file can mean where kinds of events are due."""
    as_it_is = _("as it stands") if is_known else _("unknown: rejected")
    aside = pgettext_lazy("kind", "leave those lines aside")
    return [("", as_it_is), *kinds(), (mapping.IGNORE, aside)]


def meant(column: mapping.Column, words: list[tuple[str, int]]) -> dict[str, str]:
    """What the words of a column of kinds usually mean, where they differ."""
    known = {word: looking.kind_of(word) for word, _n in words}
    return {word: kind for word, kind in known.items() if kind and kind != word}


def _initial(
    column: mapping.Column | None, role: str, is_chosen: bool
) -> dict[str, Any]:
    if column is None:
        return {"source": "", "was": ""}
    if not column.headers:
        return {"source": CONSTANT, "was": CONSTANT, "constant": column.constant}
    first, *more = column.headers
    initial: dict[str, Any] = {
        "source": first,
        "was": first,
        "together": FIRST if column.join is None else JOINED,
        "join": " " if column.join is None else column.join,
        "fill_down": column.fill_down,
        "default": column.default,
        "time_zone": column.format.time_zone,
        "nulls": ", ".join(column.format.nulls) if is_chosen else "",
    }
    initial |= {f"more_{n}": name for n, name in enumerate(more[:N_MORE])}
    if column.split:
        initial |= {"split_by": column.split.by, "split_part": column.split.part}
    if is_chosen:
        initial |= _written(column.format, role)
    return initial


def _written(form: Format, role: str) -> dict[str, Any]:
    """The choice of a way of writing that was settled before."""
    if role == cleaning.NUMBER:
        told = {mark: example for example, mark in mapping.NUMBERS.items() if mark}
        return {"written": told.get(form.decimal, PLAIN)}
    if role != cleaning.TIME:
        return {}
    if form.date and form.date not in DATES:
        return {"written": PATTERN, "pattern": form.date}
    return {"written": form.date or PLAIN}


def found_words(form: Format, role: str) -> str:
    """A way of writing that was found, as the choice that would say it."""
    choices: dict[str, Any] = WRITTEN[role]
    name = _written(form, role)["written"]
    return _("as found: %(what)s") % {"what": choices[name]}

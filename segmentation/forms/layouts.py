"""How a file is written, as it was found, and what an operator knows better."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from segmentation.services.importing import reading
from segmentation.services.importing.reading.layout import JSON_FORMATS, WORDS

NONE = "none"  # a choice of nothing, where “” means: find it out
TAB = "tab"
ENCODINGS = {
    "utf-8": gettext_lazy("UTF-8"),
    "cp1252": gettext_lazy("Western European (Windows-1252)"),
    "iso8859-1": gettext_lazy("Western European (Latin-1)"),
    "iso8859-15": gettext_lazy("Western European (Latin-9)"),
    "cp850": gettext_lazy("Western European (DOS, cp850)"),
    "cp1250": gettext_lazy("Central European (Windows-1250)"),
    "cp1251": gettext_lazy("Cyrillic (Windows-1251)"),
    "cp1254": gettext_lazy("Turkish (Windows-1254)"),
    "gb18030": gettext_lazy("Chinese, simplified (GB18030, GBK)"),
    "big5": gettext_lazy("Chinese, traditional (Big5)"),
    "shift_jis": gettext_lazy("Japanese (Shift_JIS)"),
    "cp932": gettext_lazy("Japanese (Windows-932)"),
    "euc_jp": gettext_lazy("Japanese (EUC-JP)"),
    "euc_kr": gettext_lazy("Korean (EUC-KR)"),
    "utf-16": gettext_lazy("UTF-16"),
    "utf-16-le": gettext_lazy("UTF-16 (little endian)"),
    "utf-16-be": gettext_lazy("UTF-16 (big endian)"),
}
DELIMITERS = {
    ",": gettext_lazy("comma ,"),
    ";": gettext_lazy("semicolon ;"),
    TAB: gettext_lazy("tab"),
    "|": gettext_lazy("bar |"),
    ":": gettext_lazy("colon :"),
    "::": gettext_lazy("two colons ::"),
    "^": gettext_lazy("caret ^"),
    "~": gettext_lazy("tilde ~"),
    " ": gettext_lazy("blank"),
}
QUOTES = {
    '"': gettext_lazy('double "'),
    "'": gettext_lazy("single '"),
    NONE: pgettext_lazy("quotes", "none"),
}
ESCAPES = {
    "\\": gettext_lazy("a backslash \\"),
    NONE: gettext_lazy("the quote doubled"),
}
HEADERS = {
    "true": gettext_lazy("yes, the first line names the columns"),
    "false": gettext_lazy("no, the first line is data"),
}
FORMATS = {
    "csv": gettext_lazy("text with columns (CSV)"),
    "jsonl": gettext_lazy("JSON Lines"),
    "json": gettext_lazy("JSON"),
    "xlsx": gettext_lazy("Excel workbook"),
    "parquet": gettext_lazy("Parquet"),
}
FREE = ("encoding", "sheet", "delimiter", "lines")  # of which we do not know all
PACKINGS = {"gzip": "gzip", "zip": "zip"}
CHOICES: dict[str, dict[str, Any]] = {
    "encoding": ENCODINGS,
    "delimiter": DELIMITERS,
    "quote": QUOTES,
    "escape": ESCAPES,
    "has_header": HEADERS,
    "sheet": {},
    "lines": {NONE: gettext_lazy("nowhere: each object is one row")},
    "format": FORMATS,
    "packing": PACKINGS,
}


class LayoutForm(forms.Form):
    """Empty fields: as it was found. ``chosen`` is what somebody said."""

    encoding = forms.ChoiceField(required=False)
    delimiter = forms.ChoiceField(required=False)
    quote = forms.ChoiceField(required=False)
    escape = forms.ChoiceField(required=False)
    has_header = forms.ChoiceField(required=False)
    sheet = forms.ChoiceField(required=False)
    lines = forms.ChoiceField(required=False)
    prefix = "layout"

    def __init__(
        self,
        data: Any = None,
        *,
        layout: dict[str, Any] | None = None,
        sheets: Iterable[str] = (),
    ) -> None:
        told = {name: _coded(name, value) for name, value in (layout or {}).items()}
        super().__init__(data, initial=told)
        self.sheets = list(sheets)
        for name, field in self.fields.items():
            field.label = str(WORDS[name]).capitalize()
            # What the file is, is found later; then its choices are narrowed.
            field.choices = self._choices(name)  # type: ignore[attr-defined]

    def _choices(
        self, name: str, found: str = "", also: Iterable[str] = ()
    ) -> list[tuple[str, Any]]:
        known = dict(CHOICES[name]) | {value: value for value in also}
        known |= {sheet: sheet for sheet in self.sheets if name == "sheet"}
        given = self.data.get(self.add_prefix(name)) or self.initial.get(name)
        if given and given not in known and name in FREE:
            known[given] = given
        return [("", found or _("as it is found")), *known.items()]

    def chosen(self) -> dict[str, Any]:
        """The properties of the layout that somebody decided."""
        told = self.cleaned_data if self.is_bound else self.initial
        return {
            name: _meant(value)
            for name in self.fields
            if (value := told.get(name)) not in ("", None)
        }

    def show(self, detected: reading.Detected) -> list[dict[str, Any]]:
        """For each property that the file has: what was found, why, and its control.

        A doubtful one offers only what is plausible, and asks.
        """
        lines = []
        layout, doubts = detected.layout.as_json(), detected.doubts
        for name in ("format", "packing", *_named(detected.layout)):
            value = _coded(name, layout[name])
            if name == "packing" and not value:
                continue
            if name == "lines" and not {*detected.choices.get(name, ()), *doubts}:
                continue
            known = {str(key): text for key, text in CHOICES[name].items()}
            found = str(known.get(value, value))
            line: dict[str, Any] = {
                "name": name,
                "label": str(WORDS[name]).capitalize(),
            }
            line |= {"found": found, "reason": detected.reasons.get(name, "")}
            if name in self.fields:
                line["field"] = self[name]
                self.fields[name].choices = self._choices(  # type: ignore[attr-defined]
                    name,
                    _("as found: %(what)s") % {"what": found},
                    detected.choices.get(name, ()),
                )
            if name in doubts:
                self._ask(name, [_coded(name, each) for each in doubts[name]], known)
                line |= {"is_doubtful": True, "found": _("not certain")}
            lines.append(line)
        return lines

    def _ask(self, name: str, values: list[str], known: dict[str, Any]) -> None:
        offered = [(value, known.get(value, value)) for value in values]
        field = self.fields[name]
        field.choices = [("", _("please choose")), *offered]  # type: ignore[attr-defined]


def _named(layout: reading.Layout) -> tuple[str, ...]:
    """The properties that can be decided for a file of this format."""
    if layout.format == "csv":
        return ("encoding", "delimiter", "quote", "escape", "has_header")
    if layout.format == "xlsx":
        return ("sheet", "has_header")
    return ("encoding", "lines") if layout.format in JSON_FORMATS else ()


def _coded(name: str, value: Any) -> str:
    """A value of a layout as a choice of the form."""
    if name == "has_header":
        return str(value).lower()
    if value == "\t":
        return TAB
    return NONE if value == "" and name in ("quote", "escape", "lines") else str(value)


def _meant(value: str) -> Any:
    return {NONE: "", TAB: "\t", "true": True, "false": False}.get(value, value)

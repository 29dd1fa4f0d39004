"""The columns page of an import: what it shows, and what was said on it."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from segmentation.admin import import_words
from segmentation.engine import cleaning, mapping
from segmentation.forms import ColumnForm, KeepForm, LayoutForm, RulesForm
from segmentation.forms.columns import found_words, meaning_choices, meant
from segmentation.forms.uploading import KNOWN, LIKE, SAVED
from segmentation.models import ImportJob, Mapping
from segmentation.services import consents
from segmentation.services.importing import looking
from segmentation.services.saying import say

MORE = "more"  # the names of fields beside the usual ones: attributes.*, consent.*


@dataclass(frozen=True)
class Start:
    """What the page begins with where nobody said anything yet."""

    columns: dict[str, Any] = field(default_factory=dict)
    layout: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    words: str = ""
    name: str = ""  # of a kept mapping
    is_settled: bool = False  # somebody said how the cells are written


class ColumnsPage:
    """An upload, its first rows, and the forms about it; reading.Unreadable if none.

    ``data`` is what was posted. Where it was said about other columns than the file has
    under the present layout, it is forgotten and guessed anew.
    """

    def __init__(self, upload: dict[str, Any], data: Any = None, *, actor: Any) -> None:
        self.upload, self.kind = upload, upload["kind"]
        self._ways = consents.known_ways(actor)
        self._posted = data
        start = _chosen_start(upload)
        self.layout_form = self._layout_form(data, start.layout if start else {})
        self.seen = looking.look(upload["path"], self.layout_form.chosen())
        self.signature = mapping.signature(self.kind, self.seen.headers)
        is_same = data is not None and data.get("signature") == self.signature
        self.data = data if is_same and data.get("action") != "guess" else None
        if data is None and start is None:
            start = self._found_start()
        self.start = start or Start()
        self._guesses = mapping.guess_columns(
            self.kind, self.seen.headers, self.seen.sample
        )
        self.rows = [self._row(number, name) for number, name in self._targets()]
        rules = {"shape": self._shape(), **self.start.rules}
        self.rules_form = RulesForm(self.data, kind=self.kind, rules=rules)
        own = self.start.name or (data or {}).get("own", "")
        mark = (data or {}).get("save_mark", "")
        self.keep_form = KeepForm(self.data, kind=self.kind, own=own, mark=mark)
        self.layout = self.layout_form.show(self.seen.detected)

    # Where it begins ------------------------------------------------------------------

    def _layout_form(self, data: Any, layout: dict[str, Any]) -> LayoutForm:
        sheets: list[str] = []
        if str(self.upload["name"]).lower().endswith(("xlsx", "xlsx.gz", "xlsx.zip")):
            sheets = looking.sheets(self.upload["path"], {})
        form = LayoutForm(data, layout=layout, sheets=sheets)
        if form.is_bound and not form.is_valid():
            form = LayoutForm(layout=layout, sheets=sheets)
        return form

    def _found_start(self) -> Start | None:
        """A mapping that was kept for columns like these."""
        kept = Mapping.objects.filter(kind=self.kind, signature=self.signature)
        found = kept.order_by("-pk").first()
        if found is None:
            return None
        if found.layout:
            self.layout_form = self._layout_form(None, found.layout)
            self.seen = looking.look(self.upload["path"], self.layout_form.chosen())
        words = _("Read as you kept it under “%(name)s”, for columns like these.")
        return _kept_start(found, words % {"name": found.name})

    @cached_property
    def _export(self) -> str:
        """The known export that the file is, by its columns."""
        return mapping.recognised(self.kind, self.seen.headers, self.seen.sample)

    def _shape(self) -> str:
        return mapping.BUILTIN[self._export].shape if self._export else ""

    @cached_property
    def _begun(self) -> dict[str, mapping.Column]:
        """Field → column, as the page proposes it."""
        if not self.start.columns:
            told = {name: guess.spec for name, guess in self._guesses.items()}
        else:
            told = mapping.fitted(self.kind, self.start.columns, self.seen.headers)
        columns = mapping.read_columns(told)
        there = set(self.seen.headers)
        return {n: c for n, c in columns.items() if set(c.headers) <= there}

    def _targets(self) -> list[tuple[int, str]]:
        names = list(mapping.FIELDS[self.kind])
        if self.data is not None:
            names += self.data.getlist(MORE)
        else:
            names += [name for name in self._begun if name not in names]
        if self.kind == "customers":
            ways = [f"{mapping.CONSENT}{way}" for way in self._ways]
            names += [name for name in ways if name not in names]
        known = [name for name in names if mapping.role_of(self.kind, name)]
        return list(enumerate(known))

    # One field ------------------------------------------------------------------------

    def _form(
        self, number: int, target: str, column: mapping.Column | None, **more: Any
    ) -> ColumnForm:
        return ColumnForm(
            kind=self.kind,
            target=target,
            number=number,
            headers=self.seen.headers,
            column=column,
            **more,
        )

    def _row(self, number: int, target: str) -> dict[str, Any]:
        form = self._form_of(number, target)
        column = form.column() if form.is_bound else self._begun.get(target)
        doubt, reason, told = "", "", None
        if column is not None:
            told = looking.settled(
                self.kind,
                target,
                column,
                self.seen.sample,
                is_chosen=form.is_chosen,
            )
            column = told.column
        if column and told and told.guess and "written" in form.fields:
            if told.is_doubtful:
                doubt = say(told.guess.reason)
                form.find_out(_("– please choose –"))
            else:
                reason = say(told.guess.reason)
                form.find_out(found_words(column.format, form.role))
        words = looking.words(column, self.seen.sample) if column else []
        return {
            "form": form,
            "number": number,
            "target": target,
            "label": import_words.label(target),
            "hint": import_words.hint(target),
            "is_needed": target in _needed(self.kind),
            "is_more": target not in mapping.FIELDS[self.kind],
            "column": column,
            "doubt": doubt,
            "reason": "" if doubt else self._why(target, column, reason, form),
            "cells": self._cells(target, column) if column else [],
            "table": form.table(words) if column and column.headers else [],
            "is_kind": form.role == cleaning.KIND,
        }

    def _cells(self, target: str, column: mapping.Column) -> list[dict[str, str]]:
        found = looking.cells(self.kind, target, column, self.seen.sample)
        return [
            {
                "raw": cell.raw,
                "value": import_words.value(target, cell.value),
                "why": say(cell.why),
            }
            for cell in found
        ]

    def _form_of(self, number: int, target: str) -> ColumnForm:
        """What was said about a field; where its column was changed, begun anew."""
        begun = self._begun.get(target)
        if self.data is None:
            settled = self.start.is_settled or self._is_known(begun)
            return self._form(number, target, begun, is_chosen=settled)
        form = self._form(number, target, None, data=self.data)
        if form.is_changed and form.is_used():
            header = self.data[form.add_prefix("source")]
            data = self.data.copy()
            for name in [n for n in data if n.startswith(f"{form.prefix}-")]:
                del data[name]
            fresh = self._fresh(target, header)
            again = self._form(number, target, fresh)
            for name, value in again.initial.items():
                if value not in (False, None):
                    data[again.add_prefix(name)] = str(value)
            words = list(fresh.map.items())
            data.setlist(f"{form.prefix}-word", [word for word, _to in words])
            data.setlist(f"{form.prefix}-meaning", [to for _word, to in words])
            form = self._form(number, target, None, data=data)
        form.is_valid()
        return form

    def _is_known(self, column: mapping.Column | None) -> bool:
        """Whether an export that we know says how the column is written."""
        if column is None or not (self.start.columns or self._export):
            return False
        return bool(column.format.decimal or column.format.date)

    def _fresh(self, target: str, header: str) -> mapping.Column:
        guess = self._guesses.get(target)
        if guess is not None:
            column = mapping.read_column(target, guess.spec)
            if column.headers[:1] == (header,):
                return column
        column = mapping.Column((header,))
        if mapping.role_of(self.kind, target) == cleaning.KIND:
            told = meant(column, looking.words(column, self.seen.sample))
            return mapping.Column((header,), map=told)
        return column

    def _why(
        self, target: str, column: mapping.Column | None, reason: str, form: ColumnForm
    ) -> str:
        """Why this column was taken, if it is the one that was guessed."""
        guess = self._guesses.get(target)
        if column is None or self.start.columns or guess is None or form.is_chosen:
            return reason
        guessed = mapping.read_column(target, guess.spec)
        if (guessed.headers, guessed.constant) != (column.headers, column.constant):
            return reason
        return say(guess.reason)

    # What was said --------------------------------------------------------------------

    @cached_property
    def columns(self) -> dict[str, mapping.Spec]:
        """The mapping as it stands, with every way of writing decided."""
        found = {
            row["target"]: row["column"].as_json()
            for row in self.rows
            if row["column"] is not None
        }
        if (self.data or {}).get("keep_rest"):
            used = {
                h for row in self.rows if row["column"] for h in row["column"].headers
            }
            rest = [header for header in self.seen.headers if header not in used]
            names = {f"{mapping.ATTRIBUTES}{header}": header for header in rest}
            found |= {name: mapping.Column((h,)).as_json() for name, h in names.items()}
        return found

    @cached_property
    def rules(self) -> dict[str, Any]:
        if self.rules_form.is_bound and not self.rules_form.is_valid():
            return {}
        return self.rules_form.rules()

    @cached_property
    def preview(self) -> looking.Preview:
        shape = self.rules.get("shape", "")
        return looking.preview(self.kind, self.columns, self.seen, shape=shape)

    @cached_property
    def problems(self) -> list[str]:
        """Everything that must be answered before the file can be tried."""
        found = [self.seen.detected.ask()] if self.seen.detected.doubts else []
        for row in self.rows:
            words = {"field": row["label"]}
            if row["doubt"]:
                text = _("%(field)s: say how the column is written.") % words
                found.append(text)
            if row["form"].is_bound and row["form"].errors:
                found.append(_("%(field)s: see what is wrong there.") % words)
        if self._missing:
            names = ", ".join(self._missing)
            found.append(_("Still without a column: %(names)s.") % {"names": names})
        elif self.preview.problem:
            found.append(self.preview.problem)
        return found

    @cached_property
    def _missing(self) -> list[str]:
        """Fields that the file must fill and does not, as a person calls them."""
        needed: list[tuple[str, ...]] = [(n,) for n in mapping.REQUIRED[self.kind]]
        if self.kind == "events":
            needed.append(("customer", "visitor"))
        if self.kind == "links":
            needed.append(("same_as", "visitor"))
        return [
            _(" or ").join(import_words.label(name) for name in names)
            for names in needed
            if not set(names) & set(self.columns)
        ]

    @property
    def is_ready(self) -> bool:
        if self.data is None or self.problems:
            return False
        return self.rules_form.is_valid() and self.keep_form.is_valid()

    def context(self) -> dict[str, Any]:
        """All that the template shows."""
        rows = self.rows
        used = [r for r in rows if r["is_needed"] or r["column"] or r["form"].errors]
        return {
            "page": self,
            "upload": self.upload,
            "used": used,
            "unused": [row for row in rows if row not in used],
            "arrivals": [_shown(self.preview, row) for row in self.preview.rows],
            "targets": [import_words.label(t) for t in self.preview.targets],
            "rejects": [_refused(row) for row in self.preview.rejects],
            "keeps_rest": bool((self.data or {}).get("keep_rest")),
            "known_kinds": meaning_choices(is_known=True),
            "unknown_kinds": meaning_choices(is_known=False),
            "zones": sorted(zoneinfo.available_timezones()),
        }


def _chosen_start(upload: dict[str, Any]) -> Start | None:
    """The mapping that was chosen with the file; None where it is to be found."""
    where, _colon, name = upload.get("mapping", "").partition(":")
    if where == KNOWN and name in mapping.BUILTIN:
        known = mapping.BUILTIN[name]
        rules = known.rules | ({"shape": known.shape} if known.shape else {})
        words = _("Read as in the export “%(name)s”.") % {"name": known.label}
        return Start(known.columns, known.layout, rules, words)
    if where == SAVED and (kept := Mapping.objects.filter(pk=name).first()):
        return _kept_start(kept, _("Read as you kept it under “%s”.") % kept.name)
    if where == LIKE and (job := ImportJob.objects.filter(pk=name).first()):
        layout = upload.get("layout", {})
        words = _("Read as import %(number)d was.") % {"number": job.pk}
        return Start(job.columns, layout, job.rules, words, is_settled=True)
    return None


def _kept_start(kept: Mapping, words: str) -> Start:
    return Start(kept.columns, kept.layout, kept.rules, words, kept.name, True)


def _needed(kind: str) -> tuple[str, ...]:
    """Fields without which most files make no sense; an event needs somebody."""
    more = {"events": ("customer", "item"), "links": ("same_as",)}
    return (*mapping.REQUIRED[kind], *more.get(kind, ()))


def _shown(preview: looking.Preview, row: looking.Arrival) -> dict[str, Any]:
    told = [import_words.value(name, row.values.get(name)) for name in preview.targets]
    return {"number": row.number, "cells": told, **_refused(row), "row": row}


def _refused(row: looking.Arrival) -> dict[str, Any]:
    reason = import_words.reason(row.reason)
    named = import_words.reason(row.reason, is_named=True)
    if not reason and not row.values and not row.is_ignored:
        reason = named = _("has more or fewer cells than the header")
    return {
        "number": row.number,
        "field": import_words.label(row.column) if row.column else "",
        "value": row.value,
        "reason": reason,
        "why": named,
        "is_ignored": row.is_ignored,
    }

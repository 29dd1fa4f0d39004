"""A mapping that is kept: as JSON in the admin, or by its name on the columns page."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.engine import mapping
from segmentation.models import ImportJob, Mapping
from segmentation.services.importing import reading
from segmentation.services.importing.rules import Rules, RulesError
from segmentation.services.saying import say


def mark_of(row: Mapping | None) -> str:
    """What a kept mapping holds, in a few letters: by which a change is noticed."""
    if row is None:
        return ""
    held = [row.name, row.kind, row.columns, row.layout, row.rules]
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:16]


class MappingForm(forms.ModelForm):
    """A saved mapping names fields that there are, each with where it comes from."""

    mark = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Mapping
        fields = ("name", "kind", "columns", "layout", "rules")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["mark"] = mark_of(self.instance)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        self._check_unchanged(data.get("mark", ""))
        self._check_columns(data.get("columns"), data.get("kind"))
        try:
            Rules.from_json(data.get("rules") or {})
        except RulesError as error:
            self.add_error("rules", str(error))
        try:
            reading.Layout.from_json(data.get("layout") or {})
        except reading.Unreadable as error:
            self.add_error("layout", str(error))
        return data

    def _check_unchanged(self, seen: str) -> None:
        """Of two pages about one mapping the later does not win unasked."""
        rows = Mapping.objects.filter(pk=self.instance.pk).select_for_update()
        there = mark_of(rows.first())
        if there == seen:
            return
        text = _(
            "Somebody changed this mapping since you opened it. What you typed is kept "
            "here: look in another tab at what it is now, and save again to put yours "
            "in its place."
        )
        self.add_error(None, text)
        self.data = _with(self.data, self.add_prefix("mark"), there)

    def _check_columns(self, columns: Any, kind: str | None) -> None:
        if columns is None or kind is None:
            return
        try:
            targets = mapping.read_columns(columns)
        except mapping.MappingError as error:
            self.add_error("columns", say(error))
            return
        strange = [name for name in targets if mapping.role_of(kind, name) is None]
        if strange:
            text = _("There is no field %(names)s; there are %(known)s.")
            known = mapping.FIELDS[kind]
            shown = {"names": ", ".join(strange), "known": ", ".join(known)}
            self.add_error("columns", text % shown)


class KeepForm(forms.Form):
    """A name to keep the columns, rules and way of writing under."""

    save_as = forms.CharField(
        label=gettext_lazy("Keep this mapping as"),
        required=False,
        max_length=80,
        help_text=gettext_lazy(
            "The next file with these columns is read the same way by itself."
        ),
    )

    # What the mapping held that this page began with.
    save_mark = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(
        self, data: Any = None, *, kind: str, own: str = "", mark: str = ""
    ) -> None:
        began = mark or mark_of(_kept(own))
        super().__init__(data, initial={"save_as": own, "save_mark": began})
        self.kind, self.own = kind, own

    def clean_save_as(self) -> str:
        """Only the mapping that this page began with is written over."""
        name: str = self.cleaned_data["save_as"].strip()
        taken = _kept(name)
        if taken and (taken.name != self.own or taken.kind != self.kind):
            raise forms.ValidationError(_("There is a mapping of this name already."))
        return name

    def clean(self) -> dict[str, Any]:
        told = super().clean() or self.cleaned_data
        there = mark_of(_kept(told.get("save_as", "")))
        if there and there != told.get("save_mark"):
            self.add_error("save_as", _changed_meanwhile(told["save_as"]))
            if self.data.get("action") == "run":  # said to somebody who wants to save
                self.data = _with(self.data, "save_mark", there)
        return told

    def keep(
        self, job: ImportJob, layout: dict[str, Any], signature: str
    ) -> tuple[Mapping, dict[str, Any] | None] | None:
        """Save it; answers the mapping and what it was before, or None.

        Raises ValidationError where somebody else saved it a moment ago.
        """
        name = self.cleaned_data["save_as"]
        if not name:
            return None
        with transaction.atomic():
            before = Mapping.objects.select_for_update().filter(name=name).first()
            if before and mark_of(before) != self.cleaned_data["save_mark"]:
                raise forms.ValidationError(_changed_meanwhile(name))
            kept, _made = Mapping.objects.update_or_create(
                name=name,
                defaults={
                    "kind": job.kind,
                    "columns": job.columns,
                    "rules": job.rules,
                    "layout": layout,
                    "signature": signature,
                },
            )
        return kept, {"columns": before.columns} if before else None


def _with(data: Any, name: str, value: str) -> Any:
    """What was posted, with one value of ours."""
    data = data.copy()
    data[name] = value
    return data


def _kept(name: str) -> Mapping | None:
    return Mapping.objects.filter(name=name).first() if name else None


def _changed_meanwhile(name: str) -> str:
    return _(
        "Somebody changed “%(name)s” since this page was opened. What you said here is "
        "kept: press “Dry run” again to put it in the place of theirs, or give it "
        "another name."
    ) % {"name": name}

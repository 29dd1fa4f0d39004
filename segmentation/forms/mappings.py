"""A mapping that is kept: as JSON in the admin, or by its name on the columns page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.engine import mapping
from segmentation.models import ImportJob, Mapping
from segmentation.services.importing import reading
from segmentation.services.importing.rules import Rules, RulesError
from segmentation.services.saying import say


class MappingForm(forms.ModelForm):
    """A saved mapping names fields that there are, each with where it comes from."""

    class Meta:
        model = Mapping
        fields = ("name", "kind", "columns", "layout", "rules")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
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

    def __init__(
        self, data: Any = None, *, kind: str, name: str = "", own: str = ""
    ) -> None:
        super().__init__(data, initial={"save_as": name})
        self.kind, self.own = kind, own

    def clean_save_as(self) -> str:
        """Only the mapping that this page began with is written over."""
        name: str = self.cleaned_data["save_as"].strip()
        taken = Mapping.objects.filter(name=name).first() if name else None
        if taken and (taken.name != self.own or taken.kind != self.kind):
            raise forms.ValidationError(_("There is a mapping of this name already."))
        return name

    def keep(
        self, job: ImportJob, layout: dict[str, Any], signature: str
    ) -> tuple[Mapping, dict[str, Any] | None] | None:
        """Save it; answers the mapping and what it was before, or None."""
        name = self.cleaned_data["save_as"]
        if not name:
            return None
        before = Mapping.objects.filter(name=name).values("columns", "rules").first()
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
        return kept, dict(before) if before else None

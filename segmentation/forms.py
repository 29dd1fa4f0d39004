"""What an operator fills in: a file to bring in, its columns, a model to train."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.core import signing
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.engine import clustering, mapping, recommenders
from segmentation.models import ApiKey, ImportKind, Mapping, Purpose, Source
from segmentation.services.access import Scope
from segmentation.services.training import PROTOCOL

SALT = "strata.upload"
SAMPLE_ROWS = 3
UPLOAD_HOURS = 24
UPLOAD_MB = 2048
ORIGIN = re.compile(r"https?://[^\s/?#@]+/?")  # scheme and host, as a browser sends it
EXAMPLE_ORIGIN = "https://shop.example"


class UploadForm(forms.Form):
    """A file and what it holds; its columns are asked on the next page."""

    kind = forms.ChoiceField(
        label=gettext_lazy("What is in it"), choices=ImportKind, initial="events"
    )
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV with a line of column names, or Parquet."),
    )
    source = forms.CharField(
        label=gettext_lazy("Source"),
        initial="shop",
        max_length=60,
        help_text=gettext_lazy(
            "Where the data is from. Customer ids of one source are one namespace."
        ),
    )
    mapping = forms.ModelChoiceField(
        Mapping.objects.order_by("name"),
        label=gettext_lazy("Saved mapping"),
        required=False,
        empty_label=gettext_lazy("none: choose the columns on the next page"),
    )
    encoding = forms.CharField(
        label=gettext_lazy("Encoding"),
        required=False,
        max_length=30,
        help_text=gettext_lazy("Empty means UTF-8. Chinese files are often gb18030."),
    )
    is_dry_run = forms.BooleanField(
        label=gettext_lazy("Dry run: count and check, change nothing"), required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Source.objects.order_by("-trust").values_list("name", flat=True)
        self.source_names = list(names[:50])
        self.fields["source"].widget.attrs["list"] = "st-sources"

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        limit = getattr(settings, "STRATA_UPLOAD_MB", UPLOAD_MB)
        if file.size > limit * 2**20:
            text = _("The file has %(n)d MB; at most %(limit)d MB can be uploaded.")
            words = {"n": file.size // 2**20, "limit": limit}
            raise forms.ValidationError(text % words)
        return file

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        chosen = data.get("mapping")
        if chosen and chosen.kind != data.get("kind"):
            text = _("This mapping is for %(kind)s.")
            self.add_error("mapping", text % {"kind": chosen.get_kind_display()})
        return data


class ColumnsForm(forms.Form):
    """Which column of the file is which field, or a constant for all rows."""

    upload = forms.CharField(widget=forms.HiddenInput)
    save_as = forms.CharField(
        label=gettext_lazy("Keep this mapping as"), required=False, max_length=80
    )

    def __init__(
        self,
        *args: Any,
        kind: str,
        headers: list[str],
        guess: dict[str, str],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        self.headers = headers
        choices = [("", _("– not in the file –")), *((h, h) for h in headers)]
        for name in mapping.FIELDS[kind]:
            self.fields[f"column_{name}"] = forms.ChoiceField(
                label=name, choices=choices, required=False, initial=guess.get(name, "")
            )
            self.fields[f"constant_{name}"] = forms.CharField(
                label=_("%(field)s is always") % {"field": name}, required=False
            )
        if kind != "events":
            self.fields["keep_rest"] = forms.BooleanField(
                label=_("Keep the other columns as attributes"), required=False
            )

    def rows(self) -> list[dict[str, Any]]:
        """One line of the table: the field, its column, its constant, is it needed."""
        needed = mapping.REQUIRED[self.kind]
        return [
            {
                "name": name,
                "is_needed": name in needed,
                "column": self[f"column_{name}"],
                "constant": self[f"constant_{name}"],
            }
            for name in mapping.FIELDS[self.kind]
        ]

    def clean_save_as(self) -> str:
        name = self.cleaned_data["save_as"].strip()
        if name and Mapping.objects.filter(name=name).exists():
            raise forms.ValidationError(_("There is a mapping of this name already."))
        return name

    def columns(self) -> dict[str, str]:
        """The mapping that was chosen: field → header, or ``=constant``."""
        data, found = self.cleaned_data, {}
        for name in mapping.FIELDS[self.kind]:
            constant = data.get(f"constant_{name}", "").strip()
            column = f"={constant}" if constant else data.get(f"column_{name}", "")
            if column:
                found[name] = column
        if data.get("keep_rest"):
            used = set(found.values())
            rest = [header for header in self.headers if header not in used]
            found |= {f"{mapping.ATTRIBUTES}{header}": header for header in rest}
        return found


class TrainForm(forms.Form):
    """One training: what to learn, and how."""

    purpose = forms.ChoiceField(label=gettext_lazy("Purpose"), choices=Purpose)
    algorithm = forms.ChoiceField(
        label=gettext_lazy("Algorithm"), choices=lambda: _named(recommenders.names())
    )
    params = forms.CharField(
        label=gettext_lazy("Parameters"),
        required=False,
        widget=forms.TextInput(attrs={"placeholder": '{"n_factors": 64}'}),
        help_text=gettext_lazy("JSON; empty means chosen on validation data."),
    )

    def clean_params(self) -> dict[str, Any]:
        text = self.cleaned_data["params"].strip()
        if not text:
            return {}
        try:
            params = json.loads(text)
        except ValueError:
            params = None
        if not isinstance(params, dict):
            words = _('Write a JSON object such as {"n_factors": 64}.')
            raise forms.ValidationError(words)
        return params

    def clean(self) -> dict[str, Any]:
        """Parameters that the algorithm does not know are found before it trains."""
        data = super().clean() or self.cleaned_data
        if {"algorithm", "params"} <= data.keys():
            own = {k: v for k, v in data["params"].items() if k not in PROTOCOL}
            try:
                recommenders.create(data["algorithm"], **own)
            except (TypeError, ValueError) as error:
                self.add_error("params", str(error))
        return data


class MappingForm(forms.ModelForm):
    """A saved mapping names fields that there are, each with a column or constant."""

    class Meta:
        model = Mapping
        fields = ("name", "kind", "columns")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        columns, kind = data.get("columns"), data.get("kind")
        if columns is None or kind is None:
            return data
        words = _('Write a JSON object such as {"customer": "CustomerID"}.')
        if not isinstance(columns, dict) or not all(
            isinstance(column, str) for column in columns.values()
        ):
            self.add_error("columns", words)
            return data
        known = mapping.FIELDS[kind]
        free = mapping.ATTRIBUTES if kind != "events" else None
        strange = [
            n for n in columns if n not in known and not (free and n.startswith(free))
        ]
        if strange:
            text = _("There is no field %(names)s; there are %(known)s.")
            shown = {"names": ", ".join(strange), "known": ", ".join(known)}
            self.add_error("columns", text % shown)
        return data


class OneALine(forms.JSONField):
    """A list of texts as people write it: one a line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def bound_data(self, data: Any, initial: Any) -> Any:
        return data

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, list) else (value or "").split()


class ApiKeyForm(forms.ModelForm):
    """A key whose two lists hold what the API understands; a typo must not break it."""

    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        choices=Scope.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "st-box"}),
        help_text=gettext_lazy("None means everything that this kind of key may do."),
    )

    class Meta:
        model = ApiKey
        fields = "__all__"  # noqa: DJ007 (the admin chooses)
        field_classes: ClassVar = {"allowed_origins": OneALine}
        help_texts: ClassVar = {
            "allowed_origins": gettext_lazy(
                "For a publishable key: the pages that may use it, one a line, such as "
                "https://shop.example"
            )
        }

    def clean_allowed_origins(self) -> list[str]:
        origins = self.cleaned_data["allowed_origins"]
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                text = _("“%(text)s” is no origin such as %(example)s.")
                words = {"text": origin, "example": EXAMPLE_ORIGIN}
                raise forms.ValidationError(text % words)
        return origins


class DivideForm(forms.Form):
    """One division of customers into segments."""

    method = forms.ChoiceField(
        label=gettext_lazy("Method"), choices=lambda: _named(clustering.names())
    )
    n_clusters = forms.IntegerField(
        label=gettext_lazy("Number of segments"),
        required=False,
        min_value=2,
        max_value=100,
        help_text=gettext_lazy("Empty means chosen by silhouette."),
    )


def _named(names: list[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


def seal(upload: dict[str, Any]) -> str:
    """What the first page of an import hands to the second, unforgeable."""
    return signing.dumps(upload, salt=SALT, compress=True)


def unseal(text: str) -> dict[str, Any]:
    """Raises signing.BadSignature when it is not ours or more than a day old."""
    upload = signing.loads(text, salt=SALT, max_age=UPLOAD_HOURS * 3600)
    return {**upload, "path": Path(upload["path"])}

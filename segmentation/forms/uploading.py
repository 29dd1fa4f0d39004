"""The first page of an import: a file, what it holds, where it is from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.core import signing
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation import conf
from segmentation.engine.mapping import BUILTIN
from segmentation.models import ImportJob, ImportKind, Mapping, Source
from segmentation.templatetags.strata import number

SALT = "strata.upload"
UPLOAD_HOURS = 24
LIKE, SAVED, KNOWN = "job", "saved", "builtin"


class FileForm(forms.Form):
    """A file, checked for its size, and where its data is from."""

    file = forms.FileField(label=gettext_lazy("File"))
    source = forms.CharField(
        label=gettext_lazy("Source"),
        initial="shop",
        max_length=60,
        help_text=gettext_lazy(
            "Where the data is from. Ids of customers are looked up within one source."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Source.objects.order_by("-trust").values_list("name", flat=True)
        self.source_names = list(names[:50])
        self.fields["source"].widget.attrs["list"] = "st-sources"
        self.most_mb = conf.import_limit("MAX_MB")
        self.too_large = self._too_large("{n}")
        most = _("At most %(limit)s MB.") % {"limit": number(self.most_mb)}
        self.fields["file"].help_text = f"{self.fields['file'].help_text} {most}"

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > self.most_mb * 2**20:
            raise forms.ValidationError(self._too_large(number(file.size // 2**20)))
        return file

    def _too_large(self, n: str) -> str:
        text = _("The file has %(n)s MB; at most %(limit)s MB can be uploaded.")
        return text % {"n": n, "limit": number(self.most_mb)}


class UploadForm(FileForm):
    """A file and what it holds; its columns are shown on the next page."""

    field_order = ("kind", "file", "source", "mapping")
    kind = forms.ChoiceField(
        label=gettext_lazy("What is in it"), choices=ImportKind, initial="events"
    )
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV, JSON, JSON Lines, Excel (.xlsx) or Parquet, also as .gz or .zip of "
            "one file. How it is written is found out, and shown on the next page."
        ),
    )
    mapping = forms.ChoiceField(
        label=gettext_lazy("Mapping"),
        required=False,
        help_text=gettext_lazy(
            "A mapping that you kept is found again by the names of the columns."
        ),
    )

    def __init__(self, *args: Any, like: ImportJob | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        mapping = self.fields["mapping"]
        mapping.choices = _mappings(like)  # type: ignore[attr-defined]
        if like is not None:
            self.initial["kind"] = like.kind
            self.initial["source"] = like.source.name
            self.initial["mapping"] = f"{LIKE}:{like.pk}"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        of_kind = kind_of_choice(data.get("mapping", ""))
        if of_kind and "kind" in data and of_kind != data["kind"]:
            text = _("This mapping is for %(kind)s.")
            words = {"kind": ImportKind(of_kind).label}
            self.add_error("mapping", text % words)
        return data


class SmallFileForm(FileForm):
    """A file of one kind; which columns are what is found out by their names."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV, JSON Lines, Excel (.xlsx) or Parquet, with the names of the columns "
            "in the first line. Nothing is written before you saw what would change."
        ),
    )


def kind_of_choice(choice: str) -> str:
    """The kind of file that a chosen mapping is for; "" where none was chosen."""
    where, _colon, name = choice.partition(":")
    if where == KNOWN:
        return BUILTIN[name].kind
    rows: Any = {SAVED: Mapping.objects, LIKE: ImportJob.objects}.get(where)
    found = rows.filter(pk=name).first() if rows is not None else None
    return found.kind if found else ""


def _mappings(like: ImportJob | None) -> list[Any]:
    found: list[Any] = [("", _("find it by the names of the columns"))]
    if like is not None:
        words = {"file": like, "number": like.pk}
        text = _("as import %(number)d was read (%(file)s)") % words
        found.append((f"{LIKE}:{like.pk}", text))
    saved = Mapping.objects.order_by("kind", "name")
    if saved:
        named = [
            (f"{SAVED}:{each.pk}", f"{each.name} ({each.get_kind_display()})")
            for each in saved
        ]
        found.append((_("Kept mappings"), named))
    known = [(f"{KNOWN}:{name}", each.label) for name, each in BUILTIN.items()]
    return [*found, (_("Exports that are known"), known)]


def seal(upload: dict[str, Any]) -> str:
    """What the first page of an import hands to the second, unforgeable."""
    told = {**upload, "path": str(upload["path"])}
    return signing.dumps(told, salt=SALT, compress=True)


def unseal(text: str) -> dict[str, Any]:
    """Raises signing.BadSignature when it is not ours or more than a day old."""
    upload = signing.loads(text, salt=SALT, max_age=UPLOAD_HOURS * 3600)
    return {**upload, "path": Path(upload["path"])}

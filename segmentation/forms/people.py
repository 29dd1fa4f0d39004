"""Two customers that are one person, named by hand."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.models import Identity, Source


class PairForm(forms.Form):
    """Two customers by the ids that their sources know them by."""

    kept_source = forms.ModelChoiceField(
        Source.objects.order_by("-trust", "name"),
        label=gettext_lazy("Source of the one that stays"),
    )
    kept_id = forms.CharField(
        label=gettext_lazy("Customer id of the one that stays"), max_length=120
    )
    merged_source = forms.ModelChoiceField(
        Source.objects.order_by("-trust", "name"),
        label=gettext_lazy("Source of the one that goes in"),
    )
    merged_id = forms.CharField(
        label=gettext_lazy("Customer id of the one that goes in"), max_length=120
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for side in ("kept", "merged"):
            source, name = data.get(f"{side}_source"), data.get(f"{side}_id")
            if source is None or not name:
                continue
            found = Identity.objects.filter(source=source, external_id=name.strip())
            identity = found.select_related("customer").first()
            if identity is None:
                words = {"source": source, "id": name}
                text = _("%(source)s knows no customer “%(id)s”.") % words
                self.add_error(f"{side}_id", text)
            else:
                data[side] = identity.customer
        return data

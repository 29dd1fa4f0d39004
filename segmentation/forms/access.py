"""What an administrator fills in about an API key."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.models import ApiKey
from segmentation.services.access import Scope

ORIGIN = re.compile(r"https?://[^\s/?#@]+/?")  # scheme and host, as a browser sends it
EXAMPLE_ORIGIN = "https://shop.example"


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

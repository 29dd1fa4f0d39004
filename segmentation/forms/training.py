"""What an operator fills in to train a model or to divide customers."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.engine import clustering, recommenders
from segmentation.models import Purpose
from segmentation.services.training import telling


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
            try:
                telling.check(data["algorithm"], data["params"])
            except (TypeError, ValueError) as error:
                self.add_error("params", str(error))
        return data


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

"""What an operator fills in to train a model or to divide customers."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.engine import clustering
from segmentation.models import Purpose
from segmentation.services.training import methods, telling


class MethodSelect(forms.Select):
    """Methods in groups; each tells the page what it is for and what it does."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        option = super().create_option(name, value, *args, **kwargs)
        option["attrs"] |= {
            "data-fits": " ".join(methods.purposes(str(value))),
            "data-says": methods.does(str(value)),
        }
        return option


class TrainForm(forms.Form):
    """One training: what to learn, and how."""

    purpose = forms.ChoiceField(
        label=gettext_lazy("Purpose"),
        choices=Purpose,
        widget=forms.Select(attrs={"data-narrows": "algorithm"}),
    )
    algorithm = forms.ChoiceField(
        label=gettext_lazy("Algorithm"),
        choices=methods.grouped,
        widget=MethodSelect,
        help_text=gettext_lazy("Those that can serve the purpose."),
    )
    split = forms.ChoiceField(
        label=gettext_lazy("Judged on"),
        required=False,
        choices=(
            ("", gettext_lazy("the last weeks")),
            (telling.LAST_OUT, gettext_lazy("the last event of each customer")),
            (telling.FOLDS, gettext_lazy("ratings in folds")),
        ),
    )
    params = forms.CharField(
        label=gettext_lazy("Parameters"),
        required=False,
        widget=forms.TextInput(attrs={"placeholder": '{"n_factors": 64}'}),
        help_text=gettext_lazy("JSON; empty means chosen on validation data."),
    )

    def clean_params(self) -> dict[str, Any]:
        text = self.cleaned_data["params"].strip()
        split = self.cleaned_data.get("split")
        told = {"split": split} if split else {}
        if not text:
            return told
        try:
            params = json.loads(text)
        except ValueError:
            params = None
        if not isinstance(params, dict):
            words = _('Write a JSON object such as {"n_factors": 64}.')
            raise forms.ValidationError(words)
        return told | params

    def clean(self) -> dict[str, Any]:
        """What the algorithm cannot be told, or serve, is found before it trains."""
        data = super().clean() or self.cleaned_data
        if {"algorithm", "purpose"} <= data.keys():
            problem = methods.unfit(data["algorithm"], data["purpose"])
            if problem:
                self.add_error("algorithm", problem)
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

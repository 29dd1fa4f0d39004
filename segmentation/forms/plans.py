"""When a purpose is trained anew, and why a gate is overruled."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from segmentation.engine import recommenders
from segmentation.models import TrainingPlan
from segmentation.services import cron, jobs, schedules


class PlanForm(forms.ModelForm):
    """A plan that could never train is refused with what the training would say."""

    algorithm = forms.ChoiceField(
        label=gettext_lazy("Algorithm"),
        choices=lambda: [(name, name) for name in recommenders.names()],
    )

    class Meta:
        model = TrainingPlan
        fields = (
            "name",
            "purpose",
            "algorithm",
            "params",
            "cron",
            "new_events",
            "goes_live",
            "enabled",
        )

    def clean_params(self) -> Any:
        return self.cleaned_data["params"] or {}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        told = {name: data[name] for name in self.Meta.fields}
        try:
            schedules.check(TrainingPlan(**told))
        except cron.BadCron as error:
            self.add_error("cron", str(error))
        except jobs.Refused as error:
            self.add_error(None, str(error))
        return data


class OverruleForm(forms.Form):
    """Why a run goes live although the gate is closed."""

    reason = forms.CharField(
        label=gettext_lazy("Why it should go live nevertheless"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("It is kept with the run and in the audit trail."),
    )

"""A rule for lists, as the operator writes it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _

from segmentation.models import ListRule

TARGETS = ("item", "category", "brand")


class ListRuleForm(forms.ModelForm):
    """One target, and the numbers that the action needs."""

    class Meta:
        model = ListRule
        fields = (
            "action",
            *TARGETS,
            "place",
            "factor",
            "purpose",
            "placement",
            "starts_at",
            "ends_at",
            "enabled",
            "note",
        )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if sum(bool(data.get(name)) for name in TARGETS) != 1:
            text = _("Choose one of these: an item, a category or a brand.")
            self.add_error("item", text)
        self._check_action(data)
        starts_at, ends_at = data.get("starts_at"), data.get("ends_at")
        if starts_at and ends_at and ends_at <= starts_at:
            self.add_error("ends_at", _("The rule must end after it begins."))
        return data

    def _check_action(self, data: dict[str, Any]) -> None:
        action, factor = data.get("action"), data.get("factor")
        if action == ListRule.Action.PIN:
            if not data.get("item"):
                self.add_error("action", _("Only an item can be pinned."))
            if data.get("place") == 0:
                self.add_error("place", _("The first place is 1."))
        if action == ListRule.Action.BOOST and factor is not None and factor <= 1:
            self.add_error("factor", _("A boost needs a factor above 1."))
        buries = action == ListRule.Action.BURY and factor is not None
        if buries and not 0 < factor < 1:
            self.add_error("factor", _("To bury needs a factor between 0 and 1."))

"""What an operator decides about a file: the unknown, the equal, the missing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy, pgettext_lazy

from segmentation.services.importing.rules import (
    CREATE,
    FILLED,
    ONE,
    REJECT,
    SEPARATE,
    Rules,
)

FILLS = {
    "price": gettext_lazy("price"),
    "category": gettext_lazy("category"),
    "currency": gettext_lazy("currency"),
}
SHAPES = {
    "": gettext_lazy("each line stands for itself"),
    "order_lines": gettext_lazy(
        "only the first line of an order says who, when and in which currency"
    ),
    "variant_lines": gettext_lazy(
        "only the first line of a product describes it; others are variants or pictures"
    ),
}
FIELDS = {
    "events": (
        "shape",
        "unknown_items",
        "unknown_customers",
        "identical_lines",
        "fill",
    ),
    "items": ("shape", "fill"),
}
SHAPES_OF = {"events": ("", "order_lines"), "items": ("", "variant_lines")}
FILLS_OF = {"events": ("price",), "items": FILLED}


class RulesForm(forms.Form):
    """Every rule has an answer that holds when nobody thinks about it."""

    shape = forms.ChoiceField(
        label=gettext_lazy("How lines belong together"), required=False
    )
    unknown_items = forms.ChoiceField(
        label=gettext_lazy("Items that nobody told of before"),
        choices=[
            (CREATE, gettext_lazy("are made, with their id only")),
            (REJECT, pgettext_lazy("items", "reject those lines")),
        ],
    )
    unknown_customers = forms.ChoiceField(
        label=gettext_lazy("Customers that nobody told of before"),
        choices=[
            (CREATE, pgettext_lazy("customers", "are made, with their id only")),
            (REJECT, pgettext_lazy("customers", "reject those lines")),
        ],
    )
    identical_lines = forms.ChoiceField(
        label=gettext_lazy("Lines that are alike in everything"),
        choices=[
            (SEPARATE, gettext_lazy("are separate events")),
            (ONE, gettext_lazy("are one event")),
        ],
        help_text=gettext_lazy("Where an event id is mapped, that decides."),
    )
    fill = forms.MultipleChoiceField(
        label=gettext_lazy("Fill what is blank from the item's own past or its group"),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "st-box"}),
        help_text=gettext_lazy(
            "How many cells that fills is told; undoing the import takes it back."
        ),
    )
    prefix = "rules"

    def __init__(
        self, data: Any = None, *, kind: str, rules: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=Rules().as_json() | (rules or {}))
        for name in set(self.fields) - set(FIELDS.get(kind, ())):
            del self.fields[name]
        if "shape" in self.fields:
            offered = [(name, SHAPES[name]) for name in SHAPES_OF[kind]]
            self.fields["shape"].choices = offered  # type: ignore[attr-defined]
            fills = [(name, FILLS[name]) for name in FILLS_OF[kind]]
            self.fields["fill"].choices = fills  # type: ignore[attr-defined]

    def rules(self) -> dict[str, Any]:
        told = self.cleaned_data if self.is_bound else self.initial
        return {name: told[name] for name in self.fields if told.get(name)}

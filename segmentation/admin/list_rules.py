"""Rules for lists: pin, boost, bury, block; with a look at what each does."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.admin.base import StrataAdmin, badge
from segmentation.admin.lists import customer_named, lines_of
from segmentation.forms.list_rules import ListRuleForm
from segmentation.models import ListRule, Purpose
from segmentation.services.serving import Wish, looking

SHOWN = 10


@admin.register(ListRule)
class ListRuleAdmin(StrataAdmin):
    form = ListRuleForm
    change_form_template = "segmentation/admin/list_rule.html"
    list_display = (
        "target",
        "action",
        "state",
        "where",
        "starts_at",
        "ends_at",
        "note",
    )
    list_filter = ("action", "enabled", "purpose")
    list_select_related = ("item", "category")
    search_fields = ("item__external_id", "item__title", "brand", "note")
    autocomplete_fields = ("item", "category")
    readonly_fields = ("created_by", "created_at")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": ("action", "item", "category", "brand", "place", "factor")}),
        (
            gettext_lazy("Where and when"),
            {"fields": ("purpose", "placement", "starts_at", "ends_at", "enabled")},
        ),
        (None, {"fields": ("note", "created_by", "created_at")}),
    )

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The effect on the list of a customer whom the operator names."""
        told = request.GET.get("customer", "")
        context: dict[str, Any] = {"asked": told}
        customer = customer_named(told) if told else None
        if told and customer is None:
            context["nobody"] = _("No customer has the id “%(id)s”.") % {"id": told}
        if customer is not None:
            wish = Wish(SHOWN, row.purpose or Purpose.DISCOVER.value, row.placement)
            now = timezone.now()
            pair = looking.with_and_without(customer, row, wish, now=now)
            without, with_it = (lines_of(answer) for answer in pair)
            context |= {"customer": customer, "without": without, "with_it": with_it}
        return super().row_context(request, row) | context

    @admin.display(description=gettext_lazy("speaks of"))
    def target(self, rule: ListRule) -> str:
        return str(rule.item or rule.category or rule.brand)

    @admin.display(description=gettext_lazy("state"))
    def state(self, rule: ListRule) -> str:
        now = timezone.now()
        if not rule.enabled:
            return badge(_("switched off"), "plain")
        if rule.ends_at and rule.ends_at <= now:
            return badge(_("over"), "plain")
        if rule.starts_at and rule.starts_at > now:
            return badge(_("to come"), "wait")
        return badge(_("in force"), "good")

    @admin.display(description=gettext_lazy("in lists"))
    def where(self, rule: ListRule) -> str:
        words = [rule.purpose, rule.placement]
        return " · ".join(word for word in words if word) or _("all")

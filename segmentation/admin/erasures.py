"""Customers who were erased: what went, what remains, and how far the search is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from segmentation.admin.base import Deed, ReadOnly
from segmentation.admin.jobs import RUN_FIELDS, RUN_FIELDSET, JobAdmin
from segmentation.models import Erasure
from segmentation.services import erasing

FACTS = ("number", "erased_at")


@admin.register(Erasure)
class ErasureAdmin(JobAdmin):
    change_form_template = "segmentation/admin/erasure.html"
    list_display = ("__str__", "progress", "erased_at")
    list_filter = ("status",)
    readonly_fields = (*FACTS, *RUN_FIELDS)
    fieldsets = ((gettext_lazy("The customer"), {"fields": FACTS}), RUN_FIELDSET)
    ordering = ("-pk",)
    actions = None
    has_add_permission = ReadOnly.has_add_permission  # the command, or the shop's call
    has_delete_permission = ReadOnly.has_delete_permission

    def get_deeds(self) -> list[Deed]:
        """It cannot be cancelled: half an erasure is none."""
        return [deed for deed in super().get_deeds() if deed.name != "cancel"]

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        receipt = erasing.receipt(row)
        return super().row_context(request, row) | {
            "went": sorted({**row.rows, **row.files}.items()),
            "remains": receipt["remains"],
        }

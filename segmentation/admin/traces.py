"""What imports leave behind so that they can be taken back: only looked at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from segmentation.admin.base import ReadOnly, StrataAdmin, link_to
from segmentation.admin.paging import Facts
from segmentation.models import CustomerClaim, EventClaim, ImportChange, Telling


@admin.register(EventClaim)
class EventClaimAdmin(Facts, StrataAdmin):
    list_display = ("event_key", "import_id")
    list_filter = ()
    ordering = ("-pk",)


@admin.register(ImportChange)
class ImportChangeAdmin(Facts, StrataAdmin):
    list_display = ("kind", "object_id", "import_id", "columns")
    list_filter = ("kind",)
    fields = readonly_fields = ("kind", "object_id", "import_id", "columns")
    ordering = ("-pk",)

    @admin.display(description=_("changed"))
    def columns(self, change: ImportChange) -> str:
        return ", ".join(change.after)


@admin.register(CustomerClaim)
class CustomerClaimAdmin(ReadOnly, StrataAdmin):
    list_display = ("whom", "source", "told_at")
    list_select_related = ("customer", "source")
    list_filter = ("source",)
    fields = readonly_fields = ("whom", "source", "told_at")
    ordering = ("-pk",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("values")

    @admin.display(description=_("customer"), ordering="customer")
    def whom(self, claim: CustomerClaim | Telling) -> str:
        return link_to(claim.customer)


@admin.register(Telling)
class TellingAdmin(CustomerClaimAdmin):
    """The layers of the claims."""

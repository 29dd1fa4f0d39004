"""Refreshes of live lists: how often, how many people, and why one failed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from segmentation.admin.base import link_to
from segmentation.admin.jobs import RUN_FIELDS, RUN_FIELDSET, JobAdmin
from segmentation.models import ListRefresh
from segmentation.templatetags.strata import duration, number


@admin.register(ListRefresh)
class ListRefreshAdmin(JobAdmin):
    list_display = ("created_at", "of_run", "people", "folded", "took", "progress")
    list_filter = ("status",)
    list_select_related = ("run",)
    fieldsets = (
        (_("The refresh"), {"fields": ("of_run", "people", "folded")}),
        RUN_FIELDSET,
    )
    readonly_fields = ("of_run", "people", "folded", *RUN_FIELDS)
    ordering = ("-pk",)
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # beat makes them, where there is something new

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("model run"), ordering="run")
    def of_run(self, refresh: ListRefresh) -> str:
        return link_to(refresh.run)

    @admin.display(description=_("customers with something new"))
    def people(self, refresh: ListRefresh) -> str:
        return number(refresh.counts.get("customers"))

    @admin.display(description=_("lists made anew"))
    def folded(self, refresh: ListRefresh) -> str:
        return number(refresh.counts.get("folded_in"))

    @admin.display(description=_("took"))
    def took(self, refresh: ListRefresh) -> str:
        return duration(refresh.seconds)

"""Where people can be reached and what they agreed to. Addresses stay encrypted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from campaigns.models import Consent, ContactPoint
from segmentation.admin.base import link_to
from segmentation.admin.paging import Facts


@admin.register(ContactPoint)
class ContactPointAdmin(Facts):
    """Looked at, and removed by those who may; never typed in."""

    list_display = (
        "__str__",
        "of_customer",
        "channel",
        "origin",
        "is_active",
        "inactive_reason",
        "created_at",
        "last_accepted_at",
    )
    list_filter = ("channel", "is_active", "inactive_reason")
    list_select_related = ("customer",)
    fields = list_display[1:]
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("address")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("campaigns.delete_contactpoint")

    @admin.display(description=_("customer"))
    def of_customer(self, point: ContactPoint) -> str:
        return link_to(point.customer)


@admin.register(Consent)
class ConsentAdmin(Facts):
    """What a customer said is a fact; it changes when they say something else."""

    list_display = (
        "of_customer",
        "channel",
        "purpose",
        "granted",
        "said_at",
        "text_version",
    )
    list_display_links = ("channel",)
    list_filter = ("channel", "purpose", "granted")
    list_select_related = ("customer",)
    ordering = ("-pk",)

    @admin.display(description=_("customer"))
    def of_customer(self, consent: Consent) -> str:
        return link_to(consent.customer)

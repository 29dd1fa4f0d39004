"""Keys of storefronts, and the secrets that sign for customers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.admin.base import ReadOnly, StrataAdmin
from segmentation.forms import ApiKeyForm
from segmentation.models import ApiKey, SigningSecret

ASKED = (
    "name",
    "kind",
    "source",
    "scopes",
    "allowed_origins",
    "rate_per_minute",
    "is_active",
)


@admin.register(ApiKey)
class ApiKeyAdmin(StrataAdmin):
    form = ApiKeyForm
    list_display = ("name", "kind", "source", "prefix", "is_active", "created_at")
    list_filter = ("kind", "is_active", "source")
    list_select_related = ("source",)
    search_fields = ("name", "prefix")
    readonly_fields = ("prefix", "created_at")
    ordering = ("-created_at",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = ("kind", "source") if obj else ()  # a shop's code counts on them
        return (*super().get_readonly_fields(request, obj), *fixed)

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: Any, change: bool
    ) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        key, text = ApiKey.issue(**{name: getattr(obj, name) for name in ASKED})
        obj.pk, obj.prefix, obj.key_hash = key.pk, key.prefix, key.key_hash
        obj.created_at = key.created_at
        obj._state.adding = False
        words = _("Copy the key now; it is not stored and never shown again:")
        messages.warning(request, format_html("{} <code>{}</code>", words, text))


@admin.register(SigningSecret)
class SigningSecretAdmin(ReadOnly, StrataAdmin):
    """Made by the system; here one sees since when each signs, never the secret."""

    list_display = ("key_id", "created_at", "retired_at", "signs")
    fields = ("key_id", "created_at", "retired_at")
    ordering = ("-created_at",)

    @admin.display(description=gettext_lazy("still accepted"), boolean=True)
    def signs(self, secret: SigningSecret) -> bool:
        return secret.retired_at is None

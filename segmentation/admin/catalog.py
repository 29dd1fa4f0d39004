"""Sources, categories, items, customers and the ids others know them by."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from segmentation.admin import people
from segmentation.admin.base import FactInline, StrataAdmin, link_to
from segmentation.admin.lists import CustomerLists, ItemNeighbours
from segmentation.admin.small_tables import SmallTables
from segmentation.models import (
    Category,
    Customer,
    Identity,
    Item,
    ItemChange,
    Membership,
    Merge,
    Source,
)
from segmentation.models.fields import EncryptedField
from segmentation.services import personalisation
from segmentation.templatetags.strata import number


@admin.register(Source)
class SourceAdmin(StrataAdmin):
    list_display = ("name", "trust")
    empty_hint = _("A source is made with the first file or call that names it.")
    search_fields = ("name",)
    ordering = ("-trust", "name")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        told = _(
            "When sources say different things of one customer, the one with the "
            "higher trust is believed; among equals the one that told last."
        )
        return super().get_form(request, obj, help_texts={"trust": told}, **kwargs)


@admin.register(Category)
class CategoryAdmin(StrataAdmin):
    list_display = ("name",)
    search_fields = ("name",)
    ordering = ("name",)


class ItemChangeInline(FactInline):
    model = ItemChange
    fields = readonly_fields = ("changed_at", "price", "available")
    ordering = ("-changed_at",)
    show_change_link = False


@admin.register(Item)
class ItemAdmin(SmallTables, ItemNeighbours):
    change_form_template = "segmentation/admin/with_deeds.html"
    import_kind = "items"
    export_table = "items"
    list_display = ("__str__", "external_id", "category", "brand", "cost", "available")
    list_filter = ("available",)
    list_select_related = ("category",)
    search_fields = ("external_id__istartswith", "title", "brand__istartswith")
    search_help_text = _("Id, title or brand")
    empty_hint = _(
        "A catalogue comes in by a file, under “Imports”, or from the shop through "
        "the API."
    )
    autocomplete_fields = ("category",)
    readonly_fields = ("created_at", "updated_at")
    ordering = ("pk",)
    inlines = (ItemChangeInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # events name it; what is sold no more is marked unavailable

    @admin.display(description=_("price"), ordering="price")
    def cost(self, item: Item) -> str:
        text = number(item.price, 2)
        return f"{text} {item.currency}".strip()


@admin.register(ItemChange)
class ItemChangeAdmin(StrataAdmin):
    list_display = ("item", "changed_at", "price", "available")
    list_select_related = ("item",)
    list_filter = ("available",)
    autocomplete_fields = ("item",)
    ordering = ("-pk",)


class IdentityInline(FactInline):
    model = Identity
    fields = readonly_fields = ("source", "external_id", "visitor_id", "created_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("source")


class MembershipInline(FactInline):
    model = Membership
    fields = readonly_fields = ("segment", "since")
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("segment")


@admin.register(Customer)
class CustomerAdmin(SmallTables, CustomerLists):
    import_kind = "customers"
    export_table = "customers"
    change_form_template = "segmentation/admin/customer.html"
    list_display = ("__str__", "known_as", "in_segments", "locale", "created_at")
    list_filter = ("personalised", "locale")
    search_fields = ("identities__external_id", "identities__visitor_id")
    search_help_text = _("Customer id or visitor id; names and addresses are encrypted")
    empty_hint = _(
        "They come in by a file, under “Imports”, or from the shop through the API."
    )
    readonly_fields = ("created_at", "updated_at")
    ordering = ("pk",)
    inlines = (IdentityInline, MembershipInline)

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(db_field, EncryptedField) and field is not None:
            field.widget.attrs["rows"] = 1  # a text column holds what is one line
        return field

    def get_queryset(self, request: HttpRequest) -> Any:
        memberships = Membership.objects.filter(segment__segment_set__stage="live")
        current = Prefetch(
            "memberships", memberships.select_related("segment"), to_attr="current"
        )
        rows = super().get_queryset(request).defer("name", "email", "phone")
        return rows.prefetch_related("identities__source", current)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        hashes = {
            f"{name}_hash": Customer.mark_of(name, getattr(obj, name))
            for name in ("email", "phone")
            if name in form.changed_data
        }
        if hashes:
            Customer.objects.filter(pk=obj.pk).update(**hashes)
        if "personalised" in form.changed_data:
            # Also who went into them, and the segments that they leave.
            personalisation.record(obj, obj.personalised, actor=request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # customers come with data or through the API, with an identity

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Django's delete would leave their events: erasing is a deed with a receipt
        # (the command erase_customer, or DELETE /customers/{id}/).
        return False

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        stand = Merge.objects.filter(undone_at=None).select_related("kept", "merged")
        into = stand.filter(merged=row).first()
        merges = [
            {
                "row": merge,
                "url": reverse("admin:segmentation_merge_change", args=[merge.pk]),
            }
            for merge in stand.filter(kept=row)
        ]
        return super().row_context(request, row) | {
            "told": people.told_about(row),
            "merges": merges,
            "went_into": into and link_to(into.kept),
        }

    @admin.display(description=_("known as"))
    def known_as(self, customer: Customer) -> str:
        return ", ".join(str(identity) for identity in customer.identities.all())

    @admin.display(description=_("segments"))
    def in_segments(self, customer: Customer) -> str:
        current = getattr(customer, "current", ())  # fetched by get_queryset
        return ", ".join(m.segment.name for m in current) or "–"


@admin.register(Identity)
class IdentityAdmin(StrataAdmin):
    list_display = ("__str__", "of_customer", "source", "created_at")
    list_select_related = ("customer", "source")
    list_filter = ("source",)
    search_fields = ("external_id__istartswith", "visitor_id__istartswith")
    raw_id_fields = ("customer",)
    readonly_fields = ("source", "external_id", "visitor_id", "created_at")
    ordering = ("pk",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its events would be nobody's; see CustomerAdmin

    @admin.display(description=_("customer"), ordering="customer")
    def of_customer(self, identity: Identity) -> str:
        return link_to(identity.customer)

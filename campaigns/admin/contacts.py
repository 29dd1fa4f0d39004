"""Where people can be reached and what they agreed to. Addresses stay encrypted."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from campaigns.channels import channel_choices
from campaigns.models import Consent, ContactPoint
from campaigns.services import consent_files
from segmentation.admin.base import link_to
from segmentation.admin.exporting import Exporting
from segmentation.admin.paging import Facts
from segmentation.admin.small_tables import SmallTables
from segmentation.forms import SmallFileForm
from segmentation.services.small_tables import Part, Small


@admin.register(ContactPoint)
class ContactPointAdmin(Exporting, Facts):
    """Looked at, and removed by those who may; never typed in."""

    export_table = "contact_points"

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
    empty_hint = _("They come from the shop, when somebody subscribes.")
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


class ConsentFileForm(SmallFileForm):
    """What a file about consent says, and of which channel where it does not."""

    SUPPRESSED, TOLD = "suppressed", "told"

    meaning = forms.ChoiceField(
        label=_("What it says"),
        choices=(
            (SUPPRESSED, _("a suppression list: nobody in it is written to again")),
            (TOLD, _("what customers said: columns customer, granted, channel")),
        ),
        help_text=_(
            "A suppression list has customer ids, or e-mail addresses that are matched "
            "by their hash; one that no customer has is rejected. It withdraws "
            "consent and never grants it."
        ),
    )
    channel = forms.ChoiceField(
        label=_("Channel"),
        choices=channel_choices,
        help_text=_("For files without a column “channel”."),
    )


@admin.register(Consent)
class ConsentAdmin(SmallTables, Facts):
    """What a customer said is a fact; it changes when they say something else."""

    export_table = "consents"
    import_kind = "customers"
    import_label = _("Import consent or a suppression list")
    small_file_form = ConsentFileForm

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
    empty_hint = _("They come from the shop, or with a file of customers.")
    list_select_related = ("customer",)
    ordering = ("-pk",)

    @admin.display(description=_("customer"))
    def of_customer(self, consent: Consent) -> str:
        return link_to(consent.customer)

    def has_import_permission(self, request: HttpRequest) -> bool:
        """The privacy officer keeps what people agreed to."""
        return request.user.has_perm("campaigns.change_consent")

    def parts_of(self, small: Small, data: dict[str, Any]) -> list[Part]:
        is_list = data["meaning"] == ConsentFileForm.SUPPRESSED
        read = consent_files.suppressed if is_list else consent_files.told
        return read(small, channel=data["channel"], source=data["source"])

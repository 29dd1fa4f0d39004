"""Behaviour: millions of rows, looked at a page at a time and never counted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from segmentation.admin.base import link_to
from segmentation.admin.paging import Facts
from segmentation.models import Event, EventDetail, Identity, Item, ServedList
from segmentation.templatetags.strata import number, pretty_json


@admin.register(Event)
class EventAdmin(Facts):
    list_display = ("occurred_at", "what", "who", "which", "n", "line", "origin")
    list_filter = ("kind",)
    search_fields = ("identity_id", "item_id")
    search_help_text = _("A customer's id or an item's id, exactly")
    # The key is random, so this is neither by time nor by arrival; but it is free.
    ordering = ("pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """By external ids through their small tables, on the two indexes of Event."""
        term = search_term.strip()
        if not term:
            return queryset, False
        identities = Identity.objects.filter(external_id=term)
        ids = list(identities.values_list("pk", flat=True)[:100])
        if ids:
            return queryset.filter(identity_id__in=ids).order_by("-occurred_at"), False
        items = list(Item.objects.filter(external_id=term).values_list("pk", flat=True))
        return queryset.filter(item_id__in=items), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Look up the names of a page's identities and items in two queries."""
        changelist = super().get_changelist_instance(request)
        rows = changelist.result_list = list(changelist.result_list)
        items = Item.objects.in_bulk({r.item_id for r in rows} - {None})
        people = Identity.objects.in_bulk({r.identity_id for r in rows})
        for row in rows:
            row.item = items.get(row.item_id)
            row.identity = people.get(row.identity_id)
        return changelist

    @admin.display(description=_("what"))
    def what(self, event: Event) -> str:
        return event.get_kind_display()

    @admin.display(description=_("who"))
    def who(self, event: Event) -> str:
        return str(getattr(event, "identity", None) or event.identity_id)

    @admin.display(description=_("item"))
    def which(self, event: Event) -> str:
        return str(getattr(event, "item", None) or event.item_id or "–")

    @admin.display(description=_("quantity"))
    def n(self, event: Event) -> str:
        return number(event.quantity, 0 if event.quantity == int(event.quantity) else 2)

    @admin.display(description=_("amount"))
    def line(self, event: Event) -> str:
        return f"{number(event.amount, 2)} {event.currency}".strip()

    @admin.display(description=_("led to by"))
    def origin(self, event: Event) -> str:
        if event.ref_kind is None:
            return "–"
        return f"{event.get_ref_kind_display()} {event.ref_id}"


@admin.register(EventDetail)
class EventDetailAdmin(Facts):
    list_display = ("event_key", "search_terms", "page")
    ordering = ("pk",)


@admin.register(ServedList)
class ServedListAdmin(Facts):
    list_display = ("served_at", "purpose", "placement", "run", "list_source", "n")
    list_filter = ("purpose",)
    list_select_related = ("run",)
    ordering = ("-served_at",)
    fields = readonly_fields = (
        *("recommendation_id", "served_at", "identity_id", "purpose", "placement"),
        *("list_source", "item_ids"),
        *("made_by", "data_hash", "parameters", "seed", "code_version"),
    )

    @admin.display(description=_("model run"))
    def made_by(self, served: ServedList) -> str:
        return link_to(served.run)

    @admin.display(description=_("hash of the data"))
    def data_hash(self, served: ServedList) -> str:
        return served.run.snapshot.get("hash", "–") if served.run else "–"

    @admin.display(description=_("chosen parameters"))
    def parameters(self, served: ServedList) -> str:
        return pretty_json(served.run.chosen_params) if served.run else "–"

    @admin.display(description=_("seed"))
    def seed(self, served: ServedList) -> str:
        return str(served.run.seed) if served.run else "–"

    @admin.display(description=_("code version"))
    def code_version(self, served: ServedList) -> str:
        return served.run.code_version or "–" if served.run else "–"

    @admin.display(description=_("items"))
    def n(self, served: ServedList) -> str:
        return number(len(served.item_ids))

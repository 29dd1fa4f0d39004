"""Slots in the shop, the ads in them, and what was decided, shown and clicked."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from campaigns.admin.choosing import SegmentBoxes
from campaigns.models import Ad, Decision, Placement
from campaigns.services import content
from segmentation.admin.base import Inline, StrataAdmin
from segmentation.admin.paging import Facts
from segmentation.models import Identity
from segmentation.templatetags.strata import number, share


class Shown(StrataAdmin):
    """Decisions, impressions and clicks of a row, counted in the list's own query."""

    decisions_path = ""

    def get_queryset(self, request: HttpRequest) -> Any:
        path = self.decisions_path
        return (
            super()
            .get_queryset(request)
            .annotate(
                n_decided=Count(path, distinct=True),
                n_shown=Count(
                    path, Q(**{f"{path}__shown_at__isnull": False}), distinct=True
                ),
                n_clicked=Count(
                    path, Q(**{f"{path}__clicked_at__isnull": False}), distinct=True
                ),
            )
        )

    @admin.display(description=_("decisions"), ordering="n_decided")
    def decisions_counted(self, row: Any) -> str:
        return number(row.n_decided)

    @admin.display(description=_("impressions"), ordering="n_shown")
    def shown_counted(self, row: Any) -> str:
        return number(row.n_shown)

    @admin.display(description=_("clicks"), ordering="n_clicked")
    def clicked_counted(self, row: Any) -> str:
        return number(row.n_clicked)

    @admin.display(description=_("click rate"))
    def click_rate(self, row: Any) -> str:
        return share(row.n_clicked / row.n_shown if row.n_shown else None)


COUNTS = ("decisions_counted", "shown_counted", "clicked_counted", "click_rate")


class AdForm(ModelForm):
    """An ad that leads nowhere would never be shown, and nobody would know why."""

    def clean_link(self) -> str:
        link = self.cleaned_data["link"]
        if not content.is_link(link):
            raise ValidationError(content.not_a_link())
        return link


class AdInline(Inline):
    model = Ad
    form = AdForm
    extra = 0
    fields = ("name", "is_active", "title", "link", "weight")
    show_change_link = True


@admin.register(Placement)
class PlacementAdmin(Shown):
    decisions_path = "ads__decisions"
    list_display = ("name", "slug", "is_active", *COUNTS)
    list_filter = ("is_active",)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = COUNTS
    inlines = (AdInline,)
    ordering = ("name",)


@admin.register(Ad)
class AdAdmin(Shown, SegmentBoxes):
    form = AdForm
    decisions_path = "decisions"
    list_display = ("name", "placement", "is_active", "weight", *COUNTS)
    list_filter = ("is_active", "placement")
    list_select_related = ("placement",)
    search_fields = ("name", "title")
    autocomplete_fields = ("item",)
    readonly_fields = COUNTS
    ordering = ("placement", "name")
    fieldsets = (
        (None, {"fields": ("name", "placement", "is_active")}),
        (_("What it shows"), {"fields": ("title", "body", "image", "link", "item")}),
        (
            _("Whom and how often"),
            {
                "fields": (
                    "segments",
                    "weight",
                    "starts_at",
                    "ends_at",
                    "max_impressions",
                    "cap_per_day",
                )
            },
        ),
        (_("What became of it"), {"fields": COUNTS}),
    )


@admin.register(Decision)
class DecisionAdmin(Facts):
    list_display = (
        "decided_at",
        "placement",
        "ad",
        "who",
        "chance",
        "shown_at",
        "clicked_at",
    )
    list_filter = ("placement", "ad")
    list_select_related = ("placement", "ad")
    ordering = ("-decided_at",)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Names of a page's identities in one query: decisions keep ids only."""
        changelist = super().get_changelist_instance(request)
        rows = changelist.result_list = list(changelist.result_list)
        people = Identity.objects.in_bulk({r.identity_id for r in rows} - {None})
        for row in rows:
            row.identity = people.get(row.identity_id)
        return changelist

    @admin.display(description=_("who"))
    def who(self, decision: Decision) -> str:
        return str(getattr(decision, "identity", None) or decision.identity_id or "–")

    @admin.display(description=_("propensity"))
    def chance(self, decision: Decision) -> str:
        return share(decision.propensity)

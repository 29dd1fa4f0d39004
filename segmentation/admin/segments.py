"""Segments: one picture, sizes, why this many, and what each group likes more."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation import tasks
from segmentation.admin import charts
from segmentation.admin.base import ReadOnly, StrataAdmin, badge, counted, link_to
from segmentation.admin.exporting import Exporting
from segmentation.admin.jobs import RUN_FIELDS, RUN_FIELDSET, JobAdmin
from segmentation.admin.paging import Facts
from segmentation.forms import DivideForm
from segmentation.models import Membership, MembershipHistory, Segment, SegmentSet
from segmentation.services import audit, jobs, segmenting
from segmentation.templatetags.strata import number

FACTS = ("name", "method", "run", "stage", "n_customers", "params", "scores", "timings")
STAGE_TONES = {"live": "good", "candidate": "wait", "retired": "plain"}


@admin.register(SegmentSet)
class SegmentSetAdmin(JobAdmin):
    change_form_template = "segmentation/admin/segment_set.html"
    change_list_template = "segmentation/admin/list_with_add.html"
    add_label = gettext_lazy("Divide customers")
    is_editable = True
    list_display = (
        "__str__",
        "method",
        "stage_badge",
        "n_segments",
        counted("n_customers", gettext_lazy("customers")),
        "progress",
        "created_at",
    )
    list_filter = ("method", "stage", "status")
    search_fields = ("name",)
    readonly_fields = (*FACTS[1:], *RUN_FIELDS)
    fieldsets = ((gettext_lazy("The division"), {"fields": FACTS}), RUN_FIELDSET)
    ordering = ("-pk",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        segments = Segment.objects.only("pk", "segment_set_id")
        rows = super().get_queryset(request)
        return rows.prefetch_related(Prefetch("segments", segments))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = DivideForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                segment_set = self._divide(request, form.cleaned_data)
                return redirect(self.url("change", segment_set.pk))
            except jobs.Refused as error:
                form.add_error(None, str(error))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Divide customers"),
            "media": self.media,
            "form": form,
        }
        return TemplateResponse(request, "segmentation/admin/divide.html", context)

    def _divide(self, request: HttpRequest, data: dict[str, Any]) -> SegmentSet:
        k = data["n_clusters"]
        params = {"n_clusters": k} if k else {}
        made = segmenting.create_set(data["method"], params=params, actor=request.user)
        audit.record(request.user, "build", made, {"params": [None, made.params]})
        tasks.hint(made)
        return made

    @admin.display(description=gettext_lazy("segments"))
    def n_segments(self, segment_set: SegmentSet) -> str:
        return number(len(segment_set.segments.all()))

    @admin.display(description=gettext_lazy("stage"), ordering="stage")
    def stage_badge(self, segment_set: SegmentSet) -> str:
        tone = STAGE_TONES.get(segment_set.stage, "plain")
        return badge(segment_set.get_stage_display(), tone)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        segments = list(Segment.objects.filter(segment_set=row).order_by("-size"))
        names = {segment.label: segment.name for segment in segments}
        largest = max((segment.size for segment in segments), default=0) or 1
        shown = [
            {
                "segment": segment,
                "width": round(100 * segment.size / largest),
                "share": segment.size / row.n_customers if row.n_customers else None,
                "lifts": lifts_of(segment.profile)[:5],
                "url": segment_url(self, segment),
            }
            for segment in segments
        ]
        has_picture = isinstance(row.picture, dict) and row.picture.get("x")
        curve = row.k_curve if isinstance(row.k_curve, list) else []
        return super().row_context(request, row) | {
            "segments": shown,
            "map": charts.customers_map(row.picture, names) if has_picture else "",
            "n_points": len(row.picture.get("x", [])) if has_picture else 0,
            "curve": charts.k_curve(curve, len(segments)) if len(curve) > 1 else "",
            "curve_points": curve,
        }


@admin.register(Segment)
class SegmentAdmin(Exporting, StrataAdmin):
    export_table = "segments"
    change_form_template = "segmentation/admin/segment.html"
    list_display = (
        "name",
        "in_set",
        counted("size", gettext_lazy("customers")),
        "likes",
    )
    list_filter = ("segment_set__stage", "segment_set__method")
    list_select_related = ("segment_set",)
    empty_hint = gettext_lazy("Customers are divided under “Segment sets”.")
    search_fields = ("name",)
    fields = ("name", "segment_set", "label", "size")
    readonly_fields = fields[1:]
    ordering = ("-segment_set", "-size")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("set"), ordering="segment_set")
    def in_set(self, segment: Segment) -> str:
        return link_to(segment.segment_set)

    @admin.display(description=gettext_lazy("likes more than others"))
    def likes(self, segment: Segment) -> str:
        names = [line["name"] for line in lifts_of(segment.profile)[:3]]
        return ", ".join(names) or _("nothing that stands out")

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        lifts = lifts_of(row.profile)
        rows = [
            charts.Estimate(line["name"], line["lift"], line["low"], line["high"])
            for line in lifts[:12]
        ]
        figure = charts.dots(
            rows,
            axis=_("share of spending, times that of everybody else"),
            reference=1,
            digits=2,
        )
        return super().row_context(request, row) | {
            "lifts": lifts,
            "profile": row.profile if isinstance(row.profile, dict) else {},
            "figure": figure if rows else "",
        }


@admin.register(Membership)
class MembershipAdmin(Facts):
    list_display = ("customer", "segment", "since")
    list_select_related = ("customer", "segment")
    ordering = ("-pk",)


@admin.register(MembershipHistory)
class MembershipHistoryAdmin(ReadOnly, StrataAdmin):
    list_display = ("customer", "segment", "since", "until")
    list_select_related = ("customer", "segment")
    ordering = ("-pk",)


def lifts_of(profile: Any) -> list[dict[str, Any]]:
    """The categories of a profile, most unusual first; tolerant of older profiles."""
    if not isinstance(profile, dict):
        return []
    lines = profile.get("categories") or []
    return [
        {
            "name": str(line.get("name", "")),
            "lift": line.get("lift"),
            "low": line.get("low"),
            "high": line.get("high"),
            "share": line.get("share"),
        }
        for line in lines
        if isinstance(line, dict) and line.get("lift") is not None
    ]


def segment_url(owner: SegmentSetAdmin, segment: Segment) -> str:
    name = f"{owner.admin_site.name}:segmentation_segment_change"
    return reverse(name, args=[segment.pk])

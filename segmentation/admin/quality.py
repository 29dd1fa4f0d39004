"""Data quality: a report of all data, and the verdict on suspicious customers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from segmentation import tasks
from segmentation.admin import quality_page, quality_words
from segmentation.admin.base import Deed, StrataAdmin, badge, link_to
from segmentation.admin.jobs import NO_SAVING, RUN_FIELDS, RUN_FIELDSET, JobAdmin
from segmentation.models import Identity, QualityReport, Suspicion
from segmentation.services import audit, jobs, quality
from segmentation.services.quality import verdicts
from segmentation.templatetags.strata import number

TONES = {"open": "wait", "quarantined": "bad", "kept": "good"}
SHOWN_SUSPECTS = 10


@admin.register(QualityReport)
class QualityReportAdmin(JobAdmin):
    change_list_template = "segmentation/admin/list_with_look.html"
    list_display = ("__str__", "progress", "n_events", "created_at")
    list_filter = ("status",)
    readonly_fields = RUN_FIELDS
    fieldsets = (RUN_FIELDSET,)
    ordering = ("-pk",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("created_by")

    def get_urls(self) -> list[Any]:
        return [self.page("look/", self.look_view, "look"), *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # old ones are forgotten by themselves

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return redirect(self.url("look"))

    @admin.display(description=gettext_lazy("events"))
    def n_events(self, report: QualityReport) -> str:
        return number(report.report.get("events"))

    def look_view(self, request: HttpRequest) -> HttpResponse:
        """The newest report; POST asks for a new one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self._ask(request)
            return redirect(self.url("look"))
        return self._shown(request, quality.newest())

    def _ask(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            report = quality.create_report(request.user)
        except jobs.Refused as error:
            messages.error(request, str(error))
            return
        audit.record(request.user, "look", report)
        tasks.hint(report)

    def _shown(
        self, request: HttpRequest, report: QualityReport | None
    ) -> HttpResponse:
        running = QualityReport.objects.unfinished().order_by("-pk").first()
        last = QualityReport.objects.order_by("-pk").first()
        failed = last if last and last.status == QualityReport.Status.FAILED else None
        group = request.GET.get("by", "")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Data quality"),
            "opts": self.opts,
            "media": self.media,
            "report": report,
            "may_look": self.has_add_permission(request) and running is None,
            "at_work": self.progress_context(running) if running else None,
            "failed": failed,
            "list_url": self.url("changelist"),
            "suspects": _open_suspects(),
            "suspects_url": reverse(
                f"{self.admin_site.name}:segmentation_suspicion_changelist"
            ),
            **(quality_page.shown(report, group) if report else {}),
        }
        return TemplateResponse(request, "segmentation/admin/quality.html", context)


@admin.register(Suspicion)
class SuspicionAdmin(StrataAdmin):
    change_form_template = "segmentation/admin/with_deeds.html"
    list_display = ("known_as", "looks_like", "why", "stands", "found_at")
    list_filter = ("verdict", "likeness")
    list_select_related = ("customer",)
    search_fields = ("customer__identities__external_id",)
    search_help_text = gettext_lazy("Customer id in a source")
    empty_hint = gettext_lazy(
        "Who behaves like a bot, a till or a reseller is found when you look at "
        "the data, under “Data quality”."
    )
    fields = (
        "whom",
        "known_as",
        "looks_like",
        "isolation",
        "why",
        "stands",
        "found_at",
        "decided_at",
        "decided_by",
    )
    readonly_fields = fields
    ordering = ("-score",)
    actions = ("quarantine", "keep")

    def get_queryset(self, request: HttpRequest) -> Any:
        identities = Prefetch(
            "customer__identities", Identity.objects.select_related("source")
        )
        return super().get_queryset(request).prefetch_related(identities)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a look at the data removes what is no longer so

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().row_context(request, row) | NO_SAVING

    def get_deeds(self) -> list[Deed]:
        verdict = Suspicion.Verdict
        return [
            Deed(
                "quarantine",
                gettext_lazy("Quarantine"),
                lambda request, row: self._decide(
                    request, _only(row), verdict.QUARANTINED
                ),
                lambda row: row.verdict != verdict.QUARANTINED,
                style="danger",
                help=gettext_lazy("The next training and segmenting leave them out."),
                is_recorded=True,
            ),
            Deed(
                "keep",
                gettext_lazy("Keep"),
                lambda request, row: self._decide(request, _only(row), verdict.KEPT),
                lambda row: row.verdict != verdict.KEPT,
                help=gettext_lazy("An ordinary customer; not asked about again."),
                is_recorded=True,
            ),
        ]

    @admin.action(
        description=gettext_lazy("Quarantine: leave them out of learning"),
        permissions=("change",),
    )
    def quarantine(self, request: HttpRequest, queryset: Any) -> None:
        verdict = Suspicion.Verdict.QUARANTINED
        messages.success(request, self._decide(request, queryset, verdict))

    @admin.action(
        description=gettext_lazy("Keep: ordinary customers"), permissions=("change",)
    )
    def keep(self, request: HttpRequest, queryset: Any) -> None:
        verdict = Suspicion.Verdict.KEPT
        messages.success(request, self._decide(request, queryset, verdict))

    def _decide(self, request: HttpRequest, rows: Any, verdict: str) -> str:
        n = verdicts.decide(rows, verdict, actor=request.user, now=timezone.now())
        if verdict == Suspicion.Verdict.KEPT:
            text = ngettext("%(n)s customer is kept.", "%(n)s customers are kept.", n)
        else:
            text = ngettext(
                "%(n)s customer is in quarantine; the next training and segmenting "
                "leave them out.",
                "%(n)s customers are in quarantine; the next training and segmenting "
                "leave them out.",
                n,
            )
        return text % {"n": number(n)}

    @admin.display(description=gettext_lazy("customer"), ordering="customer")
    def whom(self, row: Suspicion) -> str:
        return link_to(row.customer)

    @admin.display(description=gettext_lazy("known as"))
    def known_as(self, row: Suspicion) -> str:
        return _names(row)

    @admin.display(description=gettext_lazy("looks like"), ordering="likeness")
    def looks_like(self, row: Suspicion) -> str:
        return quality_words.likeness(row.likeness)

    @admin.display(description=gettext_lazy("isolation, 0 to 1"), ordering="score")
    def isolation(self, row: Suspicion) -> str:
        return number(row.score, 2)

    @admin.display(description=gettext_lazy("evidence"))
    def why(self, row: Suspicion) -> str:
        lines = ((text,) for text in _evidence(row))
        return format_html_join("", '<p class="st-why">{}</p>', lines)

    @admin.display(description=gettext_lazy("verdict"), ordering="verdict")
    def stands(self, row: Suspicion) -> str:
        return badge(row.get_verdict_display(), TONES.get(row.verdict, "plain"))


def _open_suspects() -> list[dict[str, Any]]:
    rows = Suspicion.objects.filter(verdict=Suspicion.Verdict.OPEN)
    rows = rows.select_related("customer").order_by("-score")
    rows = rows.prefetch_related("customer__identities__source")[:SHOWN_SUSPECTS]
    return [
        {
            "url": reverse("admin:segmentation_suspicion_change", args=[row.pk]),
            "names": _names(row),
            "likeness": quality_words.likeness(row.likeness),
            "evidence": _evidence(row),
        }
        for row in rows
    ]


def _evidence(row: Suspicion) -> list[str]:
    return [quality_words.evidence(line) for line in row.evidence]


def _names(row: Suspicion) -> str:
    return ", ".join(str(identity) for identity in row.customer.identities.all())


def _only(row: Suspicion) -> Any:
    return Suspicion.objects.filter(pk=row.pk)

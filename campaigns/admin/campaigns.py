"""A campaign: its content, who would get it, its launch as it runs, its verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.admin import reports
from campaigns.admin.choosing import SegmentBoxes
from campaigns.models import Campaign, Launch, Recipient, Variant
from campaigns.services import planning, results
from segmentation import tasks
from segmentation.admin.base import Deed, FormInline, Problem, StrataAdmin, badge
from segmentation.services import jobs

Status = Campaign.Status
TONES = {
    Status.DRAFT: "plain",
    Status.SCHEDULED: "wait",
    Status.RUNNING: "busy",
    Status.PAUSED: "wait",
    Status.COMPLETED: "good",
    Status.CANCELLED: "plain",
}
NOT_STARTED = (Status.DRAFT, Status.SCHEDULED)
LAUNCH = "campaigns.launch_campaign"
# A push service keeps a message four weeks at most; a year is long for an outcome.
MOST = {"window_hours": 366 * 24, "ttl_seconds": 28 * 24 * 3600}

HINTS = {
    "body": gettext_lazy(
        "In title, text and links: {{ recommendations.0.title }} is the name of the "
        "person's first product, .1. of the second; price, brand and url can be had "
        "too, and {{ customer.name }}."
    ),
    "link": gettext_lazy(
        "https://… or a path such as /sale. Its products open their own."
    ),
    "cap_per_week": gettext_lazy("Empty means no cap."),
}


class CampaignForm(ModelForm):
    """What a scheduled campaign must not lose: beat goes by its time."""

    def clean_starts_at(self) -> Any:
        starts_at = self.cleaned_data["starts_at"]
        if self.instance.status != Status.SCHEDULED or (
            "starts_at" not in self.changed_data
        ):
            return starts_at
        if starts_at is None:
            raise ValidationError(_("It is scheduled: set a time, or cancel it."))
        if starts_at < timezone.now():
            raise ValidationError(
                _("“Starts at” has passed: set a later time, or launch it now.")
            )
        return starts_at


class VariantInline(FormInline):
    model = Variant
    extra = 0
    min_num = 1
    fields = (("name", "share"), "title", "body", ("link", "image"))

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "body":
            field.widget.attrs["rows"] = 4
        if field is not None and db_field.name in HINTS:
            field.help_text = HINTS[db_field.name]
        return field

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_open(obj) and super().has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_open(obj) and super().has_add_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_open(obj) and super().has_delete_permission(request, obj)


@admin.register(Campaign)
class CampaignAdmin(SegmentBoxes):
    form = CampaignForm
    change_form_template = "campaigns/admin/campaign.html"
    list_display = (
        "name",
        "status_badge",
        "channel",
        "starts_at",
        "holdout_share",
        "is_simulated",
        "created_at",
    )
    list_filter = ("status", "channel", "is_simulated")
    search_fields = ("name",)
    inlines = (VariantInline,)
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": ("name", "channel", "starts_at")}),
        (gettext_lazy("Audience"), {"fields": ("to_everyone", "segments")}),
        (
            gettext_lazy("Products and limits"),
            {"fields": ("n_products", "purpose", "cap_per_week", "ttl_seconds")},
        ),
        (
            gettext_lazy("How success is judged"),
            {"fields": ("holdout_share", "primary_metric", "window_hours")},
        ),
    )

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name in MOST:
            kwargs |= {"max_value": MOST[db_field.name]}
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name in HINTS:
            field.help_text = HINTS[db_field.name]
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What was launched stays as it was judged: only its name may change."""
        if _is_open(obj):
            return self.readonly_fields
        names = (name for _title, part in self.fieldsets for name in part["fields"])
        return tuple(name for name in names if name != "name")

    def save_model(
        self, request: HttpRequest, obj: Campaign, form: Any, change: bool
    ) -> None:
        if not change:
            obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A campaign that was launched is part of the shop's history."""
        return _is_open(obj) and super().has_delete_permission(request, obj)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def status_badge(self, campaign: Campaign) -> str:
        return badge(campaign.get_status_display(), TONES[Status(campaign.status)])

    # Buttons -------------------------------------------------------------------------

    def get_deeds(self) -> list[Deed]:
        return [*self._ways_to_start(), *self._ways_to_stop()]

    def _ways_to_start(self) -> list[Deed]:
        return [
            Deed(
                "launch",
                gettext_lazy("Launch now…"),
                self._launch,
                _is_among(*NOT_STARTED),
                LAUNCH,
                style="main",
                is_recorded=True,
                page="launch",
            ),
            Deed(
                "schedule",
                gettext_lazy("Schedule"),
                self._schedule,
                lambda c: c.status == Status.DRAFT and c.starts_at is not None,
                LAUNCH,
                confirm=gettext_lazy(
                    "It then starts by itself at the time that is set. Schedule it?"
                ),
                is_recorded=True,
            ),
        ]

    def _ways_to_stop(self) -> list[Deed]:
        return [
            Deed(
                "pause",
                gettext_lazy("Pause"),
                self._pause,
                _is_among(Status.RUNNING),
                LAUNCH,
                is_recorded=True,
            ),
            Deed(
                "resume",
                gettext_lazy("Resume"),
                self._resume,
                _can_resume,
                LAUNCH,
                style="main",
                is_recorded=True,
            ),
            Deed(
                "cancel",
                gettext_lazy("Cancel the campaign"),
                self._cancel,
                _is_among(*NOT_STARTED, Status.RUNNING, Status.PAUSED),
                LAUNCH,
                style="danger",
                confirm=gettext_lazy(
                    "What was sent stays sent; nothing more is. This cannot be undone."
                ),
                is_recorded=True,
            ),
        ]

    def _launch(self, request: HttpRequest, campaign: Campaign) -> str:
        launch = planning.launch_now(campaign, now=timezone.now(), actor=request.user)
        tasks.hint(launch)
        return _("The launch is queued; its progress is shown below.")

    def _schedule(self, request: HttpRequest, campaign: Campaign) -> str:
        if campaign.starts_at is None:
            raise Problem(_("Set “starts at” first."))
        if campaign.starts_at < timezone.now():
            text = _("“Starts at” has passed: set a later time, or launch it now.")
            raise Problem(text)
        planning.schedule(campaign, campaign.starts_at, actor=request.user)
        local = timezone.localtime(campaign.starts_at)
        when = date_format(local, "DATETIME_FORMAT")
        return _("It starts by itself on %(when)s.") % {"when": when}

    def _pause(self, request: HttpRequest, campaign: Campaign) -> str:
        planning.pause(campaign, actor=request.user)
        return _("Paused: what is on its way arrives, nothing new is sent.")

    def _resume(self, request: HttpRequest, campaign: Campaign) -> str:
        for launch in planning.resume(campaign, actor=request.user):
            tasks.hint(launch)
        return _("It goes on where it stopped.")

    def _cancel(self, request: HttpRequest, campaign: Campaign) -> str:
        planning.cancel(campaign, actor=request.user)
        return _("Cancelled.")

    # Pages ---------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        return [
            self.page("<int:object_id>/launch/", self.launch_view, "launch"),
            self.page("<int:object_id>/preview/", self.preview_view, "preview"),
            self.page("<int:object_id>/report/", self.report_view, "report"),
            *super().get_urls(),
        ]

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        launches = list(row.launches.order_by("-pk")[:5])
        ledger = self.admin_site.get_model_admin(Launch)
        return super().row_context(request, row) | {
            "launches": [
                {
                    **ledger.full_progress_context(launch),
                    "url": _page_of(ledger, launch),
                }
                for launch in launches
            ],
            "has_report": any(launch.planned_at for launch in launches),
            "is_open": _is_open(row),
            "tone": TONES[Status(row.status)],
            "problems": planning.problems(row) if _is_open(row) else [],
            "preview_url": self.url("preview", row.pk),
            "report_url": self.url("report", row.pk),
        }

    def preview_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The fragment that says who would get it; nothing is written."""
        campaign = self.row_or_refuse(request, object_id)
        context = self._previewed(campaign)
        return render(request, "campaigns/admin/preview.html", context)

    def _previewed(self, campaign: Campaign) -> dict[str, Any]:
        try:
            plan = planning.preview(campaign, timezone.now())
        except jobs.Stopped as error:
            return {"campaign": campaign, "refused": str(error)}
        reasons = [
            (Recipient.Reason(reason).label, n)
            for reason, n in plan.n_suppressed.items()
        ]
        smallest = reports.points(plan.smallest_detectable).lstrip("+")
        shown = {"plan": plan, "reasons": reasons, "smallest": smallest}
        return {"campaign": campaign, **shown}

    def launch_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask before anything irreversible, with who gets it in front of one's eyes."""
        campaign = self.row_or_refuse(request, object_id)
        deed = next(deed for deed in self.get_deeds() if deed.name == "launch")
        if not self.may(request, deed, campaign):
            raise PermissionDenied
        if not deed.fits(campaign):
            return redirect(self.url("change", campaign.pk))
        context = {
            **self._frame(request, campaign, _("Launch “%(name)s”?")),
            **self._previewed(campaign),
            "do_url": self.url("do", campaign.pk, "launch"),
        }
        return TemplateResponse(request, "campaigns/admin/launch.html", context)

    def report_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The verdict on a page of its own, or the part that the campaign's loads."""
        campaign = self.row_or_refuse(request, object_id)
        read = results.report(campaign, timezone.now())
        shown = reports.shown(read, campaign)
        if "part" in request.GET:
            return render(request, "campaigns/admin/report_part.html", shown)
        context = self._frame(request, campaign, _("Report of “%(name)s”")) | shown
        return TemplateResponse(request, "campaigns/admin/report.html", context)

    def _frame(
        self, request: HttpRequest, campaign: Campaign, title: str
    ) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "original": campaign,
            "media": self.media,
            "title": title % {"name": campaign},
            "campaign": campaign,
            "back_url": self.url("change", campaign.pk),
        }


@admin.register(Variant)
class VariantAdmin(StrataAdmin):
    """Listed for looking through; written on the campaign's own page."""

    list_display = ("name", "campaign", "share", "title")
    list_select_related = ("campaign",)
    search_fields = ("title", "campaign__name")
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _is_open(campaign: Any) -> bool:
    """Nothing was sent yet, so everything about it may still change."""
    return campaign is None or campaign.status in NOT_STARTED


def _is_among(*states: str) -> Callable[[Campaign], bool]:
    return lambda campaign: campaign.status in states


def _can_resume(campaign: Campaign) -> bool:
    if campaign.status == Status.PAUSED:
        return True
    failed = campaign.launches.filter(status=Launch.Status.FAILED)
    return campaign.status == Status.RUNNING and failed.exists()


def _page_of(ledger: Any, launch: Launch) -> str:
    return ledger.url("change", launch.pk)

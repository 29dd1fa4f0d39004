"""The start page: the circle with live numbers, and what to do next."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from campaigns.admin import next_steps
from campaigns.models import Decision, Launch, Outcome
from segmentation.admin import overview
from segmentation.admin.jobs import JobAdmin
from segmentation.admin.paging import about_how_many
from segmentation.models import Job, Notice
from segmentation.services import jobs

POLL_MS = 10_000
AT_MOST = 100_000


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """For operators; ``?part`` is the piece that the page fetches again and again."""
    if not admin.site.has_permission(request):
        login = reverse("admin:login", current_app=admin.site.name)
        return redirect_to_login(request.get_full_path(), login)
    context = {
        "stages": [*overview.stages(), _reach(), _outcomes()],
        "step": next_steps.first(request),
        "parts": overview.machinery(),
        "quality": overview.quality(),
        "at_work": _at_work(request),
    }
    if "part" in request.GET:
        return render(request, "campaigns/admin/circle.html", context)
    context |= {
        **admin.site.each_context(request),
        "title": _("Start"),
        "poll_url": f"{request.path}?part",
        "poll_ms": POLL_MS,
        "notices": _notices(request),
    }
    return render(request, "campaigns/admin/home.html", context)


def _reach() -> overview.Stage:
    sent = Launch.objects.aggregate(n=Sum("n_deliveries"))["n"] or 0
    decided = about_how_many(Decision)
    figures = [
        overview.counted(sent, _("message"), _("messages")),
        overview.counted(decided, _("ad decision"), _("ad decisions")),
    ]
    url = overview.page("campaigns_campaign_changelist")
    is_empty = not sent and not decided
    return overview.Stage("reach", _("Push and ads"), url, figures, is_empty=is_empty)


def _outcomes() -> overview.Stage:
    n = about_how_many(Outcome)
    clicks = Outcome.objects.filter(kind=Outcome.Kind.CLICKED).order_by()
    figures = [
        overview.counted(n, _("outcome"), _("outcomes")),
        overview.counted(clicks[:AT_MOST].count(), _("click"), _("clicks")),
    ]
    url = overview.page("campaigns_outcome_changelist")
    return overview.Stage("outcomes", _("Outcomes"), url, figures, is_empty=not n)


def _at_work(request: HttpRequest) -> list[dict[str, Any]]:
    """Deeds under way that this operator may look at, with their progress."""
    shown = []
    for model in jobs.job_models():
        pages = admin.site._registry.get(model)
        if not isinstance(pages, JobAdmin) or not pages.has_view_permission(request):
            continue
        states = (Job.Status.QUEUED, Job.Status.RUNNING)
        rows = pages.get_queryset(request)
        if isinstance(pages.list_select_related, tuple):
            rows = rows.select_related(*pages.list_select_related)
        for job in rows.filter(status__in=states).order_by("pk")[:5]:
            shown.append(
                {
                    "kind": model._meta.verbose_name,
                    "url": pages.url("change", job.pk),
                    **pages.progress_context(job),
                }
            )
    return shown


def _notices(request: HttpRequest) -> list[Notice]:
    if not request.user.has_perm("segmentation.view_notice"):
        return []
    return list(Notice.objects.filter(resolved_at=None).order_by("-created_at")[:3])

"""Background deeds on the page: how far they are, without reloading, and a way out."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation import tasks
from segmentation.admin.base import Deed, StrataAdmin, badge
from segmentation.models import Job
from segmentation.services import jobs

TONES = {
    Job.Status.DRAFT: "plain",
    Job.Status.QUEUED: "wait",
    Job.Status.RUNNING: "busy",
    Job.Status.DONE: "good",
    Job.Status.FAILED: "bad",
    Job.Status.CANCELLED: "plain",
}
NO_SAVING = {
    "show_save": False,
    "show_save_and_continue": False,
    "show_save_and_add_another": False,
}
UNFINISHED = (Job.Status.DRAFT, Job.Status.QUEUED, Job.Status.RUNNING)
# How a deed runs is a fact; nobody types it in.
RUN_FIELDS = (
    "status",
    "message",
    "attempts",
    "lost_leases",
    "holder",
    "heartbeat_at",
    "worked_at",
    "peak_memory_mb",
    "created_at",
    "started_at",
    "finished_at",
    "created_by",
)
RUN_FIELDSET = (
    gettext_lazy("How it ran"),
    {"fields": RUN_FIELDS, "classes": ("collapse",)},
)


class JobAdmin(StrataAdmin):
    """A list and a page of deeds; each shows its progress by itself."""

    change_form_template = "segmentation/admin/job.html"
    readonly_fields: tuple[str, ...] = RUN_FIELDS
    is_editable = False
    progress_template = "segmentation/admin/progress.html"

    def get_urls(self) -> list[Any]:
        route = "<int:object_id>/progress/"
        return [self.page(route, self.progress_view, "progress"), *super().get_urls()]

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The fragment that a page polls; ``small`` is the one of a list."""
        job = self.row_or_refuse(request, object_id)
        if "small" in request.GET:
            context = self.progress_context(job)
            return render(request, "segmentation/admin/progress_small.html", context)
        return render(request, self.progress_template, self.full_progress_context(job))

    def full_progress_context(self, job: Job) -> dict[str, Any]:
        """What a job's own page shows more than a list can afford per row."""
        return self.progress_context(job)

    def progress_context(self, job: Job) -> dict[str, Any]:
        total = job.progress_total
        percent = min(100 * job.progress_done // total, 100) if total else None
        if job.status == Job.Status.DONE:
            percent = 100
        return {
            "job": job,
            "percent": percent,
            "tone": TONES[Job.Status(job.status)],
            "is_over": job.status not in UNFINISHED,
            "progress_url": self.url("progress", job.pk),
            "progress_template": self.progress_template,
        }

    @admin.display(description=gettext_lazy("progress"), ordering="status")
    def progress(self, job: Job) -> str:
        context = self.progress_context(job)
        return render_to_string("segmentation/admin/progress_cell.html", context)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def status_badge(self, job: Job) -> str:
        return badge(job.get_status_display(), TONES[Job.Status(job.status)])

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        shown = super().row_context(request, row) | self.full_progress_context(row)
        return shown if self.is_editable else shown | NO_SAVING

    def get_deeds(self) -> list[Deed]:
        return [
            Deed(
                "cancel",
                gettext_lazy("Cancel"),
                self._cancel,
                lambda job: job.status in UNFINISHED and not job.cancel_requested,
                style="quiet",
            ),
            Deed(
                "again",
                gettext_lazy("Try again"),
                self._again,
                lambda job: job.status in (Job.Status.FAILED, Job.Status.CANCELLED),
            ),
        ]

    def _cancel(self, request: HttpRequest, job: Job) -> str:
        jobs.request_cancel(job)
        return _("It stops at its next step.")

    def _again(self, request: HttpRequest, job: Job) -> str:
        """Offer the same row once more; what it had applied stays applied."""
        ended = (Job.Status.FAILED, Job.Status.CANCELLED)
        rows = type(job)._default_manager.filter(pk=job.pk, status__in=ended)
        rows.update(
            status=Job.Status.QUEUED,
            cancel_requested=False,
            lost_leases=0,
            finished_at=None,
            message="",
        )
        job.refresh_from_db()
        tasks.hint(job)
        return _("It waits for a worker.")

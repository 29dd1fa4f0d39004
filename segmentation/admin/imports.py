"""Imports: what a file would do or did, bring it in, take it back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation import tasks
from segmentation.admin import import_facts
from segmentation.admin.base import Deed, ReadOnly, StrataAdmin, counted, link_to
from segmentation.admin.import_steps import ImportSteps
from segmentation.admin.jobs import RUN_FIELDS, RUN_FIELDSET, JobAdmin
from segmentation.forms import MappingForm
from segmentation.models import ImportJob, ImportKind, Job, Mapping, UndoJob
from segmentation.services import audit, exporting, importing, jobs
from segmentation.services.importing import undoing

UNDONE = (
    ("rows_removed", gettext_lazy("removed")),
    ("rows_restored", gettext_lazy("restored")),
    ("rows_kept", gettext_lazy("kept")),
)
FACTS = ("kind", "source", "original_name", "layout", "columns", "rules", "is_dry_run")
OVER = (Job.Status.DONE, Job.Status.FAILED, Job.Status.CANCELLED)


@admin.register(Mapping)
class MappingAdmin(StrataAdmin):
    form = MappingForm
    empty_hint = gettext_lazy(
        "A mapping is kept by name on the page of columns, when you bring a file in."
    )
    list_display = ("name", "kind")
    list_filter = ("kind",)
    search_fields = ("name",)
    ordering = ("name",)


@admin.register(ImportJob)
class ImportJobAdmin(ImportSteps, JobAdmin):
    change_form_template = "segmentation/admin/import.html"
    change_list_template = "segmentation/admin/list_with_add.html"
    add_label = gettext_lazy("Bring a file in")
    list_display = (
        "__str__",
        "what",
        "source",
        "progress",
        counted("rows_read", gettext_lazy("rows read")),
        counted("rows_new", gettext_lazy("new")),
        counted("rows_rejected", gettext_lazy("rejected")),
        "created_at",
    )
    list_filter = ("kind", "is_dry_run", "status", "source")
    list_select_related = ("source",)
    search_fields = ("original_name",)
    readonly_fields = (*FACTS, *RUN_FIELDS)
    fieldsets = (
        (gettext_lazy("The file"), {"fields": FACTS, "classes": ("collapse",)}),
        RUN_FIELDSET,
    )
    ordering = ("-pk",)

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def what(self, job: ImportJob) -> str:
        if job.is_dry_run:
            return _("%(kind)s, dry run") % {"kind": job.get_kind_display()}
        if job.undone_at is not None:
            return _("%(kind)s, taken back") % {"kind": job.get_kind_display()}
        return str(job.get_kind_display())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # events say which import brought them

    def get_urls(self) -> list[Any]:
        row = "<int:object_id>"
        return [
            self.page("add/columns/", self.columns_view, "columns"),
            self.page(f"{row}/columns/", self.again_view, "again"),
            self.page(f"{row}/undo/", self.undo_view, "undo"),
            self.page(f"{row}/rejects/", self.rejects_view, "rejects"),
            *super().get_urls(),
        ]

    # Deeds ----------------------------------------------------------------------------

    def get_deeds(self) -> list[Deed]:
        return [
            Deed(
                "bring_in",
                gettext_lazy("Bring it in"),
                self._bring_in,
                _can_come_in,
                permission="segmentation.add_importjob",
                style="main",
                is_recorded=True,
            ),
            Deed(
                "again_columns",
                gettext_lazy("Change the columns"),
                lambda request, job: "",
                lambda job: job.is_dry_run and job.status in OVER,
                permission="segmentation.add_importjob",
                page="again",
            ),
            Deed(
                "undo",
                gettext_lazy("Undo this import…"),
                lambda request, job: "",
                _can_be_undone,
                permission="segmentation.add_undojob",
                style="danger",
                page="undo",
            ),
            *super().get_deeds(),
        ]

    def _bring_in(self, request: HttpRequest, tried: ImportJob) -> str:
        """The same file, read the same way, for good; once, whoever clicks twice."""
        with transaction.atomic():
            ImportJob.objects.select_for_update().get(pk=tried.pk)
            if not _can_come_in(tried):
                raise jobs.Refused(_("“%(file)s” came in already.") % {"file": tried})
            job = importing.create_job(
                tried.kind,
                tried.path,
                columns=tried.columns,
                source=tried.source.name,
                encoding=tried.encoding,
                layout=tried.layout,
                rules=tried.rules,
                original_name=tried.original_name,
                actor=request.user,
            )
        changes = {"file": [None, str(job)], "columns": [None, job.columns]}
        audit.record(request.user, "import", job, changes)
        tasks.hint(job)
        return _("“%(file)s” is coming in.") % {"file": job}

    def do_view(self, request: HttpRequest, object_id: int, name: str) -> HttpResponse:
        """Whoever brings a file in goes on to its import."""
        answer = super().do_view(request, object_id, name)
        if unquote(name) == "bring_in" and answer.status_code == 302:
            tried = self.row_or_refuse(request, object_id)
            if made := _imports_of(tried).order_by("-pk").first():
                return redirect(self.url("change", made.pk))
        return answer

    def undo_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Asks before it takes an import back."""
        job = self.row_or_refuse(request, object_id)
        if not request.user.has_perm("segmentation.add_undojob"):
            raise PermissionDenied
        if request.method == "POST":
            try:
                undo = importing.create_undo(job, actor=request.user)
            except jobs.Refused as error:
                messages.error(request, str(error))
            else:
                changes = {"rows_new": [job.rows_new, None]}
                audit.record(request.user, "undo", job, changes)
                tasks.hint(undo)
            return redirect(self.url("change", job.pk))
        if not _can_be_undone(job):
            text = _("“%(file)s” cannot be taken back in its present state.")
            messages.error(request, text % {"file": job})
            return redirect(self.url("change", job.pk))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Undo an import"),
            "opts": self.opts,
            "media": self.media,
            "job": job,
            "back_url": self.url("change", job.pk),
        }
        return TemplateResponse(request, "segmentation/admin/import_undo.html", context)

    def rejects_view(self, request: HttpRequest, object_id: int) -> FileResponse:
        job = self.row_or_refuse(request, object_id)
        if not _may_have_rows(request.user, job):
            raise PermissionDenied
        path = importing.rejects_path(job)
        if path is None:
            raise Http404(_("Nothing was rejected."))
        name = f"rejected-{job.pk}.csv"
        return FileResponse(path.open("rb"), as_attachment=True, filename=name)

    # The page of one ------------------------------------------------------------------

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().row_context(request, row) | {
            "facts": import_facts.of(row),
            "is_hopeless": _is_hopeless(row),
            "has_rejects": importing.rejects_path(row) is not None
            and _may_have_rows(request.user, row),
            "rejects_url": self.url("rejects", row.pk),
            "mended_url": f"{self.url('add')}?like={row.pk}",
            "may_add": self.has_add_permission(request),
            "made": _imports_of(row).order_by("pk").last() if row.is_dry_run else None,
            "undo": self._undo_context(row),
        }

    def _undo_context(self, row: ImportJob) -> dict[str, Any] | None:
        undo = row.undos.order_by("-pk").first()
        if undo is None:
            return None
        owner = self.admin_site.get_model_admin(UndoJob)
        told = owner.full_progress_context(undo)
        is_half = row.undone_at is None and row.undos.begun().exists()
        return told | undo_parts(undo) | {"is_half": is_half and told["is_over"]}


@admin.register(UndoJob)
class UndoJobAdmin(JobAdmin):
    change_form_template = "segmentation/admin/undo.html"
    list_display = (
        "__str__",
        "progress",
        counted("rows_removed", gettext_lazy("removed")),
        counted("rows_restored", gettext_lazy("restored")),
        counted("rows_kept", gettext_lazy("kept")),
        "created_at",
    )
    list_filter = ("status",)
    list_select_related = ("job",)
    empty_hint = gettext_lazy("An import is taken back on its own page.")
    fields = ("of", *RUN_FIELDS)
    readonly_fields = ("of", *RUN_FIELDS)
    ordering = ("-pk",)
    has_add_permission = ReadOnly.has_add_permission  # on the import's own page
    has_delete_permission = ReadOnly.has_delete_permission

    @admin.display(description=gettext_lazy("import"))
    def of(self, undo: UndoJob) -> str:
        return link_to(undo.job)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().row_context(request, row) | {"undo": undo_parts(row)}


def undo_parts(undo: UndoJob) -> dict[str, Any]:
    """What an undo did, and why it left what it left."""
    return {
        "undo_parts": [(label, getattr(undo, name)) for name, label in UNDONE],
        "kept": [(undoing.KEPT[name], n) for name, n in undo.kept.items() if n],
    }


def _imports_of(tried: ImportJob) -> Any:
    """Imports of the file of a dry run that stand, or are under way."""
    rows = ImportJob.objects.filter(path=tried.path, is_dry_run=False, undone_at=None)
    gone = (Job.Status.FAILED, Job.Status.CANCELLED)
    return rows.filter(pk__gt=tried.pk).exclude(status__in=gone)


def _can_come_in(job: ImportJob) -> bool:
    is_tried = job.is_dry_run and job.status == Job.Status.DONE
    return is_tried and not _is_hopeless(job) and not _imports_of(job).exists()


def _is_hopeless(job: ImportJob) -> bool:
    """Whether a dry run found no row that could come in."""
    is_tried = job.is_dry_run and job.status == Job.Status.DONE
    return is_tried and job.rows_read <= job.rows_rejected + job.rows_ignored


def _can_be_undone(job: ImportJob) -> bool:
    if job.is_dry_run or job.undone_at is not None or job.kind == ImportKind.LINKS:
        return False
    return (
        job.status in OVER and not UndoJob.objects.unfinished().filter(job=job).exists()
    )


def _may_have_rows(user: Any, job: ImportJob) -> bool:
    """Whether somebody may have rows of a file as they came, whatever stands in them.

    Whoever brought it in has them anyway. Files of customers are personal data.
    """
    if job.created_by_id == user.pk or user.has_perm(exporting.PERSONAL):
        return True
    personal = job.kind in (ImportKind.CUSTOMERS, ImportKind.LINKS)
    return not personal and user.has_perm("segmentation.add_importjob")

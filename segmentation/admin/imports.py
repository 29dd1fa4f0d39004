"""Bring a file in: upload, say which column is what, watch, see what was refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation import conf, tasks
from segmentation.admin import quality_words
from segmentation.admin.base import StrataAdmin, counted
from segmentation.admin.jobs import RUN_FIELDS, RUN_FIELDSET, JobAdmin
from segmentation.engine import mapping
from segmentation.forms import (
    SAMPLE_ROWS,
    ColumnsForm,
    MappingForm,
    UploadForm,
    seal,
    unseal,
)
from segmentation.models import ImportJob, ImportKind, Mapping
from segmentation.services import audit, events, importing, jobs
from segmentation.services.importing import reading

PARTS = (
    ("rows_new", gettext_lazy("new")),
    ("rows_updated", gettext_lazy("updated")),
    ("rows_unchanged", gettext_lazy("unchanged")),
    ("rows_duplicate", gettext_lazy("duplicate")),
    ("rows_rejected", gettext_lazy("rejected")),
    ("rows_ignored", gettext_lazy("ignored")),
)
FACTS = ("kind", "source", "original_name", "encoding", "columns", "is_dry_run")


@admin.register(Mapping)
class MappingAdmin(StrataAdmin):
    form = MappingForm
    list_display = ("name", "kind")
    list_filter = ("kind",)
    search_fields = ("name",)
    ordering = ("name",)


@admin.register(ImportJob)
class ImportJobAdmin(JobAdmin):
    change_form_template = "segmentation/admin/import.html"
    change_list_template = "segmentation/admin/list_with_add.html"
    list_display = (
        "__str__",
        "kind",
        "source",
        "progress",
        counted("rows_read", gettext_lazy("rows read")),
        counted("rows_new", gettext_lazy("new")),
        counted("rows_rejected", gettext_lazy("rejected")),
        "created_at",
    )
    list_filter = ("kind", "status", "source")
    list_select_related = ("source",)
    search_fields = ("original_name",)
    readonly_fields = (*FACTS, *RUN_FIELDS)
    fieldsets = ((gettext_lazy("The file"), {"fields": FACTS}), RUN_FIELDSET)
    ordering = ("-pk",)

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        context = {"add_label": _("Bring a file in"), **(extra_context or {})}
        return super().changelist_view(request, context)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # events say which import brought them

    def get_urls(self) -> list[Any]:
        return [
            self.page("add/columns/", self.columns_view, "columns"),
            self.page("<int:object_id>/rejects/", self.rejects_view, "rejects"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        asked = {"kind": request.GET.get("kind", ImportKind.EVENTS)}
        form = UploadForm(request.POST or None, request.FILES or None, initial=asked)
        if request.method == "POST" and form.is_valid():
            return self._uploaded(request, form)
        return self._step(request, "segmentation/admin/import_upload.html", form)

    def _uploaded(self, request: HttpRequest, form: UploadForm) -> HttpResponse:
        data, file = form.cleaned_data, form.cleaned_data["file"]
        upload = {
            "path": str(importing.store_upload(file, file.name)),
            "name": file.name,
            "kind": data["kind"],
            "source": data["source"],
            "encoding": data["encoding"],
            "is_dry_run": data["is_dry_run"],
        }
        if data["mapping"]:
            return self._queue(request, upload, data["mapping"].columns)
        return self._ask_columns(request, upload)

    def columns_view(self, request: HttpRequest) -> HttpResponse:
        """The second page: it only knows uploads that the first one sealed."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            upload = unseal(request.POST.get("upload", ""))
        except signing.BadSignature:
            messages.error(request, _("This upload is too old; choose the file again."))
            return redirect(self.url("add"))
        return self._ask_columns(request, upload, request.POST)

    def _ask_columns(
        self, request: HttpRequest, upload: dict[str, Any], data: Any = None
    ) -> HttpResponse:
        try:
            headers, sample = _first_rows(upload)
        except reading.Unreadable as error:
            messages.error(request, str(error))
            return redirect(self.url("add"))
        guess = mapping.guess(upload["kind"], headers)
        sealed = {"upload": seal({**upload, "path": str(upload["path"])})}
        form = ColumnsForm(
            data, initial=sealed, kind=upload["kind"], headers=headers, guess=guess
        )
        if data and form.is_valid():
            columns = form.columns()
            if problem := _unfit(upload["kind"], columns, headers):
                form.add_error(None, problem)
            else:
                self._keep(request, form, upload["kind"], columns)
                return self._queue(request, upload, columns)
        more = {"upload": upload, "headers": headers, "sample": sample}
        return self._step(
            request, "segmentation/admin/import_columns.html", form, **more
        )

    def _keep(
        self, request: HttpRequest, form: ColumnsForm, kind: str, columns: Any
    ) -> None:
        if name := form.cleaned_data["save_as"]:
            kept = Mapping.objects.create(name=name, kind=kind, columns=columns)
            changes = {"columns": [None, columns]}
            audit.record(request.user, "add", kept, changes)

    def _queue(
        self, request: HttpRequest, upload: dict[str, Any], columns: dict[str, str]
    ) -> HttpResponse:
        try:
            job = importing.create_job(
                upload["kind"],
                upload["path"],
                columns=columns,
                source=upload["source"],
                encoding=upload["encoding"],
                dry_run=upload["is_dry_run"],
                original_name=upload["name"],
                actor=request.user,
            )
        except jobs.Refused as error:
            messages.error(request, str(error))
            return redirect(self.url("add"))
        changes = {"file": [None, upload["name"]], "columns": [None, columns]}
        audit.record(request.user, "import", job, changes)
        tasks.hint(job)
        return redirect(self.url("change", job.pk))

    def _step(
        self, request: HttpRequest, template: str, form: Any, **more: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Bring data in"),
            "form": form,
            "media": self.media + form.media,
            "columns_url": self.url("columns"),
            "list_url": self.url("changelist"),
            **more,
        }
        return TemplateResponse(request, template, context)

    def rejects_view(self, request: HttpRequest, object_id: int) -> FileResponse:
        job = self.row_or_refuse(request, object_id)
        path = importing.rejects_path(job)
        if path is None:
            raise Http404(_("Nothing was rejected."))
        name = f"rejected-{job.pk}.csv"
        return FileResponse(path.open("rb"), as_attachment=True, filename=name)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        parts = [(label, getattr(row, name)) for name, label in PARTS]
        missing = row.quality.get("missing", {})
        read = row.rows_read or 1
        mapped = row.columns or missing
        return super().row_context(request, row) | {
            "parts": parts,
            "adds_up": sum(n for _label, n in parts) == row.rows_read,
            "missing": [
                (name, n, n / read)
                for name, n in missing.items()
                if n and name in mapped
            ],
            "noticed": quality_words.of_file(row.quality),
            "has_rejects": importing.rejects_path(row) is not None,
            "rejects_url": self.url("rejects", row.pk),
        }


def _first_rows(upload: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The headers and a few rows; reading.Unreadable says why it cannot."""
    path = Path(upload["path"])
    chosen = {"encoding": upload["encoding"]} if upload["encoding"] else {}
    found = reading.detect(path, chosen)
    if found.doubts:
        raise reading.Unreadable(found.ask())
    reader = reading.open_file(path, found.layout)
    first = next(iter(reader.chunks), None)
    if first is None:
        return reader.headers, []
    rows = first.slice(0, SAMPLE_ROWS).to_pylist()
    return reader.headers, [[str(row[h]) for h in reader.headers] for row in rows]


def _unfit(kind: str, columns: dict[str, str], headers: list[str]) -> str:
    try:
        mapping.plan(
            kind, columns, headers, time_zone=conf.time_zone(), kinds=events.KINDS
        )
    except mapping.MappingError as error:
        return str(error)
    return ""

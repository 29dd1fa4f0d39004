"""Long lists that went out as files: how far they are, and the file itself."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.admin.base import counted
from segmentation.admin.jobs import RUN_FIELDS, RUN_FIELDSET, JobAdmin
from segmentation.models import ExportJob
from segmentation.services import exporting

FACTS = ("table", "format", "query", "rows_written")


@admin.register(ExportJob)
class ExportJobAdmin(JobAdmin):
    change_form_template = "segmentation/admin/export.html"
    list_display = (
        "__str__",
        "progress",
        counted("rows_written", gettext_lazy("rows")),
        "created_by",
        "created_at",
    )
    list_filter = ("table", "format", "status")
    list_select_related = ("created_by",)
    readonly_fields = (*FACTS, *RUN_FIELDS)
    fieldsets = ((gettext_lazy("The file"), {"fields": FACTS}), RUN_FIELDSET)
    ordering = ("-pk",)
    actions = None
    empty_hint = gettext_lazy(
        "An export begins with the button “Export” of a list, such as items or "
        "customers."
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # it begins with the button of a list

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        page = self.page("<int:object_id>/file/", self.file_view, "file")
        return [page, *super().get_urls()]

    def file_view(self, request: HttpRequest, object_id: int) -> FileResponse:
        job = self.row_or_refuse(request, object_id)
        if not exporting.may_have(job, request.user):
            raise PermissionDenied
        path = exporting.file_of(job)
        if path is None:
            raise Http404(_("There is no file: it is not written yet, or too old."))
        exporting.fetched(job, request.user)
        return FileResponse(path.open("rb"), as_attachment=True, filename=str(job))

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().row_context(request, row) | {
            "may_have": exporting.may_have(row, request.user),
            "has_file": exporting.file_of(row) is not None,
            "file_url": self.url("file", row.pk),
        }

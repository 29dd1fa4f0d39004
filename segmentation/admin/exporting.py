"""Lists as files, where the host has django-import-export.

A list's filter and search hold for its file; a short one comes at once, a long one is
written by a worker and fetched from its own page.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib import messages
from django.forms import Script
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from segmentation import tasks
from segmentation.admin.base import HAS_UNFOLD
from segmentation.models import ExportJob
from segmentation.services import exporting, jobs

if apps.is_installed("import_export"):
    from import_export.admin import ExportMixin

    from segmentation.resources import FORMATS, resource_of

    class Exporting(ExportMixin):
        """A button “Export” on a list; ``export_table`` is a table of the service."""

        export_table = ""
        export_formats = FORMATS
        import_export_change_list_template = "segmentation/admin/exporting.html"

        def has_export_permission(self, request: HttpRequest) -> bool:
            return self.has_view_permission(request)

        def get_export_resource_classes(self, request: HttpRequest) -> list[Any]:
            table = exporting.table(self.export_table)
            return [resource_of(table, exporting.allowed(table, request.user))]

        def _do_file_export(
            self,
            file_format: Any,
            request: HttpRequest,
            queryset: Any,
            export_form: Any = None,
        ) -> HttpResponseBase:
            table = exporting.table(self.export_table)
            actor: Any = request.user  # the admin lets nobody else in
            job = ExportJob(
                table=table.name,
                format=file_format.get_extension(),
                query={
                    "columns": export_form.get_selected_resource_export_fields(),
                    "list": request.GET.dict(),
                },
                created_by=actor,
            )
            ids = exporting.select(table, queryset)
            if not exporting.needs_a_worker(ids):
                return _at_once(job, ids, file_format.get_content_type())
            try:
                exporting.queue(job, ids)
            except jobs.Refused as error:
                messages.error(request, str(error))
                return redirect(request.get_full_path())
            tasks.hint(job)
            messages.info(
                request,
                _("The list is long: a worker writes the file, which is then here."),
            )
            page = f"{self.admin_site.name}:segmentation_exportjob_change"
            return redirect(reverse(page, args=[job.pk]))

    if HAS_UNFOLD:
        from unfold.contrib.import_export.forms import SelectableFieldsExportForm
    else:
        from import_export.forms import SelectableFieldsExportForm

    class ExportForm(SelectableFieldsExportForm):
        """With the script that names what import-export leaves nameless."""

        class Media:
            js = [Script("segmentation/strata.js", defer=True)]

    Exporting.export_form_class = ExportForm
else:

    class Exporting:  # type: ignore[no-redef]
        """A host without import-export has no button for it."""


def _at_once(job: ExportJob, ids: Any, content_type: str) -> HttpResponse:
    with tempfile.TemporaryDirectory(prefix="strata-") as folder:
        path = Path(folder) / str(job)
        exporting.write_now(job, ids, path)
        answer = HttpResponse(path.read_bytes(), content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{job}"'
    return answer

"""Export and import of small tables, where the host has django-import-export."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.http import HttpRequest

from segmentation.admin.base import HAS_UNFOLD
from segmentation.services import audit

if apps.is_installed("import_export"):
    from import_export.admin import ImportExportMixin
    from import_export.formats.base_formats import CSV, XLSX

    class Exporting(ImportExportMixin):
        """Import with a preview, export with formulas made harmless; both audited."""

        formats = [CSV, XLSX]
        import_export_change_list_template = "segmentation/admin/exporting.html"

        def has_import_permission(self, request: HttpRequest) -> bool:
            may_add = self.has_add_permission(request)
            return may_add and self.has_change_permission(request)

        def has_export_permission(self, request: HttpRequest) -> bool:
            return self.has_view_permission(request)

        def process_result(self, result: Any, request: HttpRequest) -> Any:
            changes = {name: [None, n] for name, n in result.totals.items() if n}
            audit.record(request.user, "import", self.model(), changes)
            return super().process_result(result, request)

    if HAS_UNFOLD:
        from unfold.contrib.import_export import forms

        Exporting.import_form_class = forms.ImportForm
        Exporting.export_form_class = forms.SelectableFieldsExportForm
else:

    class Exporting:  # type: ignore[no-redef]
        """A host without import-export: the bulk importer is the door for files."""

"""Import of a small table from its list: a file, all that would change, one click."""

from __future__ import annotations

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation import conf, tasks
from segmentation.admin import import_facts, import_words
from segmentation.admin.exporting import Exporting
from segmentation.engine import mapping
from segmentation.forms import SmallFileForm
from segmentation.models import ImportJob
from segmentation.services import importing, jobs, small_tables
from segmentation.services.small_tables import Part, Small
from segmentation.templatetags.strata import number

if apps.is_installed("import_export"):
    from import_export.admin import ImportMixin

    class SmallTables(Exporting, ImportMixin):
        """Export of a list, and import of small files into it with a preview.

        The pages are those of django-import-export; what happens behind them is the
        importer's dry run and its import (docs/decisions).
        """

        import_kind = ""
        small_file_form: type[forms.Form] = SmallFileForm
        import_label: Any = gettext_lazy("Import a small file, with preview")
        import_export_change_list_template = "segmentation/admin/exporting.html"

        def has_import_permission(self, request: HttpRequest) -> bool:
            """Whoever may bring files in by the large door may do so by this one."""
            return request.user.has_perm("segmentation.add_importjob")

        def changelist_view(
            self, request: HttpRequest, extra_context: Any = None
        ) -> HttpResponse:
            doors = []
            if self.has_import_permission(request):
                doors.append((self.import_label, self.url("import")))
            context = {"small_imports": doors, **(extra_context or {})}
            return super().changelist_view(request, context)

        def parts_of(self, small: Small, data: dict[str, Any]) -> list[Part]:
            return [
                small_tables.described(self.import_kind, small, source=data["source"])
            ]

        def import_action(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if not self.has_import_permission(request):
                raise PermissionDenied
            form = self.small_file_form(request.POST or None, request.FILES or None)
            if request.method == "POST" and form.is_valid():
                data = form.cleaned_data
                path = importing.store_upload(data["file"], data["file"].name)
                try:
                    small = small_tables.read(path, data["file"].name)
                    parts = self.parts_of(small, data)
                    tried = small_tables.try_out(parts, actor=request.user)
                    return self._preview(request, tried)
                except jobs.Stopped as error:
                    path.unlink(missing_ok=True)
                    form.add_error("file", str(error))
                    if isinstance(error, small_tables.TooLarge | small_tables.Doubtful):
                        return self._form(request, form, large_door=self._large_door())
            return self._form(request, form)

        def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not self.has_import_permission(request):
                raise PermissionDenied
            numbers = [int(n) for n in request.POST.getlist("job") if n.isdecimal()]
            try:
                made = small_tables.confirm(numbers, actor=request.user)
            except jobs.Refused as error:
                messages.error(request, str(error))
                return redirect(self.url("import"))
            for job in made:
                tasks.hint(job)
            return redirect(_page_of(made[0]) if len(made) == 1 else _page_of())

        def _form(
            self, request: HttpRequest, form: forms.Form, **more: Any
        ) -> HttpResponse:
            context = {"form": form, "most": number(conf.small_table_rows()), **more}
            return self._page(request, "small_import.html", context)

        def _preview(
            self, request: HttpRequest, tried: list[ImportJob]
        ) -> HttpResponse:
            shown = [
                {
                    "job": job,
                    "url": _page_of(job),
                    "facts": import_facts.of(job),
                    "columns": [
                        (import_words.label(target), _column_name(target, spec))
                        for target, spec in job.columns.items()
                    ],
                }
                for job in tried
            ]
            return self._page(request, "small_preview.html", {"tried": shown})

        def _page(
            self, request: HttpRequest, template: str, context: dict[str, Any]
        ) -> HttpResponse:
            context = {
                **self.admin_site.each_context(request),
                "title": self.import_label,
                "opts": self.opts,
                "media": self.media,
                "confirm_url": self.url("process_import"),
                "again_url": self.url("import"),
                **context,
            }
            return TemplateResponse(request, f"segmentation/admin/{template}", context)

        def _large_door(self) -> str:
            door = reverse(f"{self.admin_site.name}:segmentation_importjob_add")
            return f"{door}?kind={self.import_kind}"
else:

    class SmallTables(Exporting):  # type: ignore[no-redef]
        """A host without import-export: the importer's own page is the door."""


def _column_name(target: str, spec: Any) -> str:
    column = mapping.read_column(target, spec)
    if column.headers:
        return column.name
    return _("the same in every row: %(value)s") % {"value": column.constant}


def _page_of(job: ImportJob | None = None) -> str:
    if job is None:
        return reverse("admin:segmentation_importjob_changelist")
    return reverse("admin:segmentation_importjob_change", args=[job.pk])

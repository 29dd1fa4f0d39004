"""The way of a file in the admin: upload, columns with a preview, dry run."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.forms import Media, Script
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from segmentation import tasks
from segmentation.admin.import_columns import ColumnsPage
from segmentation.forms import UploadForm, seal, unseal
from segmentation.forms.uploading import LIKE
from segmentation.models import ImportJob, ImportKind
from segmentation.services import audit, importing, jobs
from segmentation.services.importing import reading

FRAGMENT = "X-Strata-Fragment"  # a page that only wants its changed parts


class ImportSteps:
    """Pages before there is a job; mixed into the admin of jobs."""

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Choose a file; ``like`` names an import to read it as."""
        self._refuse_strangers(request)
        number = request.GET.get("like", "")
        like = ImportJob.objects.filter(pk=number).first() if number.isdigit() else None
        asked = {"kind": request.GET.get("kind", ImportKind.EVENTS)}
        form = UploadForm(
            request.POST or None, request.FILES or None, initial=asked, like=like
        )
        if request.method == "POST" and form.is_valid():
            data, file = form.cleaned_data, form.cleaned_data["file"]
            path = importing.store_upload(file, file.name)
            upload = {name: data[name] for name in ("kind", "source", "mapping")}
            answer = self._to_columns(upload | {"path": path, "name": file.name})
            if request.headers.get(FRAGMENT):  # a script follows no redirect itself
                return JsonResponse({"address": answer["Location"]})
            return answer
        if request.headers.get(FRAGMENT):
            template = "segmentation/admin/import_upload_fields.html"
            return render(request, template, {"form": form}, status=422)
        media = self._with_script("upload.js")
        template = "segmentation/admin/import_upload.html"
        return self._step(request, template, form=form, media=media)

    def _with_script(self, name: str) -> Media:
        script: Any = Script(f"segmentation/{name}", defer=True)
        return self.media + Media(js=[script])  # type: ignore[attr-defined]

    def _refuse_strangers(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied

    def _to_columns(self, upload: dict[str, Any]) -> HttpResponse:
        query = urlencode({"upload": seal(upload)})
        return redirect(f"{self.url('columns')}?{query}")  # type: ignore[attr-defined]

    def again_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The columns page of a file that is here already, as it was read."""
        self._refuse_strangers(request)
        job = self.row_or_refuse(request, object_id)  # type: ignore[attr-defined]
        return self._to_columns(
            {
                "kind": job.kind,
                "source": job.source.name,
                "mapping": f"{LIKE}:{job.pk}",
                "layout": job.layout,
                "path": job.path,
                "name": job.original_name,
            }
        )

    def columns_view(self, request: HttpRequest) -> HttpResponse:
        """The second page: it only knows uploads that the first one sealed."""
        self._refuse_strangers(request)
        sealed = request.POST.get("upload") or request.GET.get("upload", "")
        try:
            upload = unseal(sealed)
        except signing.BadSignature:
            text = _("This upload is too old; choose the file again.")
            return self._give_up(request, text)
        data = request.POST if request.method == "POST" else None
        try:
            page = ColumnsPage(upload, data, actor=request.user)
        except reading.Unreadable as error:
            return self._not_read(request, upload, str(error))
        wants_run = data is not None and data.get("action") == "run"
        if wants_run and page.is_ready and (went := self._try_out(request, page)):
            return went
        context = page.context() | {"sealed": sealed, "is_refused": wants_run}
        if request.headers.get(FRAGMENT):
            template = "segmentation/admin/import_columns_form.html"
            return render(request, template, context)
        context["media"] = self._with_script("live.js")
        return self._step(request, "segmentation/admin/import_columns.html", **context)

    def _not_read(
        self, request: HttpRequest, upload: dict[str, Any], problem: str
    ) -> HttpResponse:
        """A file that cannot be read as was said: back to how it was found, or away."""
        if request.headers.get(FRAGMENT):
            template = "segmentation/admin/import_unreadable.html"
            return render(request, template, {"problem": problem}, status=422)
        if request.method == "POST":
            messages.error(request, problem)
            return self._to_columns(upload)
        return self._give_up(request, problem)

    def _give_up(self, request: HttpRequest, problem: str) -> HttpResponse:
        if request.headers.get(FRAGMENT):
            template = "segmentation/admin/import_unreadable.html"
            return render(request, template, {"problem": problem}, status=422)
        messages.error(request, problem)
        return redirect(self.url("add"))  # type: ignore[attr-defined]

    def _try_out(self, request: HttpRequest, page: ColumnsPage) -> HttpResponse | None:
        """Queue the dry run, and keep the mapping where a name was given.

        None where somebody else kept theirs a moment ago: the page says so.
        """
        upload = page.upload
        try:
            with transaction.atomic():
                job = self._dry_run(request, page)
                kept = page.keep_form.keep(
                    job, page.layout_form.chosen(), page.signature
                )
        except jobs.Refused as error:
            return self._give_up(request, str(error))
        except ValidationError as error:
            page.keep_form.add_error("save_as", error)
            return None
        if kept is not None:
            mapping, before = kept
            changes = {"columns": [(before or {}).get("columns"), mapping.columns]}
            word = "change" if before else "add"
            audit.record(request.user, word, mapping, changes)
        changes = {"file": [None, upload["name"]], "columns": [None, page.columns]}
        audit.record(request.user, "dry_run", job, changes)
        tasks.hint(job)
        return redirect(self.url("change", job.pk))  # type: ignore[attr-defined]

    def _dry_run(self, request: HttpRequest, page: ColumnsPage) -> ImportJob:
        upload = page.upload
        return importing.create_job(
            upload["kind"],
            upload["path"],
            columns=page.columns,
            source=upload["source"],
            layout=page.seen.detected.layout.as_json(),
            rules=page.rules,
            dry_run=True,
            original_name=upload["name"],
            actor=request.user,
        )

    def _step(self, request: HttpRequest, template: str, **more: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "title": _("Bring data in"),
            "opts": self.opts,  # type: ignore[attr-defined]
            "media": self.media,  # type: ignore[attr-defined]
            "columns_url": self.url("columns"),  # type: ignore[attr-defined]
            "list_url": self.url("changelist"),  # type: ignore[attr-defined]
            **more,
        }
        return TemplateResponse(request, template, context)

"""Models: train, compare with what is simple, make live, go back."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation import tasks
from segmentation.admin import going_live, model_table, names, run_page
from segmentation.admin.base import Deed, badge
from segmentation.admin.jobs import RUN_FIELDS, RUN_FIELDSET, JobAdmin
from segmentation.forms import TrainForm
from segmentation.models import Job, ModelRun
from segmentation.services import audit, jobs, training
from segmentation.templatetags.strata import duration, number

FACTS = (
    "algorithm",
    "purpose",
    "stage",
    "promoted_at",
    "params",
    "chosen_params",
    "protocol",
    "snapshot",
    "seed",
    "code_version",
    "timings",
    "gate",
    "artifact",
)
LOOKS = (
    ("segmentation_item_neighbours", gettext_lazy("Which items it takes as alike")),
    ("segmentation_customer_list", gettext_lazy("A customer's list with reasons")),
)
STAGE_TONES = {"live": "good", "candidate": "wait", "retired": "plain"}


@admin.register(ModelRun)
class ModelRunAdmin(going_live.GoingLive, JobAdmin):
    change_form_template = "segmentation/admin/run.html"
    list_display = (
        "called",
        "purpose_word",
        "stage_badge",
        "progress",
        "again",
        "discover",
        "took",
        "created_at",
    )
    list_filter = ("purpose", "algorithm", "stage", "status")
    search_fields = ("algorithm",)
    readonly_fields = (*FACTS, *RUN_FIELDS)
    fieldsets = ((gettext_lazy("The training"), {"fields": FACTS}), RUN_FIELDSET)
    ordering = ("-pk",)
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # recipients and served lists say which run chose

    def get_urls(self) -> list[Any]:
        return [
            self.page("compare/", self.compare_view, "compare"),
            self.page("<int:object_id>/learning/", self.learning_view, "learning"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Training is asked for on the page that shows what there is already."""
        return redirect(f"{self.url('compare')}#train")

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = TrainForm(request.POST or None)
        if request.method == "POST":
            if not self.has_add_permission(request):
                raise PermissionDenied
            if form.is_valid() and self._train(request, form):
                return redirect(self.url("compare"))
        runs = list(ModelRun.objects.defer("curve", "trials").order_by("-pk")[:200])
        unfinished = (Job.Status.QUEUED, Job.Status.RUNNING)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Models"),
            "media": self.media,
            "tables": model_table.tables(runs, lambda run: self.url("change", run.pk)),
            "form": form if self.has_add_permission(request) else None,
            "at_work": [
                {"url": self.url("change", run.pk), **self.progress_context(run)}
                for run in runs
                if run.status in unfinished
            ],
            "live": [run for run in runs if run.stage == ModelRun.Stage.LIVE],
            "list_url": self.url("changelist"),
        }
        return TemplateResponse(request, "segmentation/admin/models.html", context)

    def _train(self, request: HttpRequest, form: TrainForm) -> bool:
        data = form.cleaned_data
        try:
            run = training.create_run(
                data["algorithm"],
                data["purpose"],
                params=data["params"],
                actor=request.user,
            )
        except jobs.Refused as error:
            form.add_error(None, str(error))
            return False
        changes = {name: [None, data[name]] for name in data}
        audit.record(request.user, "train", run, changes)
        tasks.hint(run)
        messages.success(request, _("Training %(run)s is queued.") % {"run": run})
        return True

    def get_deeds(self) -> list[Deed]:
        return [*self.live_deeds(), *super().get_deeds()]

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        shown = super().row_context(request, row) | run_page.context(row)
        return shown | {
            "compare_url": self.url("compare"),
            "learning_url": self.url("learning", row.pk),
            "links": self._links(row),
        }

    def learning_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The fragment that shows how a run learns while it does."""
        run = self.row_or_refuse(request, object_id)
        context = {
            "curve": run_page.curve(run),
            "trials": run_page.trials(run),
            "is_over": self.progress_context(run)["is_over"],
        }
        return render(request, "segmentation/admin/run_learning.html", context)

    def _links(self, run: ModelRun) -> list[tuple[Any, str]]:
        """Pages that look into the model, where this install has them."""
        found = []
        for name, words in LOOKS:
            try:
                found.append((words, f"{reverse(f'admin:{name}')}?run={run.pk}"))
            except NoReverseMatch:
                continue
        return found if run.artifact else []

    @admin.display(description=gettext_lazy("model run"), ordering="pk")
    def called(self, run: ModelRun) -> str:
        return f"{names.algorithm(run)} · {run.pk}"

    @admin.display(description=gettext_lazy("purpose"), ordering="purpose")
    def purpose_word(self, run: ModelRun) -> str:
        return re.split("[:：]", run.get_purpose_display())[0]  # noqa: RUF001

    @admin.display(description=gettext_lazy("stage"), ordering="stage")
    def stage_badge(self, run: ModelRun) -> str:
        return badge(run.get_stage_display(), STAGE_TONES.get(run.stage, "plain"))

    @admin.display(description="NDCG@10 again")
    def again(self, run: ModelRun) -> str:
        return self._ndcg(run, "again")

    @admin.display(description="NDCG@10 discover")
    def discover(self, run: ModelRun) -> str:
        return self._ndcg(run, "discover")

    def _ndcg(self, run: ModelRun, task: str) -> str:
        measured = run.metrics.get(task)
        return number(run_page.cell(measured, "ndcg")["mean"], 3)

    @admin.display(description=gettext_lazy("took"))
    def took(self, run: ModelRun) -> str:
        return duration(run.seconds)

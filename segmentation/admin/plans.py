"""Plans of trainings: when next, what the last one gave, and one now."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from segmentation import conf, tasks
from segmentation.admin.base import Deed, StrataAdmin, badge, link_to
from segmentation.admin.jobs import TONES
from segmentation.forms import PlanForm
from segmentation.models import Job, ModelRun, TrainingPlan
from segmentation.services import audit, cron, schedules
from segmentation.templatetags.strata import ago, number

WHEN = {"cron", "new_events", "goes_live", "enabled"}


@admin.register(TrainingPlan)
class TrainingPlanAdmin(StrataAdmin):
    form = PlanForm
    change_form_template = "segmentation/admin/plan.html"
    change_list_template = "segmentation/admin/list_with_add.html"
    list_display = ("name", "purpose", "algorithm", "next_time", "last_run", "is_on")
    list_filter = ("purpose", "enabled")
    search_fields = ("name",)
    ordering = ("name",)
    actions = None

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        context = {"add_label": _("Plan a training"), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The last runs of a page's plans in one query."""
        changelist = super().get_changelist_instance(request)
        rows = changelist.result_list = list(changelist.result_list)
        last: dict[int | None, ModelRun] = {}
        for run in ModelRun.objects.filter(plan__in=rows).order_by("pk")[:1000]:
            last[run.plan_id] = run
        for row in rows:
            row.last = last.get(row.pk)
        return changelist

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if change and WHEN & set(form.changed_data):
            obj.counts_from = timezone.now()
            obj.save(update_fields=["counts_from"])

    def get_deeds(self) -> list[Deed]:
        label = gettext_lazy("Train now")
        return [Deed("run_now", label, self._run_now, lambda _plan: True, style="main")]

    def _run_now(self, request: HttpRequest, plan: TrainingPlan) -> str:
        run = schedules.start_now(plan, timezone.now(), actor=request.user)
        audit.record(request.user, "train", run, {"plan": [None, plan.name]})
        tasks.hint(run)
        return _("Training %(run)s is queued.") % {"run": run}

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        runs = row.runs.defer("curve", "trials").order_by("-pk")[:10]
        return super().row_context(request, row) | {
            "next": when(row),
            "runs": [
                {"link": link_to(run), "run": run, "status": _status(run)}
                for run in runs
            ],
        }

    @admin.display(description=gettext_lazy("next"))
    def next_time(self, plan: TrainingPlan) -> str:
        return when(plan)

    @admin.display(description=gettext_lazy("last run"))
    def last_run(self, plan: TrainingPlan) -> str:
        run = getattr(plan, "last", None)
        if run is None:
            return "–"
        said = ago(run.finished_at or run.created_at)
        return format_html("{} {} {}", link_to(run), _status(run), said)

    @admin.display(description=gettext_lazy("on"), ordering="enabled")
    def is_on(self, plan: TrainingPlan) -> str:
        return badge(_("on"), "good") if plan.enabled else badge(_("off"), "plain")


def when(plan: TrainingPlan) -> str:
    """The next time in words, in the shop's own time."""
    if not plan.enabled:
        return _("not while it is off")
    said = []
    if plan.cron:
        said.append(_by_clock(plan))
    if plan.new_events:
        text = ngettext(
            "when %(n)s new event came", "when %(n)s new events came", plan.new_events
        )
        said.append(text % {"n": number(plan.new_events)})
    return "; ".join(said)


def _by_clock(plan: TrainingPlan) -> str:
    now = timezone.now()
    try:
        instant = schedules.next_at(plan, now)
    except cron.BadCron as error:
        return str(error)
    if instant is None:
        return _("never")
    local = formats.date_format(instant.astimezone(conf.time_zone()), "D j M Y, H:i")
    return _("%(when)s (in %(time)s)") % {
        "when": local,
        "time": timeuntil(instant, now, depth=1),
    }


def _status(run: ModelRun) -> str:
    if run.stage != ModelRun.Stage.CANDIDATE:
        tone = "good" if run.stage == ModelRun.Stage.LIVE else "plain"
        return badge(run.get_stage_display(), tone)
    return badge(run.get_status_display(), TONES[Job.Status(run.status)])

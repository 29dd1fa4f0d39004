"""A run's way to going live: the gate's verdict first, then the question."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.admin.base import Deed, StrataAdmin, link_to
from segmentation.forms import OverruleForm
from segmentation.models import Job, ModelRun
from segmentation.services import gating, jobs

OVERRULE = "segmentation.overrule_gate"


class GoingLive(StrataAdmin):
    """Deeds, page and panel of a run that goes live or comes back."""

    def get_urls(self) -> list[Any]:
        route = "<int:object_id>/promote/"
        return [self.page(route, self.promote_view, "promote"), *super().get_urls()]

    def live_deeds(self) -> list[Deed]:
        return [
            Deed(
                "promote",
                gettext_lazy("Make live"),
                self._promote,
                lambda run: _can_live(run) and run.stage == run.Stage.CANDIDATE,
                style="main",
                is_recorded=True,
                page="promote",
            ),
            Deed(
                "roll_back",
                gettext_lazy("Roll back to this run"),
                self._roll_back,
                lambda run: _can_live(run) and run.stage == run.Stage.RETIRED,
                style="main",
                is_recorded=True,
            ),
        ]

    def promote_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What the gate says; a closed one asks who may overrule it for a reason."""
        run = self.row_or_refuse(request, object_id)
        deed = self.live_deeds()[0]
        if not self.may(request, deed, run):
            raise PermissionDenied
        if not deed.fits(run):
            text = _("“%(deed)s” does not fit the present state of “%(row)s”.")
            messages.error(request, text % {"deed": deed.label, "row": run})
            return redirect(self.url("change", run.pk))
        verdict = gating.verdict(run)
        form = None
        if not verdict["passed"] and request.user.has_perm(OVERRULE):
            form = OverruleForm(request.POST or None)
        if request.method == "POST" and (form is None or form.is_valid()):
            reason = form.cleaned_data["reason"] if form else ""
            try:
                messages.success(request, self._promote(request, run, reason))
                return redirect(self.url("change", run.pk))
            except jobs.Refused as error:
                messages.error(request, str(error))
        live = ModelRun.objects.filter(pk=verdict["live_run"]).first()
        context = {
            **self.admin_site.each_context(request),
            "title": _("Make %(run)s live") % {"run": run},
            "media": self.media,
            "opts": self.opts,
            "run": run,
            "run_url": self.url("change", run.pk),
            "verdict": verdict,
            "live": link_to(live) if live else "",
            "form": form,
        }
        return TemplateResponse(request, "segmentation/admin/promote.html", context)

    def _promote(self, request: HttpRequest, run: ModelRun, reason: str = "") -> str:
        former = gating.go_live(run, actor=request.user, overrule=reason)
        return _is_live(run, former)

    def _roll_back(self, request: HttpRequest, run: ModelRun) -> str:
        return _is_live(run, gating.roll_back(run, actor=request.user))

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().row_context(request, row) | {
            "is_kept": bool(row.artifact) or row.status != Job.Status.DONE,
            "plan_link": link_to(row.plan) if row.plan else "",
            "refresh": row.refreshes.order_by("-pk").first(),
        }


def _is_live(run: ModelRun, former: ModelRun | None) -> str:
    words = {"run": run, "purpose": run.purpose, "former": former}
    if former is None:
        return _("%(run)s is live for “%(purpose)s”.") % words
    return _("%(run)s is live for “%(purpose)s”; it replaced %(former)s.") % words


def _can_live(run: ModelRun) -> bool:
    return bool(run.artifact) and run.status == Job.Status.DONE

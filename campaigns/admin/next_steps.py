"""What an operator should do next: the first thing that the circle still lacks."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Max
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from campaigns.models import Campaign, ContactPoint
from segmentation.models import (
    Event,
    ImportJob,
    Item,
    Job,
    ModelRun,
    Purpose,
    SegmentSet,
)


@dataclass(frozen=True)
class Step:
    """A sentence, and a link for those who may do it."""

    text: str
    label: str = ""
    url: str = ""
    permission: str = ""
    is_done: bool = False


Status = Campaign.Status
UNFINISHED = (Job.Status.QUEUED, Job.Status.RUNNING)


def first(request: HttpRequest) -> Step:
    """The first missing step; without its link where this operator may not."""
    steps = (_data, _models, _taste, _segments, _reachable, _campaign, _started)
    step = next((found for step in steps if (found := step())), None) or _settled()
    if step.permission and not request.user.has_perm(step.permission):
        return Step(step.text + " " + _("Somebody with that role can do it."))
    return step


def _data() -> Step | None:
    for kind, model, text in (
        ("items", Item, _("Bring in the catalogue: what the shop offers.")),
        (
            "events",
            Event,
            _("Bring in behaviour: what customers viewed and bought."),
        ),
    ):
        if model.objects.exists():
            continue
        under_way = ImportJob.objects.filter(kind=kind, status__in=UNFINISHED).first()
        if under_way:
            url = reverse("admin:segmentation_importjob_change", args=[under_way.pk])
            return Step(_("An import is under way."), _("Watch it"), url)
        url = reverse("admin:segmentation_importjob_add")
        may = "segmentation.add_importjob"
        return Step(text, _("Bring a file in"), f"{url}?kind={kind}", may)
    return None


def _models() -> Step | None:
    lacking = [p for p in (Purpose.AGAIN, Purpose.DISCOVER) if not _is_live(p)]
    if not lacking:
        return None
    return _train(
        lacking[0],
        _("Train a model for “%(purpose)s”, compare it, and make it live."),
    )


def _taste() -> Step | None:
    if _is_live(Purpose.TASTE):
        return None
    text = _("Train a “%(purpose)s” model: segments are made from its vectors.")
    return _train(Purpose.TASTE, text)


def _train(purpose: Purpose, text: str) -> Step:
    url = reverse("admin:segmentation_modelrun_compare")
    if ModelRun.objects.filter(purpose=purpose, status__in=UNFINISHED).exists():
        words = _("A model for “%(purpose)s” is being trained.")
        return Step(words % {"purpose": purpose.value}, _("Watch it"), url)
    ready = ModelRun.objects.filter(purpose=purpose).exclude(artifact="")
    if ready.exists():
        words = _("A model for “%(purpose)s” is trained; make it live if it is better.")
        may = "segmentation.change_modelrun"
        return Step(words % {"purpose": purpose.value}, _("Compare models"), url, may)
    may = "segmentation.add_modelrun"
    words = text % {"purpose": purpose.value}
    return Step(words, _("Train a model"), f"{url}#train", may)


def _segments() -> Step | None:
    if SegmentSet.objects.filter(stage=SegmentSet.Stage.LIVE).exists():
        return None
    url = reverse("admin:segmentation_segmentset_add")
    text = _("Divide customers into interest segments.")
    return Step(text, _("Build segments"), url, "segmentation.add_segmentset")


def _reachable() -> Step | None:
    if ContactPoint.objects.filter(is_active=True).exists():
        return None
    url = reverse("admin:segmentation_apikey_changelist")
    text = _(
        "Nobody can be reached yet: give the storefront an API key, so that it can"
    )
    text += " " + _("send behaviour and subscribe customers.")
    return Step(text, _("API keys"), url, "segmentation.view_apikey")


def _campaign() -> Step | None:
    if Campaign.objects.exists():
        return None
    url = reverse("admin:campaigns_campaign_add")
    text = _(
        "Write the first campaign, and hold some people out to see what it changes."
    )
    return Step(text, _("New campaign"), url, "campaigns.add_campaign")


def _started() -> Step | None:
    """Something in the life of a campaign wants somebody to look."""
    may = "campaigns.launch_campaign"
    for status, text, label, permission in (
        (Status.PAUSED, _("“%(name)s” is paused."), _("Look at it"), ""),
        (Status.RUNNING, _("“%(name)s” is being sent."), _("Watch it"), ""),
        (Status.SCHEDULED, _("“%(name)s” starts by itself."), _("Look at it"), ""),
        (
            Status.DRAFT,
            _("“%(name)s” is a draft: look who would get it."),
            _("Preview and launch"),
            may,
        ),
    ):
        found = Campaign.objects.filter(status=status).order_by("pk").last()
        if found:
            url = reverse("admin:campaigns_campaign_change", args=[found.pk])
            return Step(text % {"name": found.name}, label, url, permission)
    return None


def _settled() -> Step:
    completed = Campaign.objects.filter(status=Status.COMPLETED)
    sent = completed.annotate(sent_at=Max("launches__scheduled_for"))
    last = sent.exclude(sent_at=None).order_by("sent_at", "pk").last()
    text = _("The circle is closed: outcomes flow back in as behaviour.")
    if last is None:
        return Step(text, is_done=True)
    url = reverse("admin:campaigns_campaign_report", args=[last.pk])
    return Step(
        text + " " + _("Read what “%(name)s” changed.") % {"name": last.name},
        _("Read the report"),
        url,
        is_done=True,
    )


def _is_live(purpose: Purpose) -> bool:
    live = ModelRun.objects.filter(purpose=purpose, stage=ModelRun.Stage.LIVE)
    return live.exists()

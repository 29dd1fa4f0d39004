"""Numbers for the start page that stay cheap on long tables, and where it all runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import connection, models
from django.db.models import Sum
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segmentation import conf
from segmentation.admin import names
from segmentation.admin.paging import about_how_many
from segmentation.admin.quality_page import summary
from segmentation.models import (
    Customer,
    Event,
    Item,
    Job,
    ModelRun,
    Segment,
    SegmentSet,
    ServedList,
)
from segmentation.services import cleanup, jobs
from segmentation.services.quality import newest
from segmentation.templatetags.strata import ago, duration, number

FRESH = timedelta(seconds=30)


@dataclass(frozen=True)
class Figure:
    value: str
    unit: str


@dataclass(frozen=True)
class Stage:
    """One station of the circle: its name, its numbers, the page behind it."""

    key: str
    title: str
    url: str
    figures: list[Figure] = field(default_factory=list)
    note: str = ""
    is_empty: bool = False


@dataclass(frozen=True)
class Part:
    """One part of the machinery, and whether it is well."""

    name: str
    text: str
    tone: str = "plain"


def page(name: str) -> str:
    return reverse(f"admin:{name}")


def counted(n: int, one: str, many: str) -> Figure:
    """A number with its unit, "about" where the database only estimates it."""
    return Figure(number(n), one if n == 1 else many)


def stages() -> list[Stage]:
    """The first four stations: those that this app knows about."""
    return [_behaviour(), _models(), _segments(), _lists()]


def _behaviour() -> Stage:
    n_events = about_how_many(Event)
    figures = [
        counted(n_events, _("event"), _("events")),
        counted(about_how_many(Customer), _("customer"), _("customers")),
        counted(about_how_many(Item), _("item"), _("items")),
    ]
    url = page("segmentation_event_changelist")
    return Stage("behaviour", _("Behaviour"), url, figures, is_empty=not n_events)


def _models() -> Stage:
    live = ModelRun.objects.filter(stage=ModelRun.Stage.LIVE).order_by("purpose")
    runs = list(live.defer("curve", "trials"))
    figures = [counted(len(runs), _("live model"), _("live models"))]
    notes = [f"{run.purpose}: {names.algorithm(run)}" for run in runs]
    refreshed = [run.refreshed_at for run in runs if run.refreshed_at]
    if refreshed:
        when = {"when": ago(max(refreshed))}
        notes.append(_("lists refreshed %(when)s") % when)
    url = page("segmentation_modelrun_compare")
    title, note = _("Interest model"), " · ".join(notes)
    return Stage("models", title, url, figures, note, is_empty=not runs)


def _segments() -> Stage:
    live = Segment.objects.filter(segment_set__stage=SegmentSet.Stage.LIVE)
    n = live.count()
    people = live.aggregate(n=Sum("size"))["n"] or 0
    figures = [
        counted(n, _("segment"), _("segments")),
        counted(people, _("membership"), _("memberships")),  # sets may overlap
    ]
    url = page("segmentation_segmentset_changelist")
    return Stage("segments", _("Interest segments"), url, figures, is_empty=not n)


def _lists() -> Stage:
    runs = ModelRun.objects.filter(stage=ModelRun.Stage.LIVE)
    snapshots = runs.values_list("snapshot", flat=True)
    people = max((snap.get("users") or 0 for snap in snapshots), default=0)
    served = about_how_many(ServedList)
    figures = [
        counted(people, _("customer with a list"), _("customers with a list")),
        counted(served, _("list served"), _("lists served")),
    ]
    url = page("segmentation_servedlist_changelist")
    return Stage("lists", _("Recommendations"), url, figures, is_empty=not people)


def quality() -> dict[str, str]:
    """Where the look at all data is, and what it said last."""
    report = newest()
    return {
        "url": page("segmentation_qualityreport_look"),
        "text": summary(report),
        "when": ago(report.finished_at) if report else "",
    }


def machinery() -> list[Part]:
    return [
        Part(_("Database"), _database()),
        Part(_("Broker"), _broker()),
        _workers(),
        Part(_("Files"), _files()),
    ]


def _files() -> str:
    """What imports and exports take on the disk, by kind."""
    labels = {
        cleanup.UPLOADS: _("uploads"),
        cleanup.STAGING: _("staging"),
        cleanup.REJECTED: _("rejected rows"),
        cleanup.EXPORTS: _("exports"),
    }
    used = cleanup.disk_use()
    return ", ".join(
        f"{label} {filesizeformat(used[kind])}" for kind, label in labels.items()
    )


def _database() -> str:
    numbers = connection.get_database_version()
    version = ".".join(map(str, numbers))
    if connection.vendor == "postgresql":
        return f"PostgreSQL {version}"
    return _("SQLite %(version)s, embedded") % {"version": version}


def _broker() -> str:
    """Which broker, without its password."""
    address = urlsplit(conf.broker_url())
    if not address.scheme:
        return _("file system, embedded")
    name = "Redis" if address.scheme.startswith("redis") else address.scheme
    return _("%(name)s at %(host)s") % {"name": name, "host": address.hostname or "?"}


def _workers() -> Part:
    """What rows say about the workers; they say nothing while there is no work."""
    now = timezone.now()
    running = waiting = 0
    longest: timedelta | None = None
    last_seen: Any = None
    for model in jobs.job_models():
        rows = model._default_manager.order_by()
        states = rows.aggregate(
            fresh=models.Count(
                "pk",
                models.Q(status=Job.Status.RUNNING, heartbeat_at__gte=now - FRESH),
            ),
            waiting=models.Count("pk", models.Q(status=Job.Status.QUEUED)),
            oldest=models.Min("created_at", filter=models.Q(status=Job.Status.QUEUED)),
            beat=models.Max("heartbeat_at"),
        )
        running += states["fresh"]
        waiting += states["waiting"]
        if states["oldest"]:
            longest = max(longest or timedelta(), now - states["oldest"])
        if states["beat"]:
            last_seen = max(last_seen or states["beat"], states["beat"])
    return Part(_("Workers"), *_worker_words(running, waiting, longest, last_seen))


def _worker_words(
    running: int, waiting: int, longest: timedelta | None, last_seen: Any
) -> tuple[str, str]:
    if running:
        text = ngettext("at work on %(n)d deed", "at work on %(n)d deeds", running) % {
            "n": running
        }
        return text, "good"
    if waiting and longest and longest > FRESH:
        text = ngettext(
            "%(n)d deed has waited for %(time)s and no worker takes it up",
            "%(n)d deeds have waited up to %(time)s and no worker takes them up",
            waiting,
        )
        return text % {"n": waiting, "time": duration(longest.total_seconds())}, "bad"
    if last_seen:
        return _("idle; last seen at work %(when)s") % {"when": ago(last_seen)}, "plain"
    return _("unknown: nothing was given to them yet"), "wait"

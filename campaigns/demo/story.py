"""The demo, step by step: the whole circle with real workers on real data.

Every step can be run again: what is already there is left alone. Deeds are rows that
real workers take up; this module only asks for them and waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.demo import data, shoppers
from campaigns.models import Ad, Campaign, Launch, Placement, Variant
from campaigns.services import planning, results
from segmentation import conf, queries
from segmentation.models import (
    ApiKey,
    Identity,
    ImportJob,
    Job,
    ModelRun,
    Purpose,
    Segment,
    SegmentSet,
    Source,
)
from segmentation.services import importing, jobs, registry, segmenting, training
from segmentation.tasks import hint

SOURCE = "shop"
SEED = 2017
START_SECONDS = 60
SMALL = 40  # people of the second campaign: too few to tell anything
WAIT_SECONDS = 1800

# Algorithm, purpose and parameters of every run that is trained and compared.
RUNS: list[tuple[str, Purpose, dict[str, Any]]] = [
    ("popularity", Purpose.AGAIN, {}),
    ("personal_frequency", Purpose.AGAIN, {}),
    ("item_knn", Purpose.AGAIN, {}),
    ("als", Purpose.AGAIN, {}),
    ("popularity", Purpose.DISCOVER, {}),
    ("item_knn", Purpose.DISCOVER, {}),
    ("als", Purpose.DISCOVER, {}),
    ("ncf", Purpose.DISCOVER, {"network": "gmf"}),
    ("ncf", Purpose.DISCOVER, {"network": "mlp"}),
    ("ncf", Purpose.DISCOVER, {"network": "neumf"}),
    ("als", Purpose.TASTE, {"n_factors": 64}),
    ("item_knn", Purpose.SIMILAR, {}),
]


class Unfinished(jobs.Refused):
    """A step of the demo did not come to its end."""


@dataclass
class Stage:
    """Where the demo plays: addresses, and how it speaks to the person watching."""

    shop_url: str
    push_origin: str
    say: Callable[[str], None]
    alive: Callable[[], None]  # looks after the processes; called while waiting
    api_key: str = ""
    n_read: int = 0  # messages that the shoppers have seen


def steps() -> Iterator[tuple[str, Callable[[Stage], dict[str, Any]]]]:
    """The steps in order, by name."""
    yield "import", bring_data_in
    yield "train", train_models
    yield "segment", find_segments
    yield "subscribe", give_browsers
    yield "campaigns", send_campaigns
    yield "ads", show_ads
    yield "report", read_reports


def bring_data_in(stage: Stage) -> dict[str, Any]:
    counts = {}
    for file in data.files(conf.home() / "demo"):
        known = ImportJob.objects.filter(
            original_name=file.name, status=Job.Status.DONE
        ).first()
        if known is None:
            known = importing.create_job(
                file.kind,
                file.path,
                columns=file.columns,
                source=SOURCE,
                original_name=file.name,
            )
            _wait_for(known, stage)
        counts[file.name] = {
            "rows": known.rows_read,
            "new": known.rows_new,
            "rejected": known.rows_rejected,
            "seconds": round(known.seconds or 0.0, 1),
        }
    return {"files": counts}


def train_models(stage: Stage) -> dict[str, Any]:
    """Train every run, then let the best on validation of each purpose live."""
    waiting = []
    for algorithm, purpose, params in RUNS:
        asked = data.PROTOCOL | params
        done = ModelRun.objects.filter(
            algorithm=algorithm, purpose=purpose, params=asked, status=Job.Status.DONE
        )
        if not done.exists():
            run = training.create_run(algorithm, purpose, params=asked)
            hint(run)
            waiting.append(run)
    for run in waiting:
        _wait_for(run, stage)
    live = {}
    for purpose in Purpose:
        task = "again" if purpose == Purpose.AGAIN else "discover"
        best = queries.best_candidate(purpose, task)
        if best is not None and best.stage != ModelRun.Stage.LIVE:
            registry.promote(best)
        if best is not None:
            live[purpose.value] = f"{best.algorithm} ({best.pk})"
    return {"live": live, "table": model_table()}


def model_table() -> list[dict[str, Any]]:
    """All runs side by side: NDCG@10 of both tasks on the part nothing was chosen on."""
    table = []
    for run in ModelRun.objects.filter(status=Job.Status.DONE).order_by("pk"):
        row: dict[str, Any] = {
            "run": run.pk,
            "algorithm": run.algorithm,
            "purpose": run.purpose,
            "live": run.stage == ModelRun.Stage.LIVE,
            "seconds": round(run.seconds or 0.0, 1),
        }
        if "network" in run.chosen_params:
            row["network"] = run.chosen_params["network"]
        for task in ("again", "discover"):
            if task in run.metrics:
                ndcg = run.metrics[task]["ndcg"]
                row[task] = [round(ndcg[part], 4) for part in ("mean", "low", "high")]
        table.append(row)
    return table


def find_segments(stage: Stage) -> dict[str, Any]:
    made = SegmentSet.objects.filter(
        method="kmeans", stage=SegmentSet.Stage.LIVE
    ).first()
    if made is None:
        made = segmenting.create_set("kmeans")
        _wait_for(made, stage)
    segments = made.segments.order_by("label")
    return {
        "k": segments.count(),
        "silhouette": round(made.scores["silhouette"], 3),
        "segments": {segment.name: segment.size for segment in segments},
    }


def give_browsers(stage: Stage) -> dict[str, Any]:
    """Most households get a browser and say yes or no to push messages."""
    crowd = _crowd(stage)
    subscribed = crowd.subscribe(stage.push_origin)
    return {"households": len(crowd.household_ids), "subscribed": subscribed}


def send_campaigns(stage: Stage) -> dict[str, Any]:
    """A large campaign that beat starts in a minute, and before it a small one."""
    large = _campaign(_("New tastes for everyone"), everyone=True)
    small = _campaign(_("Forty neighbours"), everyone=False)
    if large.status == Campaign.Status.DRAFT:
        starts_at = timezone.now() + timedelta(seconds=START_SECONDS)
        planning.schedule(large, starts_at, actor=None)
        stage.say(f"  beat starts the large one in {START_SECONDS} s")
    if small.status == Campaign.Status.DRAFT:
        hint(planning.launch_now(small, now=timezone.now(), actor=None))
    return {
        campaign.name: _sent_and_answered(campaign, stage)
        for campaign in (small, large)
    }


def _sent_and_answered(campaign: Campaign, stage: Stage) -> dict[str, Any]:
    """Wait for a launch, then let the shoppers react to what arrived, and only that."""
    launch = _launch_of(campaign, stage)
    fresh = launch.status != Job.Status.DONE
    _wait_for(launch, stage)
    told: dict[str, Any] = {
        "audience": launch.n_audience,
        "held_out": launch.n_held_out,
        "suppressed": launch.n_suppressed,
        "messages": launch.n_deliveries,
        "seconds": round(launch.seconds or 0.0, 1),
    }
    if fresh:
        messages, stage.n_read = asyncio.run(
            shoppers.delivered(stage.push_origin, stage.n_read)
        )
        answers = _crowd(stage).answer(messages, f"launch-{launch.pk}")
        if answers.errors:
            raise Unfinished(answers.errors[0])
        told |= {"delivered": answers.delivered, "clicked": answers.clicked}
        told["bought"] = answers.bought
    return told


def show_ads(stage: Stage) -> dict[str, Any]:
    placement, _made = Placement.objects.get_or_create(
        slug="home-top", defaults={"name": _("Top of the home page")}
    )
    if not placement.ads.exists():
        _make_ads(placement)
    answers = _crowd(stage).browse(placement.slug, n_visits=400)
    return {"seen": answers.ads_seen, "clicked": answers.ads_clicked}


def read_reports(stage: Stage) -> dict[str, Any]:
    truth = shoppers.Habits().true_effect
    reports = {}
    for campaign in Campaign.objects.filter(is_simulated=True).order_by("pk"):
        report = results.report(campaign, now=timezone.now()).as_dict()
        primary = next(c for c in report["comparisons"] if c["is_primary"])
        reports[campaign.name] = {
            "sentence": report["sentence"],
            "difference": primary["difference"],
            "low": primary["low"],
            "high": primary["high"],
            "smallest_detectable": primary["smallest_detectable"],
            "srm": report["srm"],
        }
    return {"true_effect": truth, "reports": reports}


def _campaign(name: str, *, everyone: bool) -> Campaign:
    campaign, made = Campaign.objects.get_or_create(
        name=name,
        defaults={
            "channel": "webpush",
            "to_everyone": everyone,
            "holdout_share": 0.25,
            # Fixed, so that the demo holds out the same people wherever it runs.
            "salt": "demo-everyone" if everyone else "demo-neighbours",
            "is_simulated": True,
            "n_products": 3,
            "purpose": Purpose.DISCOVER,
            "window_hours": 72,
        },
    )
    if made:
        if not everyone:
            campaign.segments.add(_neighbours())
        Variant.objects.create(
            campaign=campaign,
            title="{{ recommendations.0.title|default:'Something new'|title }}",
            body="Picked for you: {{ recommendations.0.title|title }}, "
            "{{ recommendations.1.title|title }} and "
            "{{ recommendations.2.title|title }}.",
            link="https://shop.example/new",
        )
    return campaign


def _neighbours() -> Segment:
    """A list of forty households that can be reached."""
    ids = Identity.objects.filter(source__name=SOURCE, external_id__isnull=False)
    customers = ids.order_by("customer_id").values_list("customer_id", flat=True)
    return segmenting.create_list(
        _("Forty neighbours"), np.fromiter(customers[:SMALL], np.int64)
    )


def _make_ads(placement: Placement) -> None:
    """One ad for everybody and one for each of the two largest segments."""
    house = {"link": "https://shop.example/", "cap_per_day": 5}
    Ad.objects.create(
        placement=placement,
        name=_("For everybody"),
        title=_("This week in the shop"),
        weight=0.5,
        **house,
    )
    largest = Segment.objects.filter(segment_set__stage=SegmentSet.Stage.LIVE)
    for segment in largest.filter(segment_set__method="kmeans").order_by("-size")[:2]:
        ad = Ad.objects.create(
            placement=placement,
            name=_("For %(segment)s") % {"segment": segment.name},
            title=segment.name,
            weight=1.0,
            **house,
        )
        ad.segments.add(segment)


def _crowd(stage: Stage) -> shoppers.Shoppers:
    """Nine of ten households have a browser; which ones, their ids decide."""
    if not stage.api_key:
        source, _made = Source.objects.get_or_create(name=SOURCE)
        ApiKey.objects.filter(name="demo").delete()
        _key, stage.api_key = ApiKey.issue(
            name="demo", kind=ApiKey.Kind.SERVER, source=source, rate_per_minute=10**6
        )
    names = Identity.objects.filter(source__name=SOURCE).order_by("external_id")
    crowd = shoppers.Shoppers(
        [],
        shop_url=stage.shop_url,
        api_key=stage.api_key,
        seed=SEED,
    )
    crowd.household_ids = [
        name
        for name in names.values_list("external_id", flat=True)
        if crowd.chance(name, "has a browser") < 0.92
    ]
    return crowd


def _launch_of(campaign: Campaign, stage: Stage) -> Launch:
    """The launch of a campaign, once beat or an operator started it."""
    until = time.monotonic() + START_SECONDS + 60
    while time.monotonic() < until:
        launch = campaign.launches.order_by("pk").first()
        if launch is not None:
            return launch
        stage.alive()
        time.sleep(0.5)
    raise Unfinished(_("Nobody started the campaign; is beat running?"))


def _wait_for(job: Job, stage: Stage) -> None:
    """Offer a job to the workers and wait for its end, telling how far it is."""
    if job.status == Job.Status.QUEUED:
        hint(job)
    until = time.monotonic() + WAIT_SECONDS
    told = ""
    while time.monotonic() < until:
        connection.close_if_unusable_or_obsolete()
        job.refresh_from_db()
        if job.status == Job.Status.DONE:
            return
        if job.status in (Job.Status.FAILED, Job.Status.CANCELLED):
            raise Unfinished(f"{job}: {job.message}")
        words = _how_far(job)
        if words != told:
            stage.say(f"  {job}: {words}")
            told = words
        stage.alive()
        time.sleep(0.5)
    raise Unfinished(_("%(job)s took too long; see the logs.") % {"job": job})


def _how_far(job: Job) -> str:
    if job.status == Job.Status.QUEUED:
        return _("waiting for a worker")
    tenths = 0
    if job.progress_total:
        tenths = 10 * job.progress_done // job.progress_total
    return f"{job.message} {10 * tenths} %"

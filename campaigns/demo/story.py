"""The demo, step by step: the whole circle with real workers on real data.

Every step can be run again: what is already there is left alone. Deeds are rows that
real workers take up; this module only asks for them and waits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.demo import data, props, shoppers
from campaigns.models import (
    Campaign,
    ContactPoint,
    Decision,
    Launch,
    Placement,
)
from campaigns.services import planning, results
from segmentation import conf, queries
from segmentation.models import (
    ApiKey,
    Identity,
    ImportJob,
    Job,
    ModelRun,
    Purpose,
    SegmentSet,
    Source,
)
from segmentation.services import importing, jobs, registry, segmenting, training
from segmentation.tasks import hint

SEED = 2017
N_VISITS = 400
WAIT_SECONDS = 1800

Run = tuple[str, Purpose, dict[str, Any]]

# Algorithm, purpose and parameters of every run that is trained and compared.
RUNS: list[Run] = [
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


AnyJob = TypeVar("AnyJob", bound=Job)


class Unfinished(jobs.Refused):
    """A step of the demo did not come to its end."""


@dataclass(frozen=True)
class Shop:
    """The shop that is opened: its files, what is trained on them, and how it waits."""

    files: Callable[[Path], list[data.File]]
    runs: list[Run]
    protocol: dict[str, Any]  # where validation and test begin
    usual_item: str  # what people buy who follow no recommendation
    start_seconds: int = 60  # from the schedule to the start of the large campaign


COMPLETE_JOURNEY = Shop(data.files, RUNS, data.PROTOCOL, usual_item=data.BANANAS)


@dataclass
class Stage:
    """Where the demo plays: addresses, and how it speaks to the person watching."""

    shop: Shop
    shop_url: str
    push_origin: str
    devices: shoppers.Devices
    say: Callable[[str], None]
    alive: Callable[[], None]  # looks after the processes; called while waiting
    api_key: str = ""


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
    for file in stage.shop.files(folder()):
        known = _kept(ImportJob.objects.filter(original_name=file.name))
        if known is None:
            known = importing.create_job(
                file.kind,
                file.path,
                columns=file.columns,
                source=props.SOURCE,
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
    for algorithm, purpose, params in stage.shop.runs:
        asked = stage.shop.protocol | params
        known = _kept(
            ModelRun.objects.filter(algorithm=algorithm, purpose=purpose, params=asked)
        )
        run = known or training.create_run(algorithm, purpose, params=asked)
        if run.status == Job.Status.QUEUED:
            hint(run)
        waiting.append(run)
    for run in waiting:
        _wait_for(run, stage)
    for purpose in Purpose:
        best = queries.best_candidate(
            purpose, "again" if purpose == Purpose.AGAIN else "discover"
        )
        # Later an operator decides: the demo only fills what is empty.
        if best is not None and queries.live_run(purpose) is None:
            registry.promote(best)
    live = ModelRun.objects.filter(stage=ModelRun.Stage.LIVE).order_by("purpose")
    named = {run.purpose: f"{run.algorithm} ({run.pk})" for run in live}
    return {"live": named, "table": model_table()}


def model_table() -> list[dict[str, Any]]:
    """All runs side by side: NDCG@10 on the part that nothing was chosen on."""
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
    made = _kept(SegmentSet.objects.filter(method="kmeans"))
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
    households = len(crowd.household_ids)
    subscribed = ContactPoint.objects.filter(channel="webpush").count()
    if subscribed < households:
        answers = crowd.subscribe(stage.push_origin)
        _refuse_errors(answers)
        subscribed = answers.subscribed
    return {"households": households, "subscribed": subscribed}


def send_campaigns(stage: Stage) -> dict[str, Any]:
    """A large campaign that beat starts in a minute, and before it a small one."""
    large = props.campaign(_("New tastes for everyone"), everyone=True)
    small = props.campaign(_("Ten neighbours"), everyone=False)
    if large.status == Campaign.Status.DRAFT:
        seconds = stage.shop.start_seconds
        starts_at = timezone.now() + timedelta(seconds=seconds)
        planning.schedule(large, starts_at, actor=None)
        stage.say("  " + _("beat starts the large one in %(n)d s") % {"n": seconds})
    if small.status == Campaign.Status.DRAFT:
        hint(planning.launch_now(small, now=timezone.now(), actor=None))
    return {
        campaign.name: _sent_and_answered(campaign, stage)
        for campaign in (small, large)
    }


def _sent_and_answered(campaign: Campaign, stage: Stage) -> dict[str, Any]:
    """Wait for a launch, then let the shoppers react to what arrived, and only that."""
    launch = _launch_of(campaign, stage)
    _wait_for(launch, stage, meanwhile=stage.devices.collect)
    stage.devices.collect()
    told: dict[str, Any] = {
        "audience": launch.n_audience,
        "held_out": launch.n_held_out,
        "suppressed": launch.n_suppressed,
        "messages": launch.n_deliveries,
        "seconds": round(launch.seconds or 0.0, 1),
    }
    assert launch.planned_at is not None, "a launch that is done was planned"
    # The instant tells this launch from that of another database in the same folder.
    answered = folder() / f"answers-{launch.planned_at:%Y%m%dT%H%M%S%f}.json"
    if not answered.exists():
        answers = _crowd(stage).answer(
            stage.devices.messages_of(launch.pk), campaign.salt
        )
        _refuse_errors(answers)
        facts = {
            "delivered": answers.delivered,
            "clicked": answers.clicked,
            "bought": answers.bought,
        } | stage.devices.faults()
        answered.write_text(json.dumps(facts))
    return told | json.loads(answered.read_text())


def show_ads(stage: Stage) -> dict[str, Any]:
    placement, _made = Placement.objects.get_or_create(
        slug="home-top", defaults={"name": _("Top of the home page")}
    )
    if not placement.ads.exists():
        props.make_ads(placement)
    decided = Decision.objects.filter(placement=placement)
    done = decided.count()
    if done < N_VISITS:
        crowd = _crowd(stage)
        _refuse_errors(crowd.browse(placement.slug, after=done, until=N_VISITS))
    return {
        "decided": decided.count(),
        "seen": decided.filter(shown_at__isnull=False).count(),
        "clicked": decided.filter(clicked_at__isnull=False).count(),
    }


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


def _crowd(stage: Stage) -> shoppers.Shoppers:
    """Nine of ten households have a browser; which ones, their ids decide."""
    if not stage.api_key:
        source, _made = Source.objects.get_or_create(name=props.SOURCE)
        ApiKey.objects.filter(name="demo").delete()
        _key, stage.api_key = ApiKey.issue(
            name="demo", kind=ApiKey.Kind.SERVER, source=source, rate_per_minute=10**6
        )
    names = Identity.objects.filter(
        source__name=props.SOURCE, external_id__isnull=False
    )
    crowd = shoppers.Shoppers(
        [],
        shop_url=stage.shop_url,
        api_key=stage.api_key,
        seed=SEED,
        usual_item=stage.shop.usual_item,
    )
    ids = names.order_by("external_id").values_list("external_id", flat=True)
    crowd.household_ids = [
        name for name in map(str, ids) if crowd.chance(name, "has a browser") < 0.92
    ]
    return crowd


def folder() -> Path:
    """What the demo keeps from one run to the next."""
    folder = conf.home() / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _kept(rows: QuerySet[AnyJob]) -> AnyJob | None:
    """The newest of these deeds that is done or still under way, from any run."""
    over = (Job.Status.FAILED, Job.Status.CANCELLED)
    return rows.exclude(status__in=over).order_by("-pk").first()


def _refuse_errors(answers: shoppers.Answers) -> None:
    if answers.errors:
        raise Unfinished(
            _("%(n)d calls of the shoppers failed, the first: %(error)s")
            % {"n": len(answers.errors), "error": answers.errors[0]}
        )


def _launch_of(campaign: Campaign, stage: Stage) -> Launch:
    """The launch of a campaign, once beat or an operator started it."""
    until = time.monotonic() + stage.shop.start_seconds + 60
    while time.monotonic() < until:
        launch = campaign.launches.order_by("pk").first()
        if launch is not None:
            return launch
        stage.alive()
        time.sleep(0.5)
    raise Unfinished(_("Nobody started the campaign; is beat running?"))


def _wait_for(
    job: Job, stage: Stage, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Offer a job to the workers and wait for its end; a word at every tenth."""
    if job.status == Job.Status.QUEUED:
        hint(job)
    until = time.monotonic() + WAIT_SECONDS
    told = -1
    while time.monotonic() < until:
        connection.close_if_unusable_or_obsolete()
        job.refresh_from_db()
        if job.status == Job.Status.DONE:
            return
        if job.status in (Job.Status.FAILED, Job.Status.CANCELLED):
            raise Unfinished(f"{job}: {job.message}")
        tenths = 10 * job.progress_done // (job.progress_total or 1)
        if job.status == Job.Status.RUNNING and tenths != told:
            stage.say(f"  {job}: {job.message} {10 * tenths} %")
            told = tenths
        meanwhile()
        stage.alive()
        time.sleep(0.25)
    raise Unfinished(_("%(job)s took too long; see the logs.") % {"job": job})

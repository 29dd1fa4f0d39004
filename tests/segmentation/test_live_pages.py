"""Pages of what serves: the gate before going live, the way back, plans, refreshes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from segmentation.models import (
    AuditEntry,
    ListRefresh,
    ModelRun,
    ServedList,
    TrainingPlan,
)
from segmentation.services import registry
from tests import storefront
from tests.segmentation.services.test_gating import judged, scores
from tests.segmentation.test_admin import page, signed_in

pytestmark = pytest.mark.django_db

PLAN = {
    "name": "weekly",
    "purpose": "discover",
    "algorithm": "als",
    "params": "{}",
    "cron": "0 4 * * 1",
    "new_events": "",
    "enabled": "on",
}
REASON = {"reason": "the old one names what is gone"}


@pytest.fixture(autouse=True)
def _afresh():
    storefront.start_afresh()


def add(client: Client, **fields):
    address = reverse("admin:segmentation_trainingplan_add")
    return client.post(address, {**PLAN, **fields})


def stage(run: ModelRun) -> str:
    return ModelRun.objects.get(pk=run.pk).stage


def test_an_open_gate_is_shown_and_asks_before_a_run_goes_live():
    live, run = judged(scores(0.1)), judged(scores(0.2, seed=2))
    registry.promote(live)
    client = signed_in("Analyst")
    address = page(ModelRun, "promote", run.pk)
    assert address in client.get(page(ModelRun, "change", run.pk)).content.decode()
    shown = client.get(address)
    assert shown.context["verdict"]["passed"]
    said = shown.content.decode()
    assert "It is better than the live run" in said
    assert "on the same 400 customers" in said
    assert stage(run) == "candidate"  # looking is not doing
    client.post(address)
    assert (stage(live), stage(run)) == ("retired", "live")
    client.post(page(ModelRun, "do", live.pk, "roll_back"))
    assert (stage(live), stage(run)) == ("live", "retired")
    told = AuditEntry.objects.order_by("pk").exclude(actor=None)
    assert list(told.values_list("action", flat=True)) == ["promote", "roll_back"]


def test_a_closed_gate_is_overruled_with_a_reason_by_who_may():
    live, worse = judged(scores(0.1)), judged(scores(0.05))
    registry.promote(live)
    address = page(ModelRun, "promote", worse.pk)
    analyst, boss = signed_in("Analyst"), signed_in("Administrator")
    shown = analyst.get(address)
    assert "It is worse than the live run" in shown.content.decode()
    assert shown.context["form"] is None
    for where in (address, page(ModelRun, "do", worse.pk, "promote")):
        analyst.post(where, REASON)
        assert stage(worse) == "candidate"
    boss.post(address, {"reason": ""})
    assert stage(worse) == "candidate"
    boss.post(address, REASON)
    assert (stage(live), stage(worse)) == ("retired", "live")
    assert REASON["reason"] in boss.get(
        page(ModelRun, "change", worse.pk)
    ).content.decode().replace("&#x27;", "'")
    entry = AuditEntry.objects.exclude(actor=None).get()
    assert entry.action == "overrule_gate"


def test_a_viewer_may_not_make_anything_live():
    run = judged(scores(0.1))
    viewer = signed_in("Viewer")
    assert viewer.get(page(ModelRun, "promote", run.pk)).status_code == 403
    assert viewer.post(page(ModelRun, "promote", run.pk)).status_code == 403
    assert stage(run) == "candidate"


def test_a_run_whose_artifact_went_says_so_and_offers_no_way_back():
    run = judged(scores(0.1))
    ModelRun.objects.update(artifact="", stage="retired")
    client = signed_in("Analyst")
    said = client.get(page(ModelRun, "change", run.pk)).content.decode()
    assert "not kept any more" in said
    assert "roll_back" not in said
    assert client.get(page(ModelRun, "promote", run.pk)).status_code == 302


def test_a_plan_is_made_on_its_page_and_tells_its_next_time(settings):
    settings.STRATA_TIME_ZONE = "Europe/Berlin"
    client = signed_in("Analyst")
    assert add(client).status_code == 302
    plan = TrainingPlan.objects.get()
    assert AuditEntry.objects.get().action == "add"
    said = client.get(page(TrainingPlan, "changelist")).content.decode()
    assert "04:00 (in " in said
    assert (
        "04:00 (in "
        in client.get(page(TrainingPlan, "change", plan.pk)).content.decode()
    )


@pytest.mark.parametrize(
    ("told", "field", "says"),
    [
        ({"cron": "mondays"}, "cron", "no cron expression"),
        ({"cron": ""}, "__all__", "Say when"),
        (
            {"algorithm": "popularity", "purpose": "taste"},
            "__all__",
            "customer vectors",
        ),
        ({"params": '{"n_factors": "many"}'}, "__all__", "n_factors must be"),
    ],
)
def test_a_plan_that_could_never_train_is_sent_back(told, field, says):
    answer = add(signed_in("Analyst"), **told)
    errors = answer.context["adminform"].form.errors
    assert says in " ".join(errors[field])
    assert not TrainingPlan.objects.exists() and not ModelRun.objects.exists()


def test_a_change_of_when_counts_from_now_on():
    client = signed_in("Analyst")
    add(client)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    TrainingPlan.objects.update(counts_from=long_ago)
    address = page(TrainingPlan, "change", TrainingPlan.objects.get().pk)
    client.post(address, PLAN | {"name": "each Monday"})
    assert TrainingPlan.objects.get().counts_from == long_ago
    client.post(address, PLAN | {"cron": "0 5 * * 1"})
    plan = TrainingPlan.objects.get()
    assert timezone.now() - plan.counts_from < timedelta(minutes=1)
    assert AuditEntry.objects.latest("pk").changes["cron"] == ["0 4 * * 1", "0 5 * * 1"]


def test_a_plan_trains_now_when_somebody_asks():
    client = signed_in("Analyst")
    add(client)
    plan = TrainingPlan.objects.get()
    client.post(page(TrainingPlan, "do", plan.pk, "run_now"))
    run = plan.runs.get()
    assert (run.status, run.algorithm) == ("queued", "als")
    client.post(page(TrainingPlan, "do", plan.pk, "run_now"))  # one is at work
    assert plan.runs.count() == 1
    said = client.get(page(TrainingPlan, "change", plan.pk)).content.decode()
    assert page(ModelRun, "change", run.pk) in said
    viewer = signed_in("Viewer")
    assert viewer.post(page(TrainingPlan, "do", plan.pk, "run_now")).status_code == 403


def test_lists_of_plans_do_not_ask_for_each_row(django_assert_max_num_queries):
    client = signed_in("Analyst")
    for number in range(12):
        plan = TrainingPlan.objects.create(**_fields(name=f"plan {number}"))
        ModelRun.objects.create(algorithm="als", purpose="discover", plan=plan)
    with django_assert_max_num_queries(12):
        client.get(page(TrainingPlan, "changelist"))


def _fields(**told) -> dict:
    return {"algorithm": "als", "purpose": "discover", "cron": "0 4 * * 1"} | told


def test_a_served_list_leads_to_all_that_made_it():
    run = judged(scores(0.1))
    run.snapshot = {"hash": "5ca1ab1e"}
    run.chosen_params, run.seed, run.code_version = {"n_factors": 48}, 11, "2.7.1"
    run.save()
    served = ServedList.objects.create(
        run=run, purpose="discover", list_source="personal", item_ids=[1]
    )
    said = signed_in("Viewer").get(page(ServedList, "change", served.pk))
    text = said.content.decode()
    for fact in ("5ca1ab1e", "n_factors", "11", "2.7.1"):
        assert fact in text
    assert page(ModelRun, "change", run.pk) in text
    ServedList.objects.update(run=None)  # before any run was live
    again = signed_in("Viewer").get(page(ServedList, "change", served.pk))
    assert again.status_code == 200


def test_how_fresh_lists_are_stands_on_the_run_and_on_the_start_page():
    run = judged(scores(0.1))
    registry.promote(run)
    ModelRun.objects.update(refreshed_at=timezone.now() - timedelta(minutes=3))
    ListRefresh.objects.create(
        run=run, status="done", counts={"customers": 5, "folded_in": 4}
    )
    client = signed_in("Analyst")
    said = client.get(page(ModelRun, "change", run.pk)).content.decode()
    assert "refreshed 3 minutes ago" in said
    assert "for 5 customers" in said
    start = client.get(reverse("home")).content.decode()
    assert "lists refreshed 3 minutes ago" in start
    assert client.get(page(ListRefresh, "changelist")).status_code == 200

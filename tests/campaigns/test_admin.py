"""The campaign's pages: who gets it, launch and pause with permission, the report."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.admin import next_steps
from campaigns.models import (
    Ad,
    Campaign,
    Consent,
    ContactPoint,
    Decision,
    Delivery,
    Launch,
    Outcome,
    Placement,
    Recipient,
    Variant,
)
from campaigns.services import consent
from segmentation import tasks
from segmentation.models import AuditEntry, ImportJob, Segment, SegmentSet
from segmentation.services import importing
from tests.campaigns.worlds import make_people, make_reachable
from tests.segmentation.test_admin import page, signed_in

pytestmark = pytest.mark.django_db

OURS = [model for model in apps.get_models() if model._meta.app_label == "campaigns"]
FORM = {
    "name": "Spring",
    "channel": "memory",
    "n_products": 0,
    "purpose": "discover",
    "holdout_share": 0.25,
    "primary_metric": "conversion",
    "window_hours": 72,
    "ttl_seconds": 3600,
    "variants-TOTAL_FORMS": 1,
    "variants-INITIAL_FORMS": 0,
    "variants-0-name": "A",
    "variants-0-share": 1,
    "variants-0-title": "Hello",
    "variants-0-body": "There is something for you",
    "variants-0-link": "https://shop.example/",
}


@pytest.fixture
def boss():
    return signed_in(is_superuser=True)


def make_campaign(**fields) -> Campaign:
    facts = {"name": "Spring", "channel": "memory", "to_everyone": True}
    facts |= {"n_products": 0, "holdout_share": 0.25}
    campaign = Campaign.objects.create(**(facts | fields))
    Variant.objects.create(
        campaign=campaign, title="Hello", body="x", link="https://shop.example/"
    )
    return campaign


def launched(**fields) -> Launch:
    """A launch with one person in each arm, a message, a click and an ad decision."""
    now = timezone.now()
    campaign = make_campaign(status="running", **fields)
    launch = Launch.objects.create(
        campaign=campaign, scheduled_for=now, planned_at=now, status="running"
    )
    treated, held, left = people = make_people(3, prefix=f"p{launch.pk}-")
    make_reachable(people)
    variant = campaign.variants.get()
    facts = {"launch": launch}
    recipient = Recipient.objects.create(
        customer=treated, arm="treated", variant=variant, **facts
    )
    Recipient.objects.create(customer=held, arm="held_out", **facts)
    Recipient.objects.create(
        customer=left, arm="suppressed", reason="no_consent", **facts
    )
    delivery = Delivery.objects.create(
        launch=launch,
        recipient=recipient,
        contact_point=ContactPoint.objects.get(customer=treated),
        send_at=now,
        status="accepted",
    )
    Outcome.objects.create(
        kind="clicked", recipient=recipient, delivery=delivery, happened_at=now
    )
    placement = Placement.objects.create(slug=f"s{launch.pk}", name="Hero")
    ad = Ad.objects.create(placement=placement, name="Ad", title="Ad", link="/")
    Decision.objects.create(placement=placement, ad=ad, decided_at=now, shown_at=now)
    return launch


def test_every_model_has_its_pages():
    assert [m for m in OURS if m not in admin.site._registry] == []


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_a_list_opens_empty_and_full_and_asks_nothing_more_for_more_rows(boss, model):
    assert boss.get(page(model)).status_code == 200
    launched()
    launched()
    with CaptureQueriesContext(connection) as few:
        assert boss.get(page(model)).status_code == 200
    for _number in range(5):
        launched()
    with CaptureQueriesContext(connection) as many:
        assert boss.get(page(model)).status_code == 200
    assert len(many) <= len(few)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_the_page_of_a_row_opens(boss, model):
    launched()
    row = model._default_manager.first()
    assert boss.get(page(model, "change", row.pk)).status_code == 200


def test_a_campaign_is_written_with_its_content_and_audited():
    marketer = signed_in("Marketer")
    answer = marketer.post(page(Campaign, "add"), FORM | {"to_everyone": "on"})
    assert answer.status_code == 302, answer.context["errors"]
    campaign = Campaign.objects.get()
    assert campaign.created_by is not None
    told = AuditEntry.objects.order_by("pk").values_list("action", "subject_kind")
    assert list(told) == [("add", "campaigns.campaign"), ("add", "campaigns.variant")]


def test_a_segment_of_a_retired_set_stays_chosen_when_the_page_is_saved(boss):
    made = SegmentSet.objects.create(method="kmeans", stage="retired")
    segment = Segment.objects.create(segment_set=made, label=0, name="Wine")
    campaign = make_campaign(to_everyone=False)
    campaign.segments.set([segment])
    form = boss.get(page(Campaign, "change", campaign.pk)).context["adminform"].form
    assert segment in form.fields["segments"].queryset
    other = make_campaign()
    form = boss.get(page(Campaign, "change", other.pk)).context["adminform"].form
    assert segment not in form.fields["segments"].queryset


def test_who_would_get_it_is_counted_before_anything_happens():
    people = make_people(40)
    make_reachable(people[:30])
    campaign = make_campaign()
    shown = signed_in("Viewer").get(page(Campaign, "preview", campaign.pk))
    plan = shown.context["plan"]
    assert (plan.n_audience, plan.n_suppressed["no_consent"]) == (40, 10)
    assert "left out: no consent" in shown.content.decode()
    assert not Launch.objects.exists()


@pytest.mark.parametrize(
    "fields", [{"holdout_share": 1.0}, {"cap_per_week": 0}, {"holdout_share": 0.0}]
)
def test_a_launch_that_reaches_nobody_is_not_offered(boss, fields):
    make_reachable(make_people(5))
    campaign = make_campaign(**fields)
    shown = boss.get(page(Campaign, "launch", campaign.pk)).content.decode()
    reaches = fields == {"holdout_share": 0.0}
    assert ("Yes, launch now" in shown) is reaches
    assert ("Nobody would get it" in shown) is not reaches


def test_what_keeps_a_campaign_from_launching_is_said(boss):
    campaign = make_campaign(to_everyone=False)
    text = boss.get(page(Campaign, "change", campaign.pk)).content.decode()
    assert "Nobody is chosen" in text
    assert (
        "Nobody is chosen"
        in boss.get(page(Campaign, "launch", campaign.pk)).content.decode()
    )


def test_only_who_may_launch_sees_the_button_and_can():
    make_reachable(make_people(3))
    campaign = make_campaign()
    row = page(Campaign, "change", campaign.pk)
    ask, do = (
        page(Campaign, "launch", campaign.pk),
        page(Campaign, "do", campaign.pk, "launch"),
    )
    for role in ("Viewer", "Analyst", "Privacy officer"):
        client = signed_in(role)
        assert ask not in client.get(row).content.decode()
        assert client.get(ask).status_code == 403
        assert client.post(do).status_code == 403
    assert not Launch.objects.exists()
    marketer = signed_in("Marketer")
    assert ask in marketer.get(row).content.decode()
    assert do in marketer.get(ask).content.decode()
    marketer.post(do)
    launch = Launch.objects.get()
    assert (launch.status, launch.created_by is not None) == ("queued", True)
    assert [e.action for e in AuditEntry.objects.all()] == ["launch campaign"]


def test_a_launch_runs_pauses_resumes_and_is_cancelled_with_buttons(boss):
    campaign = make_campaign()
    for name, status in (
        ("launch", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("cancel", "cancelled"),
    ):
        boss.post(page(Campaign, "do", campaign.pk, name))
        campaign.refresh_from_db()
        assert campaign.status == status
    assert AuditEntry.objects.count() == 4
    again = boss.post(page(Campaign, "do", campaign.pk, "resume"), follow=True)
    assert "does not fit" in again.content.decode()


def test_scheduling_needs_a_time(boss):
    campaign = make_campaign()
    names = _buttons(boss, campaign)
    assert "schedule" not in names
    campaign.starts_at = timezone.now() + timedelta(hours=1)
    campaign.save()
    assert "schedule" in _buttons(boss, campaign)
    boss.post(page(Campaign, "do", campaign.pk, "schedule"))
    campaign.refresh_from_db()
    assert campaign.status == "scheduled"


def test_a_time_that_has_passed_starts_nothing_by_surprise(boss):
    campaign = make_campaign(starts_at=timezone.now() - timedelta(minutes=1))
    said = boss.post(page(Campaign, "do", campaign.pk, "schedule"), follow=True)
    assert "has passed" in said.content.decode()
    campaign.refresh_from_db()
    assert campaign.status == "draft"


@pytest.mark.parametrize("typed", [("", ""), ("2020-01-01", "00:00")])
def test_a_scheduled_campaign_keeps_a_time_to_come(boss, typed):
    starts_at = timezone.now() + timedelta(days=1)
    campaign = make_campaign(status="scheduled", starts_at=starts_at)
    form = FORM | {"to_everyone": "on", "variants-INITIAL_FORMS": 1}
    form |= {"variants-0-id": campaign.variants.get().pk}
    form |= {"starts_at_0": typed[0], "starts_at_1": typed[1]}
    answer = boss.post(page(campaign, "change", campaign.pk), form)
    assert answer.context["errors"]
    assert "starts_at" in answer.context["adminform"].form.errors
    campaign.refresh_from_db()
    assert campaign.starts_at == starts_at


def test_an_ad_that_leads_nowhere_is_refused_where_it_is_typed(boss):
    placement = Placement.objects.create(name="Home", slug="home")
    form = {"name": "Ad", "placement": placement.pk, "title": "Look", "weight": 1}
    answer = boss.post(page(Ad, "add"), form | {"link": "javascript:alert(1)"})
    assert "link" in answer.context["adminform"].form.errors
    answer = boss.post(page(Ad, "add"), form | {"link": "www.shop.example"})
    assert "link" in answer.context["adminform"].form.errors
    boss.post(page(Ad, "add"), form | {"link": "/sale"})
    assert Ad.objects.get().link == "/sale"


def test_numbers_have_an_end_that_dates_can_bear(boss):
    form = boss.get(page(Campaign, "add")).context["adminform"].form
    for name in ("window_hours", "ttl_seconds"):
        with pytest.raises(ValidationError, match="less than or equal"):
            form.fields[name].clean("9999999999")


def _buttons(client, campaign) -> list[str]:
    shown = client.get(page(Campaign, "change", campaign.pk))
    return [button["deed"].name for button in shown.context["deeds"]]


def test_what_was_launched_can_only_be_renamed(boss):
    launch = launched()
    campaign = launch.campaign
    change = page(Campaign, "change", campaign.pk)
    boss.post(change, FORM | {"name": "Renamed", "holdout_share": 0.9})
    campaign.refresh_from_db()
    assert (campaign.name, campaign.holdout_share) == ("Renamed", 0.25)
    assert boss.post(page(Campaign, "delete", campaign.pk)).status_code == 403


def test_saving_a_page_never_turns_a_campaign_back(boss, monkeypatch):
    """Beat starts it between the moment it is read and the moment it is written."""
    campaign = make_campaign(status="scheduled", starts_at=timezone.now())
    pages = admin.site.get_model_admin(Campaign)
    save = type(pages).save_model

    def meanwhile(*arguments) -> None:
        Campaign.objects.update(status="running")
        save(pages, *arguments)

    monkeypatch.setattr(pages, "save_model", meanwhile)
    variant = campaign.variants.get().pk
    form = FORM | {"name": "Renamed", "to_everyone": "on"}
    form |= {"variants-INITIAL_FORMS": 1, "variants-0-id": variant}
    form |= {"starts_at_0": "2099-01-01", "starts_at_1": "00:00"}
    boss.post(page(campaign, "change", campaign.pk), form)
    campaign.refresh_from_db()
    assert (campaign.name, campaign.status) == ("Renamed", "running")


def test_a_running_launch_shows_its_messages_and_polls(boss):
    launch = launched()
    text = boss.get(page(Campaign, "change", launch.campaign_id)).content.decode()
    address = page(Launch, "progress", launch.pk)
    assert f'data-poll="{address}"' in text
    assert "accepted: 1" in boss.get(address).content.decode()


def test_simulated_answers_are_named_on_every_page_of_the_campaign(boss):
    launch = launched(is_simulated=True)
    for name in ("change", "report"):
        text = boss.get(page(Campaign, name, launch.campaign_id)).content.decode()
        assert "answers to this campaign are simulated; the sales data are real" in text
    real = launched()
    text = boss.get(page(Campaign, "report", real.campaign_id)).content.decode()
    assert "simulated" not in text


def test_the_report_puts_the_verdict_before_the_numbers(boss):
    launch = launched()
    text = boss.get(page(Campaign, "report", launch.campaign_id)).content.decode()
    order = ["Verdict", "Cannot tell", "The arms", "From audience to click", "Attribut"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    part = boss.get(page(Campaign, "report", launch.campaign_id), {"part": ""})
    assert b"<html" not in part.content
    assert b"smallest it could have shown" in part.content


def test_ads_show_decisions_impressions_and_clicks(boss):
    launched()
    ad = Ad.objects.get()
    now = timezone.now()
    facts = {"placement": ad.placement, "ad": ad, "decided_at": now}
    Decision.objects.create(**facts)
    Decision.objects.create(**facts, shown_at=now, clicked_at=now)
    for model in (Ad, Placement):
        row = boss.get(page(model)).context["cl"].result_list[0]
        assert (row.n_decided, row.n_shown, row.n_clicked) == (3, 2, 1)


def test_an_address_is_never_on_a_page(boss):
    launched()
    point = ContactPoint.objects.first()
    text = boss.get(page(ContactPoint, "change", point.pk)).content.decode()
    assert point.address not in text
    assert point.address_hash not in text


def test_only_the_privacy_officer_removes_a_contact_point():
    launched()
    point = ContactPoint.objects.filter(channel="memory").last()
    remove = page(ContactPoint, "delete", point.pk)
    assert signed_in("Marketer").post(remove, {"post": "yes"}).status_code == 403
    assert Consent.objects.filter(customer=point.customer).exists()


# The start page ---


def test_the_start_page_asks_who_is_there(client):
    answer = client.get(reverse("home"))
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("admin:login"))


def test_an_empty_shop_is_told_to_bring_its_catalogue():
    shown = signed_in("Analyst").get(reverse("home"))
    step = shown.context["step"]
    assert "catalogue" in step.text
    assert step.url.endswith("?kind=items")
    assert {stage.is_empty for stage in shown.context["stages"]} == {True}
    assert "unknown" in shown.context["parts"][2].text


def test_who_may_not_do_the_next_step_gets_no_link():
    step = signed_in("Viewer").get(reverse("home")).context["step"]
    assert "catalogue" in step.text
    assert step.url == ""


def test_the_circle_shows_what_there_is_and_what_is_at_work(boss, database):
    launched()
    shown = boss.get(reverse("home"), {"part": ""})
    text = shown.content.decode()
    assert "<b>1</b> click" in text
    assert [deed["kind"] for deed in shown.context["at_work"]] == ["launch"]
    names = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
    assert names[database] in text


def test_workers_that_take_nothing_up_are_named(boss):
    launched()
    long_ago = timezone.now() - timedelta(minutes=5)
    Launch.objects.update(status="queued", created_at=long_ago)
    part = boss.get(reverse("home")).context["parts"][2]
    assert (part.tone, "no worker takes" in part.text) == ("bad", True)


def test_the_start_page_asks_no_more_for_more_rows(boss):
    launched()
    with CaptureQueriesContext(connection) as few:
        boss.get(reverse("home"))
    launched()
    with CaptureQueriesContext(connection) as many:
        boss.get(reverse("home"))
    assert len(many) <= len(few)


def test_the_next_step_is_a_draft_once_all_else_is_there(monkeypatch):
    campaign = make_campaign()
    for name in ("_data", "_models", "_taste", "_segments", "_reachable"):
        monkeypatch.setattr(next_steps, name, lambda: None)
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert campaign.name in next_steps.first(request).text
    Campaign.objects.update(status="completed")
    assert next_steps.first(request).is_done


def test_the_last_report_is_of_what_was_sent_last_not_written_last(monkeypatch):
    sent_later = launched().campaign
    sent_earlier = launched().campaign
    Launch.objects.filter(campaign=sent_earlier).update(
        scheduled_for=timezone.now() - timedelta(days=1)
    )
    Campaign.objects.filter(pk=sent_later.pk).update(name="Later")
    Campaign.objects.update(status="completed")
    for name in ("_data", "_models", "_taste", "_segments", "_reachable"):
        monkeypatch.setattr(next_steps, name, lambda: None)
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert "Later" in next_steps.first(request).text


# Lists as files, and files about consent ---


def test_contact_points_go_out_with_consent_and_without_their_address(boss):
    customer = make_people(1, prefix="c-")[0]
    ContactPoint.objects.create(
        customer=customer,
        channel="webpush",
        address='{"endpoint": "https://push.example/secret"}',
        address_hash="0123456789abcdef0123456789abcdef",
        origin="push.example",
    )
    consent.record(customer, "webpush", "marketing", False, now=timezone.now())
    names = ["customer", "channel", "address", "granted"]
    form = {"format": 0, "resource": "", "export_items": []}
    form |= {f"contact_points_{name}": "on" for name in names}
    told = boss.post(page(ContactPoint, "export"), form).content.decode("utf-8-sig")
    assert told.splitlines() == [
        '"customer","channel","address","granted"',
        '"c-0","webpush","•••01234567",false',
    ]


def test_the_privacy_officer_brings_a_suppression_list_in(settings, tmp_path):
    settings.STRATA_HOME = tmp_path
    customer = make_people(1, prefix="c-")[0]
    consent.record(customer, "webpush", "marketing", True, now=timezone.now())
    officer = signed_in("Privacy officer")
    file = SimpleUploadedFile("no.csv", b"customer\nc-0\n", "text/csv")
    form = {"file": file, "source": "shop", "channel": "webpush"}
    shown = officer.post(page(Consent, "import"), form | {"meaning": "suppressed"})
    assert Consent.objects.get().granted
    text = shown.content.decode()
    assert "the same in every row: no" in text and "Consent to Web Push" in text
    assert shown.context["tried"][0]["facts"]["consents"] == [("Web Push", 0, 1)]
    tried = [part["job"].pk for part in shown.context["tried"]]
    officer.post(page(Consent, "process_import"), {"job": tried})
    tasks.perform(ImportJob.objects.get(is_dry_run=False), importing.run_import)
    assert not Consent.objects.get().granted
    assert signed_in("Analyst").get(page(Consent, "import")).status_code == 403

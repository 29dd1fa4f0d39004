"""The operator's pages of segmentation: seen, permitted, audited, never per row."""

from __future__ import annotations

import html
import re
import uuid
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from segmentation.admin import paging
from segmentation.models import (
    ApiKey,
    AuditEntry,
    Category,
    Customer,
    Event,
    Identity,
    ImportJob,
    Item,
    Membership,
    ModelRun,
    Notice,
    Segment,
    SegmentSet,
    ServedList,
    Source,
)
from segmentation.models.fields import fingerprint
from segmentation.services import notices

pytestmark = pytest.mark.django_db

FORM = {  # what the page of a customer sends beside what is typed in
    f"{name}-{count}": "0"
    for name in ("identities", "memberships")
    for count in ("TOTAL_FORMS", "INITIAL_FORMS")
} | {"attributes": "{}", "personalised": "on"}
OURS = [model for model in apps.get_models() if model._meta.app_label == "segmentation"]


def page(model, name="changelist", *args) -> str:
    opts = model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=args)


def signed_in(*roles: str, **fields) -> Client:
    user = User.objects.create_user(f"u{uuid.uuid4().hex[:6]}", is_staff=True, **fields)
    user.groups.set(Group.objects.filter(name__in=roles))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def boss() -> Client:
    return signed_in(is_superuser=True)


def make_rows(n: int) -> None:
    """n more rows of everything that lists show, each with relations of its own."""
    now = timezone.now()
    for _number in range(n):
        word = uuid.uuid4().hex[:8]
        source = Source.objects.create(name=word)
        item = Item.objects.create(
            external_id=word, category=Category.objects.create(name=word)
        )
        customer = Customer.objects.create(created_at=now, email=f"{word}@shop.example")
        identity = Identity.objects.create(
            customer=customer, source=source, external_id=word
        )
        Event.objects.create(
            event_key=uuid.uuid4(),
            occurred_at=now,
            identity_id=identity.pk,
            item_id=item.pk,
            kind=5,
        )
        run = ModelRun.objects.create(algorithm="als", purpose="taste")
        live = SegmentSet.Stage.LIVE
        made = SegmentSet.objects.create(method=word, stage=live, run=run)
        segment = Segment.objects.create(segment_set=made, label=0, name=word, size=1)
        Membership.objects.create(segment=segment, customer=customer)
        ServedList.objects.create(run=run, purpose="again", list_source="personal")
        ImportJob.objects.create(kind="items", source=source, path=word)
        ApiKey.issue(name=word, kind="server", source=source)
        notices.tell("error", word, "", key=word, link=f"segmentation:item:{item.pk}")


def test_every_model_has_its_pages():
    assert [m for m in OURS if m not in admin.site._registry] == []


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_a_list_opens_empty_and_full_and_asks_nothing_more_for_more_rows(boss, model):
    assert boss.get(page(model)).status_code == 200
    make_rows(2)
    with CaptureQueriesContext(connection) as few:
        assert boss.get(page(model)).status_code == 200
    make_rows(6)
    with CaptureQueriesContext(connection) as many:
        assert boss.get(page(model)).status_code == 200
    assert len(many) <= len(few)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_the_page_of_a_row_opens(boss, model):
    make_rows(1)
    row = model._default_manager.first()
    if row is not None:
        assert boss.get(page(model, "change", row.pk)).status_code == 200


def test_events_are_looked_at_and_never_written(boss):
    make_rows(1)
    event = Event.objects.get()
    answer = boss.get(page(Event, "change", event.pk))
    assert str(event.event_key) in answer.content.decode()
    assert boss.get(page(Event, "add")).status_code == 403
    assert boss.post(page(Event, "delete", event.pk)).status_code == 403


def test_a_long_table_of_events_is_not_counted(boss, monkeypatch):
    make_rows(3)
    monkeypatch.setattr(paging, "EXACT_BELOW", 0)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE segmentation_event")
    with CaptureQueriesContext(connection) as asked:
        assert boss.get(page(Event)).status_code == 200
    sql = [query["sql"] for query in asked if "segmentation_event" in query["sql"]]
    assert sql
    assert not [text for text in sql if "COUNT(" in text.upper()]


def test_events_are_found_by_a_customers_id(boss):
    make_rows(3)
    wanted = Identity.objects.first()
    shown = boss.get(page(Event), {"q": wanted.external_id}).context["cl"]
    assert [row.identity_id for row in shown.result_list] == [wanted.pk]


def test_a_change_is_recorded_with_old_and_new(boss):
    source = Source.objects.create(name="shop", trust=50)
    boss.post(page(Source, "change", source.pk), {"name": "shop", "trust": 70})
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.changes) == (
        "change",
        "shop",
        {"trust": [50, 70]},
    )
    boss.post(page(Source, "delete", source.pk), {"post": "yes"})
    gone = AuditEntry.objects.order_by("-pk").first()
    assert gone.action == "delete"
    assert gone.changes["trust"] == [70, None]


def test_the_audit_trail_does_not_keep_what_a_person_is_called(boss):
    customer = Customer.objects.create(created_at=timezone.now(), name="Ada Lovelace")
    form = FORM | {"name": "Ada King", "attributes": '{"town": "Ockham"}'}
    boss.post(page(Customer, "change", customer.pk), form)
    entry = AuditEntry.objects.get()
    assert set(entry.changes) == {"name", "attributes"}
    assert not [w for w in ("Ada", "King", "Ockham") if w in str(entry.changes)]


def test_the_audit_trail_cannot_be_changed(boss):
    Source.objects.create(name="shop")
    entry = AuditEntry.objects.create(action="x", subject_kind="segmentation.source")
    assert boss.post(page(AuditEntry, "delete", entry.pk)).status_code == 403
    assert boss.post(page(AuditEntry, "change", entry.pk), {}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": entry.pk}
    boss.post(page(AuditEntry), chosen)
    assert AuditEntry.objects.filter(pk=entry.pk).exists()


def test_a_notice_leads_to_its_thing_until_it_is_seen_to(boss):
    make_rows(1)
    notice, item = Notice.objects.get(), Item.objects.get()
    start = boss.get(page(Notice)).content.decode()
    assert page(Item, "change", item.pk) in start
    boss.post(page(Notice, "do", notice.pk, "seen_to"))
    notice.refresh_from_db()
    assert notice.resolved_at is not None
    assert AuditEntry.objects.get().action == "seen_to"


def test_several_notices_are_marked_in_one_go(boss):
    make_rows(3)
    chosen = {"action": "mark_as_seen_to"}
    chosen["_selected_action"] = list(Notice.objects.values_list("pk", flat=True))
    boss.post(page(Notice), chosen)
    assert not Notice.objects.filter(resolved_at=None).exists()
    assert AuditEntry.objects.filter(action="seen_to").count() == 3


def test_a_new_key_is_shown_once(boss):
    source = Source.objects.create(name="shop")
    form = {"name": "web", "kind": "server", "source": source.pk}
    form |= {"allowed_origins": "", "rate_per_minute": 60, "is_active": "on"}
    answer = boss.post(page(ApiKey, "add"), form, follow=True)
    key = ApiKey.objects.get()
    text = answer.content.decode()
    shown = text[text.index("<code>") + 6 : text.index("</code>")]
    assert ApiKey.hash_of(shown) == key.key_hash
    assert shown not in boss.get(page(ApiKey, "change", key.pk)).content.decode()
    assert shown not in str(AuditEntry.objects.values_list("changes"))


# Progress ---


def running(**fields) -> ImportJob:
    now = timezone.now()
    source = Source.objects.get_or_create(name="shop")[0]
    facts = {
        "status": "running",
        "progress_done": 612_000,
        "progress_total": 1_469_307,
        "progress_unit": "rows",
        "message": "Writing events",
        "attempts": 2,
        "started_at": now - timedelta(seconds=30),
        "progress_since": now - timedelta(seconds=30),
        "worked_at": now,
        "heartbeat_at": now,
        "lease_until": now + timedelta(minutes=1),
    }
    return ImportJob.objects.create(
        kind="events", source=source, path="x", **(facts | fields)
    )


def test_progress_says_how_far_how_fast_and_how_long_still(boss):
    job = running()
    text = boss.get(page(ImportJob, "progress", job.pk)).content.decode()
    for words in ("612,000 / 1,469,307 rows", 'aria-valuenow="41"', "Writing events"):
        assert words in text
    assert "rows/s" in text
    assert "≈" in text
    assert "data-over" not in text


def test_a_page_polls_only_while_there_is_something_to_see(boss):
    job = running()
    address = page(ImportJob, "progress", job.pk)
    shown = boss.get(page(ImportJob, "change", job.pk)).content.decode()
    assert f'data-poll="{address}"' in shown
    ImportJob.objects.update(status="done", finished_at=timezone.now())
    assert "data-over" in boss.get(address).content.decode()
    shown = boss.get(page(ImportJob, "change", job.pk)).content.decode()
    assert "data-poll" not in shown


def test_who_may_not_change_sees_no_button_and_is_refused():
    job, viewer = running(), signed_in("Viewer")
    cancel = page(ImportJob, "do", job.pk, "cancel")
    assert cancel not in viewer.get(page(ImportJob, "change", job.pk)).content.decode()
    assert viewer.post(cancel).status_code == 403
    analyst = signed_in("Analyst")
    assert cancel in analyst.get(page(ImportJob, "change", job.pk)).content.decode()
    assert analyst.get(cancel).status_code == 405
    analyst.post(cancel)
    job.refresh_from_db()
    assert job.cancel_requested
    entry = AuditEntry.objects.get()
    assert entry.action == "cancel"
    assert entry.changes["cancel_requested"] == [False, True]


def test_a_failed_deed_can_be_tried_again(boss):
    job = running(status="failed", lost_leases=3, cancel_requested=True)
    boss.post(page(ImportJob, "do", job.pk, "again"))
    job.refresh_from_db()
    assert (job.status, job.lost_leases, job.cancel_requested) == ("queued", 0, False)


def test_a_deed_that_is_over_cannot_be_cancelled(boss):
    job = running(status="done")
    answer = boss.post(page(ImportJob, "do", job.pk, "cancel"), follow=True)
    assert "does not fit" in answer.content.decode()
    assert not AuditEntry.objects.exists()


# Import ---


def test_the_counts_of_an_import_are_shown_to_add_up(boss):
    job = running(status="done", rows_read=1_210, rows_new=1_000, rows_rejected=210)
    shown = boss.get(page(ImportJob, "change", job.pk))
    assert shown.context["facts"]["adds_up"]
    assert "1,210" in shown.content.decode()


def test_a_customer_is_erased_with_a_receipt_and_never_just_deleted(boss):
    customer = Customer.objects.create(created_at=timezone.now())
    answer = boss.post(page(Customer, "delete", customer.pk), {"post": "yes"})
    assert answer.status_code == 403
    assert Customer.objects.filter(pk=customer.pk).exists()


@pytest.mark.parametrize("model", [Identity, Item])
def test_what_events_name_is_never_deleted(boss, model):
    make_rows(1)
    row = model.objects.get()
    answer = boss.post(page(model, "delete", row.pk), {"post": "yes"})
    assert answer.status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_a_saved_form_takes_back_nothing_that_a_worker_wrote_meanwhile(rf, boss):
    """The row was read before the worker wrote: on PostgreSQL nobody waits."""
    source = Source.objects.create(name="shop", trust=50)
    request = rf.post("/")
    pages = admin.site._registry[Source]
    form = pages.get_form(request)({"name": "shop", "trust": 70}, instance=source)
    typed = form.save(commit=False)
    Source.objects.update(importing_id=7)  # the turn of an import
    pages.save_model(request, typed, form, True)
    source.refresh_from_db()
    assert (source.trust, source.importing_id) == (70, 7)


def test_an_address_typed_in_can_be_found_by_its_fingerprint(boss):
    make_rows(1)
    customer = Customer.objects.get()
    boss.post(
        page(Customer, "change", customer.pk), FORM | {"email": " New@Shop.example"}
    )
    customer.refresh_from_db()
    assert customer.email == "New@Shop.example"
    assert customer.email_hash == fingerprint("new@shop.example")


def typed_key(boss, **typed):
    source = Source.objects.create(name="shop")
    form = {"name": "web", "kind": "publishable", "source": source.pk}
    form |= {"allowed_origins": "", "rate_per_minute": 60, "is_active": "on"}
    return boss.post(page(ApiKey, "add"), form | typed)


def test_the_lists_of_a_key_are_ticked_and_written_one_a_line(boss):
    typed = "https://shop.example\r\n https://www.shop.example \r\n"
    typed_key(boss, allowed_origins=typed, scopes=["lists", "events"])
    key = ApiKey.objects.get()
    assert key.allowed_origins == ["https://shop.example", "https://www.shop.example"]
    assert sorted(key.scopes) == ["events", "lists"]
    shown = boss.get(page(ApiKey, "change", key.pk)).content.decode()
    assert "https://shop.example\nhttps://www.shop.example</textarea>" in shown
    ticked = re.findall(r'name="scopes" value="(\w+)"[^>]* checked', shown)
    assert ticked == ["events", "lists"]


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("scopes", ["lists", "every"], "every is not one of the available choices"),
        ("allowed_origins", '["https://shop.example"]', "is no origin such as"),
        ("allowed_origins", "shop.example", "is no origin such as https://"),
        ("allowed_origins", "https://shop.example/page", "is no origin such as"),
    ],
)
def test_a_key_that_the_api_could_not_read_is_refused(boss, field, typed, says):
    answer = typed_key(boss, **{field: typed})
    assert says in html.unescape(answer.content.decode())
    assert not ApiKey.objects.exists()

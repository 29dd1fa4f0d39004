"""The operator's pages of segmentation: seen, permitted, audited, never per row."""

from __future__ import annotations

import csv
import io
import uuid
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from segmentation import tasks
from segmentation.admin import paging
from segmentation.models import (
    ApiKey,
    AuditEntry,
    Category,
    Customer,
    Event,
    ExportJob,
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
from segmentation.services import exporting, importing, notices

pytestmark = pytest.mark.django_db

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
    form = {"name": "Ada King", "attributes": '{"town": "Ockham"}'}
    form |= {f"{prefix}-TOTAL_FORMS": 0 for prefix in ("identities", "memberships")}
    form |= {f"{prefix}-INITIAL_FORMS": 0 for prefix in ("identities", "memberships")}
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
    form = {"name": "web", "kind": "server", "source": source.pk, "scopes": "[]"}
    form |= {"allowed_origins": "[]", "rate_per_minute": 60, "is_active": "on"}
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
    assert shown.context["adds_up"]
    assert "1,210" in shown.content.decode()


# Small tables ---


def export(client: Client, model, table: str, names: list[str], query="", kind=0):
    form = {"format": kind, "resource": "", "export_items": []}
    form |= {f"{table}_{name}": "on" for name in names}
    return client.post(page(model, "export") + query, form)


def lines_of(answer) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_an_export_holds_what_the_list_shows_and_no_formula(boss):
    Item.objects.create(external_id="p1", title="=HYPERLINK(1)", brand="+a")
    Item.objects.create(external_id="p2", title="gone", available=False)
    names = ["item", "title", "brand"]
    answer = export(boss, Item, "items", names, "?available__exact=1")
    assert lines_of(answer) == [names, ["p1", "'=HYPERLINK(1)", "'+a"]]
    entry = AuditEntry.objects.get(action="export")
    assert entry.changes["list"] == [None, {"available__exact": "1"}]


def test_names_of_people_are_not_offered_to_an_analyst():
    make_rows(1)
    names = ["customer", "email"]
    officer = export(signed_in("Privacy officer"), Customer, "customers", names)
    assert lines_of(officer)[1][1].endswith("@shop.example")
    analyst = export(signed_in("Analyst"), Customer, "customers", names)
    assert lines_of(analyst)[0] == ["customer"]


def test_a_long_list_is_written_by_a_worker_and_fetched_by_who_may(settings, tmp_path):
    settings.STRATA_HOME, settings.STRATA_EXPORT_AT_ONCE = tmp_path, 2
    make_rows(3)
    officer, analyst = signed_in("Privacy officer"), signed_in("Analyst")
    answer = export(officer, Customer, "customers", ["customer", "email"])
    job = ExportJob.objects.get()
    assert answer.url == page(ExportJob, "change", job.pk)
    assert officer.get(page(ExportJob, "file", job.pk)).status_code == 404
    tasks.perform(job, exporting.run_export)
    shown = officer.get(page(ExportJob, "change", job.pk)).content.decode()
    assert page(ExportJob, "file", job.pk) in shown
    assert analyst.get(page(ExportJob, "file", job.pk)).status_code == 403
    file = officer.get(page(ExportJob, "file", job.pk))
    assert len(b"".join(file.streaming_content).splitlines()) == 4
    assert AuditEntry.objects.filter(action="download").count() == 1


def preview(client: Client, model, text: bytes, **more):
    file = SimpleUploadedFile("small.csv", text, "text/csv")
    form = {"file": file, "source": "shop", **more}
    return client.post(page(model, "import"), form)


def confirm(client: Client, model, shown) -> None:
    tried = [part["job"].pk for part in shown.context["tried"]]
    client.post(page(model, "process_import"), {"job": tried})
    for job in ImportJob.objects.filter(is_dry_run=False, status="queued"):
        tasks.perform(job, importing.run_import)


def test_a_small_file_is_previewed_then_applied_and_audited(settings, tmp_path):
    settings.STRATA_HOME = tmp_path
    Item.objects.create(external_id="p1", title="Boot")
    client = signed_in("Analyst")
    text = b"item,title,price\np1,'=Shoe,12.50\np2,Hat,cheap\np3,Cap,3\n"
    shown = preview(client, Item, text)
    told = shown.content.decode()
    assert "Boot" in told
    assert "cheap" in told
    assert Item.objects.get().title == "Boot"
    confirm(client, Item, shown)
    assert Item.objects.get(external_id="p1").title == "=Shoe"
    job = ImportJob.objects.get(is_dry_run=False)
    assert (job.rows_new, job.rows_updated, job.rows_rejected) == (1, 1, 1)
    assert AuditEntry.objects.get(action="import").subject_id == str(job.pk)


def test_only_a_preview_of_ones_own_can_be_confirmed(settings, tmp_path):
    settings.STRATA_HOME = tmp_path
    shown = preview(signed_in("Analyst"), Item, b"item,title\np1,Shoe\n")
    confirm(signed_in("Analyst"), Item, shown)
    assert not ImportJob.objects.filter(is_dry_run=False).exists()


def test_a_table_that_is_not_small_is_shown_the_large_door(settings, tmp_path):
    settings.STRATA_HOME, settings.STRATA_SMALL_TABLE_ROWS = tmp_path, 2
    shown = preview(signed_in("Analyst"), Item, b"item\na\nb\nc\n")
    assert f"{page(ImportJob, 'add')}?kind=items" in shown.content.decode()
    assert not ImportJob.objects.exists()


def test_a_file_that_is_no_table_is_a_sentence_here_too(settings, tmp_path):
    settings.STRATA_HOME = tmp_path
    shown = preview(signed_in("Analyst"), Item, b"<html><body>no</body></html>")
    assert shown.status_code == 200
    assert shown.context["form"].errors["file"]
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_viewer_brings_no_small_file_in():
    viewer = signed_in("Viewer")
    assert viewer.get(page(Item, "import")).status_code == 403
    assert viewer.post(page(Item, "process_import"), {"job": "1"}).status_code == 403


def test_a_customer_is_erased_with_a_receipt_and_never_just_deleted(boss):
    customer = Customer.objects.create(created_at=timezone.now())
    answer = boss.post(page(Customer, "delete", customer.pk), {"post": "yes"})
    assert answer.status_code == 403
    assert Customer.objects.filter(pk=customer.pk).exists()

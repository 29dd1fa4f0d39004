"""The page of an import: what it would do, its deeds, who may do them."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from urllib.parse import parse_qs, urlparse

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from segmentation.admin import imports
from segmentation.admin.imports import ImportJobAdmin
from segmentation.forms import seal, unseal
from segmentation.models import (
    ImportJob,
    Item,
    Source,
    UndoJob,
)
from segmentation.services import importing
from tests.segmentation.test_admin import page, signed_in
from tests.segmentation.test_import_pages import (
    MESSY,
    MESSY_COLUMNS,
    PURCHASES,
    perform,
    row_of,
    say,
    upload,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def analyst() -> Client:
    return signed_in("Analyst")


def test_why_rows_were_rejected_is_counted_and_said_by_field(analyst):
    shown = say(analyst, upload(analyst, MESSY, encoding="cp1252"), **MESSY_COLUMNS)
    say(analyst, shown, "run", **MESSY_COLUMNS)
    perform(ImportJob, importing.run_import)
    job = ImportJob.objects.get()
    ((field, reason, n),) = job_page(analyst, job).context["facts"]["why_rejected"]
    assert (field, n) == ("Price", 1)
    assert reason == "is not a number written like 1.234,56"
    assert job.findings["reasons"][0][2]["say"] == "%(field)s %(why)s"


def test_a_dry_run_without_a_row_that_can_come_in_says_what_to_do(analyst):
    text = "CustomerID,item,When\n,p1,2026-01-01 10:00\n,p2,2026-01-02 10:00\n"
    say(analyst, upload(analyst, text), "run", **PURCHASES)
    perform(ImportJob, importing.run_import)
    job = ImportJob.objects.get()
    assert job.rows_rejected == 2
    content = job_page(analyst, job).content.decode()
    assert "No row of this file can come in" in content
    assert "Change the columns" in content and "Bring it in" not in content


def test_a_cancelled_import_says_what_became_of_the_rest(analyst):
    source = Source.objects.create(name="shop")
    facts = {"kind": "events", "source": source, "path": "gone.csv"}
    counts = {"rows_read": 15, "rows_new": 2, "message": "Cancelled."}
    job = ImportJob.objects.create(**facts, **counts, status="cancelled")
    content = job_page(analyst, job).content.decode()
    assert "the other rows have not come in" in content
    assert content.count("Cancelled.") == 1  # under “How it ran”, not by the badge


def job_page(client: Client, job: ImportJob):
    return client.get(page(ImportJob, "change", job.pk))


def test_changes_on_items_are_shown_old_and_new(analyst):
    Item.objects.create(external_id="p1", title="Shoe", price=5)
    shown = upload(analyst, "item,title,price\np1,Boot,6\n", kind="items")
    say(analyst, shown, "run")
    perform(ImportJob, importing.run_import)
    text = analyst.get(page(ImportJob, "change", ImportJob.objects.get().pk)).text
    assert "What would change" in text and "Shoe" in text and "Boot" in text


def test_the_columns_of_a_dry_run_can_be_changed_and_tried_again(analyst):
    say(analyst, upload(analyst), "run", **PURCHASES)
    tried = ImportJob.objects.get()
    perform(ImportJob, importing.run_import)
    shown = analyst.get(page(ImportJob, "again", tried.pk), follow=True)
    assert f"Read as import {tried.pk} was." in shown.content.decode()
    assert row_of(shown, "kind")["column"].constant == "purchase"
    say(analyst, shown, "run", **{"f3-constant": "view"})
    assert ImportJob.objects.latest("pk").columns["kind"] == "=view"


def test_a_mended_file_of_rejects_is_read_as_the_import_was(analyst):
    shown = upload(analyst, MESSY, encoding="cp1252")
    say(analyst, shown, "run", **MESSY_COLUMNS)
    perform(ImportJob, importing.run_import)
    job = ImportJob.objects.get()
    mended = importing.rejects_path(job).read_bytes().replace(b"viel", b"9,90")
    first = analyst.get(page(ImportJob, "add"), {"like": job.pk})
    assert f'value="job:{job.pk}" selected' in first.content.decode()
    file = SimpleUploadedFile("rejected.csv", mended)
    form = {"kind": "events", "file": file, "source": "tills"}
    address = f"{page(ImportJob, 'add')}?like={job.pk}"
    shown = analyst.post(address, {**form, "mapping": f"job:{job.pk}"}, follow=True)
    assert not shown.context["page"].problems
    assert shown.context["page"].preview.n_rejected == 0


def test_a_file_is_brought_in_once(analyst):
    say(analyst, upload(analyst), "run", **PURCHASES)
    perform(ImportJob, importing.run_import)
    tried = ImportJob.objects.get()
    analyst.post(page(ImportJob, "do", tried.pk, "bring_in"))
    analyst.post(page(ImportJob, "do", tried.pk, "bring_in"))
    assert ImportJob.objects.filter(is_dry_run=False).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_bring_a_file_in_once(analyst, monkeypatch):
    say(analyst, upload(analyst), "run", **PURCHASES)
    perform(ImportJob, importing.run_import)
    tried = ImportJob.objects.get()
    together = threading.Barrier(2)
    check = imports._can_come_in

    def checked(job):
        answer = check(job)
        if not connection.in_atomic_block:  # the page's own check, before the deed's
            together.wait(10)
        return answer

    monkeypatch.setattr(ImportJobAdmin, "get_deeds", deeds_that_fit(checked))

    def click():
        client = Client()
        client.force_login(get_user_model().objects.get())
        client.post(page(ImportJob, "do", tried.pk, "bring_in"))
        connection.close()

    clicks = [threading.Thread(target=click) for _number in range(2)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert ImportJob.objects.filter(is_dry_run=False).count() == 1


def deeds_that_fit(check):
    """The deeds of an import, with another way to ask whether it can come in."""
    get_deeds = ImportJobAdmin.get_deeds

    def deeds(admin):
        return [
            replace(deed, fits=check) if deed.name == "bring_in" else deed
            for deed in get_deeds(admin)
        ]

    return deeds


def test_deeds_work_by_the_addresses_that_their_buttons_have(analyst):
    say(analyst, upload(analyst), "run", **PURCHASES)
    perform(ImportJob, importing.run_import)
    tried = ImportJob.objects.get()
    shown = analyst.get(page(ImportJob, "change", tried.pk))
    button = next(b for b in shown.context["deeds"] if b["deed"].name == "bring_in")
    analyst.post(button["url"])
    assert ImportJob.objects.filter(is_dry_run=False).count() == 1


def test_an_import_is_asked_about_before_it_is_taken_back(analyst):
    source = Source.objects.create(name="web")
    job = ImportJob.objects.create(
        kind="events", source=source, path="x", status="done", rows_new=12
    )
    assert "It brought 12 new rows" in analyst.get(page(ImportJob, "undo", job.pk)).text
    assert not UndoJob.objects.exists()
    ImportJob.objects.update(is_dry_run=True)
    answer = analyst.get(page(ImportJob, "undo", job.pk), follow=True)
    assert "cannot be taken back" in answer.content.decode()


def test_an_undo_that_stopped_half_way_says_how_it_goes_on(analyst):
    source = Source.objects.create(name="web")
    job = ImportJob.objects.create(
        kind="events", source=source, path="x", status="done", rows_new=12
    )
    undo = UndoJob.objects.create(job=job, status="cancelled")
    shown = analyst.get(page(ImportJob, "change", job.pk)).text
    assert "It was not taken back" in shown
    UndoJob.objects.filter(pk=undo.pk).update(rows_removed=5)
    shown = analyst.get(page(ImportJob, "change", job.pk)).text
    assert "It is half taken back" in shown and "goes on where it stopped" in shown


def test_only_who_may_has_the_rejected_rows_of_customers(analyst):
    source = Source.objects.create(name="web")
    job = ImportJob.objects.create(
        kind="customers", source=source, path="x", status="done", rows_rejected=1
    )
    address = page(ImportJob, "rejects", job.pk)
    assert analyst.get(address).status_code == 403
    assert signed_in("Privacy officer").get(address).status_code != 403
    ImportJob.objects.update(kind="events")
    assert analyst.get(address).status_code != 403
    assert signed_in("Viewer").get(address).status_code == 403


def test_no_table_is_a_sentence_on_the_first_page(analyst):
    answer = upload(analyst, "<!doctype html><html><body>no</body></html>")
    assert "web page, not a table" in answer.content.decode()
    assert answer.request["PATH_INFO"] == page(ImportJob, "add")
    assert "is empty" in upload(analyst, "").content.decode()


def test_a_file_without_rows_shows_no_rows(analyst):
    shown = upload(analyst, "customer,item,occurred_at,kind\n")
    assert "column names but no rows" in shown.content.decode()


def test_the_second_page_takes_no_path_from_strangers(analyst):
    forged = {"upload": '{"path": "/etc/passwd"}'}
    answer = analyst.post(page(ImportJob, "columns"), forged)
    assert answer.url == page(ImportJob, "add")
    answer = analyst.get(page(ImportJob, "columns"), forged)
    assert answer.url == page(ImportJob, "add")


def test_a_viewer_cannot_bring_data_in_or_take_it_back(analyst):
    say(analyst, upload(analyst), "run", **PURCHASES)
    job = ImportJob.objects.get()
    viewer = signed_in("Viewer")
    assert viewer.get(page(ImportJob, "add")).status_code == 403
    assert viewer.post(page(ImportJob, "columns"), {}).status_code == 403
    assert viewer.get(page(ImportJob, "again", job.pk)).status_code == 403
    assert viewer.post(page(ImportJob, "undo", job.pk)).status_code == 403
    assert viewer.post(page(ImportJob, "do", job.pk, "bring_in")).status_code == 403
    assert "Bring the mended" not in viewer.get(page(ImportJob, "change", job.pk)).text


def test_a_sealed_upload_says_what_was_uploaded(analyst):
    shown = upload(analyst)
    query = parse_qs(urlparse(shown.redirect_chain[-1][0]).query)
    told = unseal(query["upload"][0])
    assert (told["name"], told["source"], told["kind"]) == (
        "sales.csv",
        "tills",
        "events",
    )
    assert unseal(seal(told)) == told


def test_progress_is_told_in_rows_or_in_bytes_as_people_say_them(analyst):
    source = Source.objects.create(name="web")
    reading = {"progress_done": 3 * 2**20, "progress_total": 2**30}
    job = ImportJob.objects.create(
        kind="events", source=source, path="x", status="running", **reading
    )
    ImportJob.objects.update(progress_unit="bytes")
    shown = analyst.get(page(ImportJob, "progress", job.pk)).text
    assert "3.0\xa0MB / 1.0\xa0GB" in shown
    ImportJob.objects.update(progress_done=1200, progress_total=4800)
    ImportJob.objects.update(progress_unit="rows")
    shown = analyst.get(page(ImportJob, "progress", job.pk)).text
    assert "1,200 / 4,800 rows" in shown


def test_a_refusal_is_one_line_in_the_log():
    keep = settings.LOGGING["filters"]["refusals"]["callback"]
    trace = (ValueError, ValueError(), None)
    told = ("", 1, "Forbidden", None, trace)
    refused = logging.LogRecord("django.request", logging.WARNING, *told)
    broken = logging.LogRecord("django.request", logging.ERROR, *told)
    assert keep(refused) and keep(broken)
    assert refused.exc_info is None and broken.exc_info == trace

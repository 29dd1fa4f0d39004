"""Lists as files: exports, and small tables with a preview before anything changes."""

from __future__ import annotations

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from segmentation import tasks
from segmentation.models import (
    AuditEntry,
    Customer,
    ExportJob,
    ImportJob,
    Item,
)
from segmentation.services import exporting, importing
from tests.segmentation.test_admin import make_rows, page, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> Client:
    return signed_in(is_superuser=True)


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

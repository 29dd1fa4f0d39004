"""A new operator and a messy file, in a real browser: mapped, tried, in, undone."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from segmentation.models import Event, Identity, ImportJob, Item, UndoJob
from tests import storefront
from tests.flows.test_browser import DEED_MS, Operator, choose_column, field_of

pytestmark = [pytest.mark.slow, pytest.mark.browser]

N_LINES, N_BAD = 400, 4


def write_till(path: Path) -> None:
    """As a till of a German shop exports: semicolons, cp1252, commas, and mistakes."""
    chance = random.Random(4)
    lines = ["Kundennr;Artikel-Nr.;Bezeichnung;Datum;Menge;Einzelpreis;Vorgang"]
    for number in range(N_LINES):
        day = f"{chance.randint(1, 12):02d}/{chance.randint(1, 12):02d}/2024"
        cents = chance.randint(10, 99)
        price = f"{chance.randint(1, 99)},{cents} $"
        if number % 3 == 0:
            price = f"{chance.randint(1, 3)}.{chance.randint(100, 999)},{cents}"
        cells = [
            f"K-{chance.randint(1, 60):04d}",
            f"{chance.randint(1, 25):05d}",
            f"Müsli Größe {number % 5}",
            f"{day} {number % 24:02d}:{number % 60:02d}",
            str(chance.randint(1, 4)),
            price,
            chance.choice(["Kauf", "Kauf", "Retoure", "Ansicht"]),
        ]
        if number == 7:
            cells[3] = "gestern"
        if number == 20:
            cells[0] = ""
        if number == 33:
            cells[5] = "viel"
        if number == 50:
            cells.append("zu viel")
        lines.append(";".join(cells))
    path.write_bytes("\r\n".join(lines).encode("cp1252"))


@pytest.fixture
def operator(started, live_web, page) -> Operator:
    storefront.start_afresh()
    started.manage("work")
    return Operator(page, live_web, "anna", "Analyst")


def test_a_messy_file_is_mapped_tried_brought_in_and_undone(operator, tmp_path):
    write_till(tmp_path / "kasse.csv")
    page = operator.page
    operator.log_in()
    operator.go("Imports", "Bring a file in")
    page.get_by_label("File:").set_input_files(tmp_path / "kasse.csv")
    assert page.get_by_label("Source:").input_value() == "shop"
    operator.click("Upload")
    operator.see("Western European (Windows-1252)")
    operator.check()
    map_the_columns(operator)
    page.get_by_label("Keep this mapping as").fill("till")
    operator.click("Dry run")
    see_what_it_would_do(operator)
    operator.click("Bring it in")
    operator.see("What it brought", DEED_MS)
    operator.check()
    assert Event.objects.count() == N_LINES - N_BAD
    take_it_back(operator)
    the_next_file_is_read_by_itself(operator, tmp_path / "kasse.csv")
    look_at_the_other_pages_of_data(operator)


def test_a_large_file_shows_how_far_it_is_and_can_be_stopped(operator, tmp_path):
    line = "c1,p1,view,2026-01-01 10:00\n"
    (tmp_path / "large.csv").write_text(f"customer,item,event,time\n{line * 100_000}")
    page = operator.page
    operator.log_in()
    operator.go("Imports", "Bring a file in")
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 1, "downloadThroughput": -1}
    network.send("Network.enable")
    network.send(
        "Network.emulateNetworkConditions", slow | {"uploadThroughput": 500_000}
    )
    page.get_by_label("File:").set_input_files(tmp_path / "large.csv")
    operator.click("Upload")
    bar = page.get_by_role("progressbar", name="Upload")
    expect(bar).to_have_attribute("aria-valuenow", re.compile("[1-9]"), timeout=9_000)
    operator.see("The file is on its way.")
    operator.check()
    operator.click("Stop the upload")
    expect(bar).to_be_hidden()
    expect(page.get_by_role("button", name="Stop the upload")).to_be_hidden()
    network.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})
    operator.click("Upload")
    operator.see("Which column is what?")


def map_the_columns(operator: Operator) -> None:
    """Each choice shows at once what the rows become; what is doubtful is asked."""
    page = operator.page
    page.evaluate("window.isSamePage = true")
    choose_column(page, "Customer", "Kundennr")
    choose_column(page, "Item", "Artikel-Nr.")
    choose_column(page, "What happened", "Vorgang")
    kinds = field_of(page, "What happened")
    words = {"kauf": "purchase", "retoure": "return", "ansicht": "view"}
    for word, kind in words.items():
        kinds.get_by_label(f"“{word}” means").select_option(kind)
    operator.see("can be read day first or month first")
    operator.see("When: say how the column is written.")
    page.get_by_text("more fields that the file may have").click()
    choose_column(page, "Quantity", "Menge")
    choose_column(page, "Price", "Einzelpreis")
    when = field_of(page, "When")
    when.get_by_label("How is it written").select_option("dmy")
    arrived = page.locator("#st-preview")
    expect(arrived.get_by_text("rejected").first).to_be_visible()
    expect(arrived.get_by_text("is not a date written").first).to_be_visible()
    expect(arrived.get_by_role("cell", name="return").first).to_be_visible()
    expect(when.get_by_text("can be read")).to_be_hidden()
    assert page.evaluate("window.isSamePage")
    operator.check()


def see_what_it_would_do(operator: Operator) -> None:
    page = operator.page
    page.wait_for_url("**/change/")
    operator.see("What the import would do", DEED_MS)
    operator.check()
    counts = page.locator(".st-sum .st-stat b").all_inner_texts()
    wanted = [N_LINES - N_BAD, 0, 0, 0, N_BAD, 0, N_LINES]
    assert [int(text) for text in counts] == wanted
    for value in ("gestern", "viel", "nobody did this", "more or fewer cells"):
        operator.see(value)
    assert not Event.objects.exists()


def take_it_back(operator: Operator) -> None:
    page = operator.page
    operator.go("Undo this import…")
    operator.see("unless they are in use")
    operator.check()
    operator.click("Yes, take it back")
    expect(page.get_by_role("heading", name="Taken back")).to_be_visible(
        timeout=DEED_MS
    )
    operator.check()
    undo = UndoJob.objects.get()
    assert undo.rows_removed >= N_LINES - N_BAD and undo.rows_kept == 0
    left = [model.objects.count() for model in (Event, Item, Identity)]
    assert left == [0, 0, 0]


def look_at_the_other_pages_of_data(operator: Operator) -> None:
    """Those that the way of a file does not lead over; each with a row or two."""
    pages = (
        "qualityreport/look/",
        "suspicion/",
        "merge/add/",
        "source/",
        "mapping/",
        "undojob/",
        "exportjob/",
        "item/import/",
        "item/export/",
    )
    for name in pages:
        operator.page.goto(f"{operator.address}/admin/segmentation/{name}")
        operator.check()


def the_next_file_is_read_by_itself(operator: Operator, path: Path) -> None:
    operator.go("Imports", "Bring a file in")
    operator.page.get_by_label("File:").set_input_files(path)
    operator.click("Upload")
    operator.see("Read as you kept it under “till”")
    operator.click("Dry run")
    operator.page.wait_for_url("**/change/")
    assert ImportJob.objects.latest("pk").columns["occurred_at"]["date"] == "dmy"

"""The way of a file through the pages: upload, columns, dry run, in, and back again."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from segmentation import tasks
from segmentation.models import (
    AuditEntry,
    Event,
    ImportJob,
    Mapping,
    Source,
    UndoJob,
)
from segmentation.services import importing
from tests.segmentation.test_admin import page, signed_in

pytestmark = pytest.mark.django_db

PLAIN = "CustomerID,item,When\nc1,p1,2026-01-01 10:00\nc2,p2,2026-01-02 10:00\n"
MESSY = (
    "Klant;Artikel;Datum;Preis;Vorgang\n"
    "Jörg;a1;01/02/2024 10:00;1.234,56;Kauf\n"
    "Käthe;a2;03/02/2024 11:00;7,50 $;Retoure\n"
    "Jörg;a2;04/02/2024 11:00;viel;Kauf\n"
    "Özgür;a1;05/02/2024 09:00;3,10;Kauf\n"
)
MESSY_COLUMNS = {
    "f0-source": "Klant",
    "f2-source": "Artikel",
    "f3-source": "Vorgang",
    "f3-was": "Vorgang",
    "f3-word": ["kauf", "retoure"],
    "f3-meaning": ["purchase", "return"],
    "f4-source": "Datum",
    "f4-was": "Datum",
    "f4-written": "dmy",
    "f7-source": "Preis",
}


@pytest.fixture
def analyst() -> Client:
    return signed_in("Analyst")


def upload(client: Client, text: str = PLAIN, *, encoding="utf-8", **fields):
    """Upload a file and follow to its columns."""
    file = SimpleUploadedFile("sales.csv", text.encode(encoding))
    form = {"kind": "events", "file": file, "source": "tills", **fields}
    return client.post(page(ImportJob, "add"), form, follow=True)


def told(shown, action: str = "preview", **said) -> dict:
    """What the form of a page posts; ``said`` is changed in it."""
    found = {"upload": shown.context["sealed"], "action": action}
    state = shown.context["page"]
    found |= {"signature": state.signature, "own": state.keep_form.own}
    found["save_mark"] = state.keep_form["save_mark"].value() or ""
    for row in state.rows:
        for bound in row["form"]:
            found[bound.html_name] = bound.value() or ""
        lines = [line for line in row["table"] if line["word"]]
        found[f"{row['form'].prefix}-word"] = [line["word"] for line in lines]
        found[f"{row['form'].prefix}-meaning"] = [line["meaning"] for line in lines]
    for bound in [*state.rules_form, *state.layout_form]:
        found[bound.html_name] = bound.value() or ""
    found["more"] = [row["target"] for row in state.rows if row["is_more"]]
    return {name: value for name, value in (found | said).items() if value != ""}


def say(client: Client, shown, action: str = "preview", **said):
    return client.post(page(ImportJob, "columns"), told(shown, action, **said))


def row_of(shown, target: str) -> dict:
    return next(r for r in shown.context["page"].rows if r["target"] == target)


def perform(model, deed) -> None:
    tasks.perform(model.objects.latest("pk"), deed)


def test_an_upload_shows_how_it_is_read_and_a_guess_for_each_column(analyst):
    shown = upload(analyst)
    text = shown.content.decode()
    assert row_of(shown, "customer")["column"].headers == ("CustomerID",)
    assert "is a usual name for customer" in text
    assert "comma ," in text and "UTF-8" in text
    assert row_of(shown, "occurred_at")["cells"][0]["raw"] == "2026-01-01 10:00"
    assert not ImportJob.objects.exists()


def test_a_script_that_uploads_hears_where_to_go_on_or_what_is_wrong(analyst):
    """It shows how much has gone, and must not fetch the next page itself."""

    def sent(**fields):
        file = SimpleUploadedFile("sales.csv", PLAIN.encode())
        data = {"kind": "events", "file": file, "source": "till", **fields}
        headers = {"X-Strata-Fragment": "1"}
        return analyst.post(page(ImportJob, "add"), data, headers=headers)

    told = sent()
    assert analyst.get(told.json()["address"]).context["upload"]["name"] == "sales.csv"
    wrong = sent(mapping="builtin:shopify-products")
    assert wrong.status_code == 422
    assert "This mapping is for items." in wrong.content.decode()
    assert "<html" not in wrong.content.decode()


def test_the_upload_begins_with_the_kind_that_the_start_page_asked_for(analyst):
    shown = analyst.get(page(ImportJob, "add"), {"kind": "items"}).content.decode()
    assert '<option value="items" selected>' in shown


def test_what_is_missing_is_a_sentence_not_a_job(analyst):
    shown = upload(analyst)
    answer = say(analyst, shown, "run", **{"f3-source": ""})
    assert "Still without a column: What happened." in answer.content.decode()
    assert not ImportJob.objects.exists()


def test_the_whole_way_of_a_messy_file_and_back(analyst):
    shown = upload(analyst, MESSY, encoding="cp1252")
    shown = say(analyst, shown, **MESSY_COLUMNS)
    preview = shown.context["page"].preview
    assert (preview.n_rows, preview.n_rejected) == (4, 1)
    first = shown.context["arrivals"][0]["cells"]
    assert first == ["Jörg", "a1", "purchase", "2024-02-01 10:00", "1,234.56"]
    assert "Price is not a number written like" in shown.content.decode()
    analyst.post(page(ImportJob, "columns"), told(shown, "run", save_as="tills"))
    tried = ImportJob.objects.get()
    assert tried.is_dry_run and tried.source.name == "tills"
    perform(ImportJob, importing.run_import)
    assert not Event.objects.exists()
    assert "Bring it in" in analyst.get(page(ImportJob, "change", tried.pk)).text
    answer = analyst.post(page(ImportJob, "do", tried.pk, "bring_in"))
    job = ImportJob.objects.latest("pk")
    assert answer.url == page(ImportJob, "change", job.pk) and not job.is_dry_run
    perform(ImportJob, importing.run_import)
    job.refresh_from_db()
    assert (job.rows_new, job.rows_rejected) == (3, 1) and Event.objects.count() == 3
    text = analyst.get(page(ImportJob, "change", job.pk)).content.decode()
    assert "Undo this import" in text and "viel" in text
    assert "would go" not in text
    analyst.post(page(ImportJob, "undo", job.pk))
    perform(UndoJob, importing.run_undo)
    text = analyst.get(page(ImportJob, "change", job.pk)).content.decode()
    assert "Taken back" in text and not Event.objects.exists()
    done = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert done == ["add", "dry_run", "import", "undo"]


def test_an_order_of_day_and_month_that_nobody_can_know_is_asked(analyst):
    said = {**MESSY_COLUMNS, "f4-written": ""}
    shown = say(analyst, upload(analyst, MESSY), "run", **said)
    assert not ImportJob.objects.exists()
    assert (
        "can be read day first or month first" in row_of(shown, "occurred_at")["doubt"]
    )
    assert "When: say how the column is written." in shown.content.decode()
    say(analyst, shown, "run", **MESSY_COLUMNS)
    assert ImportJob.objects.get().columns["occurred_at"]["date"] == "dmy"


def test_another_column_forgets_what_was_said_about_the_former(analyst):
    text = (
        "who,item,day,seen\nc1,p1,01.02.2024,1706724300\nc2,p2,31.01.2024,1706724400\n"
    )
    shown = upload(analyst, text)
    said = {"f4-source": "day", "f4-was": "day", "f4-written": "dmy"}
    shown = say(analyst, shown, **said)
    shown = say(analyst, shown, **{"f4-source": "seen"})
    assert row_of(shown, "occurred_at")["column"].format.date == "epoch_s"


def test_a_change_of_delimiter_guesses_the_columns_anew(analyst):
    shown = upload(analyst)
    shown = say(analyst, shown, **{"layout-delimiter": ";"})
    assert shown.context["page"].seen.headers == ["CustomerID,item,When"]
    assert row_of(shown, "customer")["column"] is None
    shown = say(analyst, shown, **{"layout-delimiter": ""})
    assert row_of(shown, "customer")["column"].headers == ("CustomerID",)


def test_a_workbook_of_several_sheets_asks_which(analyst, tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["note", "of"])
    book.active.append(["hello", "2024"])
    sales = book.create_sheet("sales")
    sales.append(["customer", "item", "occurred_at", "kind"])
    sales.append(["c1", "p1", "2026-01-01", "view"])
    book.save(tmp_path / "book.xlsx")
    data = (tmp_path / "book.xlsx").read_bytes()
    file = SimpleUploadedFile("book.xlsx", data)
    form = {"kind": "events", "file": file, "source": "tills"}
    shown = analyst.post(page(ImportJob, "add"), form, follow=True)
    assert "Choose for it: sheet" in " ".join(shown.context["page"].problems)
    shown = say(analyst, shown, "run", **{"layout-sheet": "sales"})
    assert not shown.context["page"].problems
    again = say(analyst, shown, "run")
    assert again.url == page(ImportJob, "change", ImportJob.objects.get().pk)
    assert ImportJob.objects.get().layout["sheet"] == "sales"


def test_an_encoding_that_cannot_be_told_is_asked(analyst):
    text = "customer,item,occurred_at,kind,name\nc1,p1,2026-01-01,view,数\n"
    shown = upload(analyst, text, encoding="gb18030")
    assert "encoding" in shown.context["page"].seen.detected.doubts
    say(analyst, shown, "run")
    assert not ImportJob.objects.exists()
    say(analyst, shown, "run", **{"layout-encoding": "gb18030"})
    assert ImportJob.objects.get().layout["encoding"] == "gb18030"


def test_a_file_with_types_of_its_own_is_shown_without_what_nobody_can_read(analyst):
    day = datetime(2026, 1, 1, tzinfo=UTC)
    table = pa.table(
        {
            "customer": pa.array([7, 8]),
            "item": pa.array([1.0, 2.0]),
            "occurred_at": pa.array([day, day]),
            "kind": pa.array(["view", "buy"]).dictionary_encode(),
            "picture": pa.array([b"\xff", None]),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    file = SimpleUploadedFile("events.parquet", sink.getvalue())
    form = {"kind": "events", "file": file, "source": "tills"}
    shown = analyst.post(page(ImportJob, "add"), form, follow=True)
    assert shown.context["page"].seen.headers == list(table.column_names[:4])
    cells = [row["cells"][:3] for row in shown.context["arrivals"]]
    assert cells == [["7", "1", "view"], ["8", "2", "purchase"]]


def test_a_warning_that_a_file_would_come_in_twice_stands_on_top(analyst):
    source = Source.objects.create(name="web")
    job = ImportJob.objects.create(
        kind="events", source=source, path="x", is_dry_run=True, status="done"
    )
    ImportJob.objects.update(findings={"rekeyed": "All would come in twice."})
    shown = analyst.get(page(ImportJob, "change", job.pk)).text
    assert 'role="alert"><strong>Careful:</strong> All would come in twice.' in shown


def test_a_fragment_is_only_the_parts_that_change(analyst):
    shown = upload(analyst)
    headers = {"X-Strata-Fragment": "1"}
    address = page(ImportJob, "columns")
    text = analyst.post(address, told(shown), headers=headers).text
    assert 'id="st-preview"' in text and "<html" not in text
    forged = {"upload": "no"}
    answer = analyst.post(address, forged, headers=headers)
    assert answer.status_code == 422 and "too old" in answer.text


def test_a_kept_mapping_is_found_again_by_the_names_of_the_columns(analyst):
    shown = upload(analyst, MESSY, encoding="cp1252")
    say(analyst, shown, "run", **MESSY_COLUMNS, save_as="tills")
    kept = Mapping.objects.get()
    assert kept.signature and kept.columns == ImportJob.objects.get().columns
    again = upload(analyst, MESSY, encoding="cp1252")
    assert "Read as you kept it under “tills”" in again.content.decode()
    assert not again.context["page"].problems
    assert row_of(again, "occurred_at")["column"].format.date == "dmy"
    fresh = say(analyst, again, "guess")
    assert row_of(fresh, "customer")["column"] is None


def test_of_two_tabs_on_a_kept_mapping_the_later_is_told(analyst):
    shown = upload(analyst, MESSY, encoding="cp1252")
    say(analyst, shown, "run", **MESSY_COLUMNS, save_as="tills")
    one, other = (upload(analyst, MESSY, encoding="cp1252") for _tab in "ab")
    kept_as = {"save_as": "tills"}
    say(analyst, one, "run", **kept_as | {"f2-default": "theirs"})
    theirs = Mapping.objects.get().columns
    n_jobs = ImportJob.objects.count()
    mine = kept_as | {"f2-default": "mine"}
    # A preview says so too, and goes on saying it.
    for action in ("preview", "preview", "run"):
        other = say(analyst, other, action, **mine)
        assert "Somebody changed “tills” since this page was opened" in other.text
        assert 'value="mine"' in other.text
    assert Mapping.objects.get().columns == theirs
    assert ImportJob.objects.count() == n_jobs
    answer = say(analyst, other, "run", **mine)
    assert answer.status_code == 302
    assert "mine" in str(Mapping.objects.get().columns)


def test_of_two_tabs_on_a_mapping_as_json_the_later_is_told(analyst):
    row = Mapping.objects.create(name="mine", kind="events", columns={"item": "x"})
    address = page(Mapping, "change", row.pk)
    form = analyst.get(address).context["adminform"].form
    told = {bound.html_name: bound.value() for bound in form}
    told |= {"layout": "{}", "rules": "{}"}
    assert analyst.post(address, told | {"columns": '{"item": "y"}'}).status_code == 302
    answer = analyst.post(address, told | {"columns": '{"item": "z"}'})
    assert "Somebody changed this mapping since you opened it" in answer.text
    assert "&quot;z&quot;" in answer.text
    row.refresh_from_db()
    assert row.columns == {"item": "y"}
    form = answer.context["adminform"].form
    again = told | {"columns": '{"item": "z"}', "mark": form["mark"].value()}
    assert analyst.post(address, again).status_code == 302
    row.refresh_from_db()
    assert row.columns == {"item": "z"}


def test_a_name_of_another_mapping_is_not_written_over(analyst):
    Mapping.objects.create(name="mine", kind="events", columns={"item": "x"})
    shown = say(analyst, upload(analyst), "run", save_as="mine", **PURCHASES)
    assert "a mapping of this name already" in shown.content.decode()
    assert not ImportJob.objects.exists()


PURCHASES = {"f3-source": "=", "f3-was": "=", "f3-constant": "purchase"}
PURCHASES |= {"f4-source": "When", "f4-was": "When", "f4-written": "plain"}


def test_transforms_are_said_without_code(analyst):
    text = "user,sku,day,clock,n\nc1;x,p1,2026-01-01,10:00,\n,p2,2026-01-01,11:30,2\n"
    said = {
        **PURCHASES,
        "f0-source": "user",
        "f0-was": "user",
        "f0-fill_down": "on",
        "f0-split_by": ";",
        "f0-split_part": "1",
        "f4-source": "day",
        "f4-was": "day",
        "f4-more_0": "clock",
        "f4-together": "joined",
        "f4-join": " ",
        "f6-source": "n",
        "f6-was": "n",
        "f6-default": "5",
    }
    shown = say(analyst, upload(analyst, text), **said)
    cells = [row["cells"] for row in shown.context["arrivals"]]
    assert cells[0] == ["c1", "p1", "purchase", "2026-01-01 10:00", "5"]
    assert cells[1] == ["c1", "p2", "purchase", "2026-01-01 11:30", "2"]


def test_a_header_that_is_not_there_is_said_beside_the_field(analyst):
    said = {**PURCHASES, "f0-more_0": "Nope"}
    shown = say(analyst, upload(analyst), "run", **said)
    assert "The file has no column “Nope”." in shown.content.decode()
    assert not ImportJob.objects.exists()


def test_a_file_of_who_is_who_finds_its_columns(analyst):
    """Each kind of file has names of its own to be guessed by."""
    lines = "customer,source,same_as,same_source\nW1,web,T1,till\n"
    shown = upload(analyst, lines, kind="links")
    assert shown.status_code == 200
    say(analyst, shown, "run")
    names = ("customer", "source", "same_as", "same_source")
    assert ImportJob.objects.get().columns == {name: name for name in names}


def test_rules_go_with_the_job(analyst):
    said = {**PURCHASES, "rules-unknown_items": "reject", "rules-fill": ["price"]}
    say(analyst, upload(analyst), "run", **said)
    rules = ImportJob.objects.get().rules
    assert (rules["unknown_items"], rules["fill"]) == ("reject", ["price"])
    assert rules["unknown_customers"] == "create"


def test_a_known_export_is_read_as_such(analyst):
    lines = "1,10,100,pv,1511544070\n1,11,100,buy,1511561733\n"
    shown = upload(analyst, lines, mapping="builtin:taobao-user-behavior")
    assert "Taobao" in shown.content.decode()
    assert shown.context["arrivals"][1]["cells"][2] == "purchase"
    wrong = upload(analyst, lines, kind="items", mapping="builtin:shopify-orders")
    assert "This mapping is for events." in wrong.content.decode()


def test_other_columns_of_items_are_kept_as_attributes(analyst):
    shown = upload(analyst, "item,title,colour\np1,Shoe,red\n", kind="items")
    say(analyst, shown, "run", keep_rest="on")
    assert ImportJob.objects.get().columns["attributes.colour"] == "colour"

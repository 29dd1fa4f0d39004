"""Files become rows: nothing vanishes, nothing twice, nothing half."""

from __future__ import annotations

import contextlib
import shutil

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from segmentation import frames, tasks
from segmentation.models import (
    Category,
    Customer,
    Event,
    Identity,
    ImportJob,
    Item,
    ItemChange,
    Kind,
    Notice,
    Source,
)
from segmentation.models.fields import fingerprint
from segmentation.services import catalog, events, importing, jobs
from segmentation.services.importing import applying, pacing, reading, staging
from tests.segmentation.services.imports import (
    bring_in,
    counts,
    parquet,
    queue,
    rejects,
    write,
)

pytestmark = pytest.mark.django_db

LINES = """customer,item,occurred_at,quantity,amount,order
c-1,tea,2017-01-31 10:00:00,2,3.0,b-1
c-1,milk,2017-01-31 10:00:00,1,1.1,b-1
c-2,tea,2017-02-01 11:30:00,1,1.5,b-2
"""
SALES = {
    "customer": "customer",
    "item": "item",
    "occurred_at": "occurred_at",
    "quantity": "quantity",
    "amount": "amount",
    "order": "order",
    "kind": "=purchase",
}


def refusal(kind, path, columns=None, **options) -> str:
    """The sentence an import is refused with; afterwards nothing of it is there."""
    job = queue(kind, path, columns, **options)
    with pytest.raises(jobs.Refused), jobs.hold(job) as held:
        importing.run_import(job, held)
    job.refresh_from_db()
    assert job.status == ImportJob.Status.FAILED
    assert not Event.objects.exists() and not Item.objects.exists()
    assert not Customer.objects.exists()
    return job.message


def test_a_csv_becomes_events_of_customers_with_items(tmp_path):
    job = bring_in("events", write(tmp_path, LINES), SALES)
    assert counts(job) == (3, 0, 0, 0, 0, 0)
    tea = Item.objects.get(external_id="tea")
    first = Event.objects.get(item_id=tea.pk, quantity=2)
    assert (first.kind, first.amount, first.price) == (Kind.PURCHASE, 3.0, 1.5)
    assert first.occurred_at.isoformat() == "2017-01-31T10:00:00+00:00"
    assert first.import_id == job.pk
    identity = Identity.objects.get(external_id="c-1")
    assert first.identity_id == identity.pk
    assert identity.source == Source.objects.get(name="shop")
    assert Customer.objects.count() == 2
    baskets = set(Event.objects.values_list("order_key", flat=True))
    assert len(baskets) == 2


def test_a_parquet_file_gives_the_same_events_as_the_csv(tmp_path):
    bring_in("events", write(tmp_path, LINES), SALES)
    rows = [line.split(",") for line in LINES.splitlines()[1:]]
    customer, item, at, quantity, amount, order = (
        list(column) for column in zip(*rows, strict=True)
    )
    path = parquet(
        tmp_path,
        customer=customer,
        item=item,
        occurred_at=at,
        quantity=[int(q) for q in quantity],
        amount=[float(a) for a in amount],
        order=order,
    )
    assert counts(bring_in("events", path, SALES)) == (0, 0, 0, 3, 0, 0)


def test_the_same_file_again_adds_nothing(tmp_path):
    path = write(tmp_path, LINES)
    bring_in("events", path, SALES)
    assert counts(bring_in("events", path, SALES)) == (0, 0, 0, 3, 0, 0)
    assert Event.objects.count() == 3


def test_an_overlapping_file_adds_what_is_new(tmp_path):
    bring_in("events", write(tmp_path, LINES), SALES)
    header, *lines = LINES.splitlines()
    more = "\n".join([header, *lines[1:], "c-3,tea,2017-02-02 09:00:00,1,1.5,b-3"])
    assert counts(bring_in("events", write(tmp_path, more), SALES)) == (
        1,
        0,
        0,
        2,
        0,
        0,
    )
    assert Event.objects.count() == 4


def test_identical_lines_are_separate_events_and_still_idempotent(tmp_path):
    header, line, *_rest = LINES.splitlines()
    twice = write(tmp_path, "\n".join([header, line, line]))
    assert counts(bring_in("events", twice, SALES)) == (2, 0, 0, 0, 0, 0)
    assert counts(bring_in("events", twice, SALES)) == (0, 0, 0, 2, 0, 0)
    thrice = write(tmp_path, "\n".join([header, line, line, line]))
    assert counts(bring_in("events", thrice, SALES)) == (1, 0, 0, 2, 0, 0)


def test_an_event_id_says_which_lines_are_one(tmp_path):
    text = "customer,item,occurred_at,event_id,kind\n" + "".join(
        f"c-1,{item},2017-01-31,{name},view\n"
        for item, name in (("tea", "e1"), ("milk", "e1"), ("tea", "e2"), ("tea", ""))
    )
    job = bring_in("events", write(tmp_path, text))
    assert counts(job) == (3, 0, 0, 1, 0, 0)
    # Another source may use the same ids for other events.
    job = bring_in("events", write(tmp_path, text), source="tills")
    assert counts(job) == (3, 0, 0, 1, 0, 0)


def test_event_ids_of_a_file_and_of_a_call_are_the_same_ids(
    tmp_path, django_user_model
):
    text = "customer,item,occurred_at,event_id,kind\nc-1,tea,2017-01-31,e1,view\n"
    job = bring_in("events", write(tmp_path, text))
    row = {"customer": "c-1", "item": "tea", "kind": "view", "event_id": "e1"}
    recorded = events.record_events([row], source=job.source, now=job.created_at)
    assert (recorded.n_new, recorded.n_duplicate) == (0, 1)


def test_a_dry_run_of_events_counts_the_same_and_changes_nothing(tmp_path):
    bring_in("events", write(tmp_path, LINES), SALES)
    before = sizes()
    header, line, *_rest = LINES.splitlines()
    more = [header, line, line, "c-9,cake,2017-02-02,1,1,b-9", "c-9,cake,never,1,1,b"]
    path = write(tmp_path, "\n".join(more))
    tried = bring_in("events", path, SALES, dry_run=True)
    assert sizes() == before
    assert counts(tried) == (2, 0, 0, 1, 1, 0)
    assert counts(bring_in("events", path, SALES)) == counts(tried)


@pytest.mark.parametrize("kind", ["items", "customers"])
def test_a_dry_run_of_described_rows_counts_the_same_and_changes_nothing(
    kind, tmp_path
):
    name, told = ("item", "title") if kind == "items" else ("customer", "name")
    extra = ",category" if kind == "items" else ",email"
    first = f"{name},{told}{extra}\na,One,x\nb,Two,y\n"
    bring_in(kind, write(tmp_path, first))
    before = sizes()
    more = f"{name},{told}{extra}\na,One,x\nb,2,y\nc,3,z\nc,4,z\n,5,z\n"
    path = write(tmp_path, more)
    tried = bring_in(kind, path, dry_run=True)
    assert sizes() == before
    assert counts(tried) == (1, 1, 1, 1, 1, 0)
    assert counts(bring_in(kind, path)) == counts(tried)


def sizes() -> list[int]:
    tables = (Event, Item, ItemChange, Category, Customer, Identity)
    return [table.objects.count() for table in tables]


def test_items_are_new_updated_unchanged_or_duplicate(tmp_path):
    first = write(tmp_path, "item,title,price\na,Tea,2\nb,Milk,1\nb,Milk,1.5\n")
    assert counts(bring_in("items", first)) == (2, 0, 0, 1, 0, 0)
    assert Item.objects.get(external_id="b").price == 1.5  # the last line wins
    second = write(tmp_path, "item,title,price\na,Tea,2\nb,Milk,1.2\nc,Cake,3\n")
    assert counts(bring_in("items", second)) == (1, 1, 1, 0, 0, 0)


def test_what_a_file_does_not_describe_stays_as_it_is(tmp_path):
    bring_in(
        "items",
        write(tmp_path, "item,title,brand,size\na,Tea,Best,L\n"),
        {"item": "item", "title": "title", "brand": "brand", "attributes.size": "size"},
    )
    bring_in("items", write(tmp_path, "item,available\na,no\n"))
    tea = Item.objects.get()
    assert (tea.title, tea.brand, tea.available) == ("Tea", "Best", False)
    assert tea.attributes == {"size": "L"}


def test_a_blank_cell_takes_nothing_back_from_an_item(tmp_path):
    columns = {name: name for name in ("item", "title", "price", "brand", "category")}
    columns |= {
        "available": "there",
        "attributes.size": "size",
        "attributes.hue": "hue",
    }
    header = "item,title,price,brand,category,there,size,hue\n"
    bring_in("items", write(tmp_path, header + "a,Tea,2,X,Hot,no,L,red\n"), columns)
    before = Item.objects.values().get()
    job = bring_in("items", write(tmp_path, header + "a,,,,,,,\n"), columns)
    assert counts(job) == (0, 0, 1, 0, 0, 0)
    assert Item.objects.values().get() == before
    path = write(tmp_path, header + "a,Green tea,,,,,,blue\nb,,,,,,,\n")
    tried = bring_in("items", path, columns, dry_run=True)
    job = bring_in("items", path, columns)
    assert counts(job) == counts(tried) == (1, 1, 0, 0, 0, 0)
    after, fresh = Item.objects.order_by("external_id").values()
    assert after.pop("title") == "Green tea"
    assert after.pop("attributes") == {"size": "L", "hue": "blue"}
    assert before.items() >= {n: v for n, v in after.items() if n[-3:] != "_at"}.items()
    assert (fresh["title"], fresh["available"], fresh["attributes"]) == ("", True, {})
    assert ItemChange.objects.count() == 1
    changed = {row[1] for row in job.findings["changes"]}
    assert changed == {"title", "attributes"}


def test_an_item_that_events_named_first_is_described_later(tmp_path):
    bring_in("events", write(tmp_path, LINES), SALES)
    job = bring_in(
        "items", write(tmp_path, "item,title,price\ntea,Tea,2\ncake,Cake,3\n")
    )
    assert counts(job) == (1, 1, 0, 0, 0, 0)
    assert Item.objects.get(external_id="tea").title == "Tea"


def test_prices_and_stock_are_kept_with_their_time(tmp_path):
    for text in ("a,2,yes", "a,2,yes", "a,3,yes", "a,3,no"):
        bring_in("items", write(tmp_path, f"item,price,available\n{text}\n"))
    history = ItemChange.objects.order_by("changed_at")
    assert list(history.values_list("price", "available")) == [
        (2.0, True),
        (3.0, True),
        (3.0, False),
    ]


def test_every_new_item_begins_a_history_of_its_own(tmp_path):
    for name in ("a", "b"):
        bring_in("items", write(tmp_path, f"item,price\n{name},2\n"))
    assert ItemChange.objects.count() == 2


def test_categories_are_made_once(tmp_path):
    bring_in("items", write(tmp_path, "item,category\na,Tea\nb,Tea\nc,\n"))
    bring_in("items", write(tmp_path, "item,category\nd,Tea\n"))
    assert list(Category.objects.values_list("name", flat=True)) == ["Tea"]
    assert Item.objects.get(external_id="c").category is None


PEOPLE = (
    "customer,email,name,phone,created_at\nc-1,Ada@Example.com,Ada,+49 1,2017-01-01\n"
)


def test_what_names_a_person_is_encrypted_and_can_be_found_by_a_hash(tmp_path):
    bring_in("customers", write(tmp_path, PEOPLE))
    ada = Customer.objects.get()
    assert (ada.email, ada.name, ada.phone) == ("Ada@Example.com", "Ada", "+49 1")
    assert ada.email_hash == fingerprint("ada@example.com")
    assert ada.created_at.isoformat() == "2017-01-01T00:00:00+00:00"
    with connection.cursor() as cursor:
        cursor.execute("SELECT email, name, phone FROM segmentation_customer")
        stored = " ".join(cursor.fetchone())
    assert "Ada" not in stored and "49" not in stored.split()


def test_unchanged_customers_are_not_rewritten(tmp_path):
    path = write(tmp_path, PEOPLE)
    bring_in("customers", path)
    before = Customer.objects.values().get()
    assert counts(bring_in("customers", path)) == (0, 0, 1, 0, 0, 0)
    assert Customer.objects.values().get() == before
    changed = write(tmp_path, PEOPLE.replace("Ada,", "Ada L.,"))
    assert counts(bring_in("customers", changed)) == (0, 1, 0, 0, 0, 0)
    ada = Customer.objects.get()
    assert (ada.name, ada.email) == ("Ada L.", "Ada@Example.com")


def test_a_dry_run_of_customers_makes_nobody_and_counts_the_same(tmp_path):
    bring_in("customers", write(tmp_path, PEOPLE))
    bring_in("customers", write(tmp_path, "customer,name\nc-2,Bob\nc-3,Cy\n"))
    text = (
        "customer,name,email\nc-1,Ada,Ada@Example.com\nc-2,Rob,\nc-3,Cy,c@x.example\n"
    )
    path = write(tmp_path, text + "c-4,Di,\nc-5,Ed,e@x.example\nc-4,Dora,\n")
    before = list(Customer.objects.order_by("pk").values())
    with CaptureQueriesContext(connection) as asked:
        tried = bring_in("customers", path, dry_run=True)
    made = [q["sql"] for q in asked if "INSERT INTO segmentation_identity" in q["sql"]]
    assert made == []
    assert list(Customer.objects.order_by("pk").values()) == before
    assert counts(tried) == (2, 2, 1, 1, 0, 0)
    job = bring_in("customers", path)
    assert counts(job) == counts(tried)
    assert job.findings["changes"] == tried.findings["changes"]
    assert ["c-3", "email", "", "•••"] in job.findings["changes"]


def test_a_blank_date_takes_none_back(tmp_path):
    bring_in("customers", write(tmp_path, PEOPLE))
    job = bring_in("customers", write(tmp_path, "customer,created_at\nc-1,\nc-2,\n"))
    assert counts(job) == (1, 0, 1, 0, 0, 0)
    known = Customer.objects.get(identities__external_id="c-1")
    assert known.created_at.year == 2017


@pytest.mark.parametrize(
    ("content", "encoding", "says"),
    [
        (b"", "", "is empty"),
        (b"customer,item,kind,occurred_at\n", "", "column names but no rows"),
        (b"customer,item", "", "column names but no rows"),
        (b"\n\nc-1,tea\n", "", "first line is blank"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "", "a file of the kind JPEG, not a table"),
        (b"customer,item\nc\x00,tea\n", "", "holds NUL bytes"),
        (b"  <!DOCTYPE html><html>", "", "web page"),
        (b"\xef\xbb\xbf<table><tr>", "", "web page"),
        (b"PAR1 and nothing more", "", "Parquet file is damaged"),
        ("customer,item\nJürgen,tea\n".encode("latin-1"), "utf-8", "not in utf-8"),
        (b"customer,item\nc,tea\n", "klingon", "“klingon” is no encoding"),
        (b"customer,item,item\nc,tea,tea\n", "", "Two columns are called item"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(content, encoding, says, tmp_path):
    path = write(tmp_path, content)
    assert says in refusal("events", path, encoding=encoding)
    assert Notice.objects.get().level == Notice.Level.ERROR


def test_bad_bytes_late_in_a_file_leave_nothing_behind(tmp_path):
    good = LINES.encode() + b"c-1,tea,2017-01-31 10:00,1,1,b-7\n" * 400_000
    path = write(tmp_path, good + "Jürgen,tea,2017-01-31,1,1,b\n".encode("latin-1"))
    assert "not in utf-8" in refusal("events", path, SALES, encoding="utf-8")


def test_a_missing_column_is_named_and_nothing_is_written(tmp_path):
    columns = SALES | {"amount": "revenue"}
    told = refusal("events", write(tmp_path, LINES), columns)
    assert "no column “revenue” (for amount)" in told


def test_a_file_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(jobs.Refused, match="There is no file"):
        queue("events", tmp_path / "nothing.csv")
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_guessed_from_the_header(delimiter, tmp_path):
    path = write(tmp_path, LINES.replace(",", delimiter))
    assert bring_in("events", path, SALES).rows_new == 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1", "gb18030"])
def test_a_file_in_another_encoding(encoding, tmp_path):
    name = "中文" if encoding == "gb18030" else "Jürgen"
    text = f"customer,item,occurred_at,kind\n{name},tea,2017-01-31,view\n"
    marked = encoding in ("utf-8-sig", "utf-16")
    bring_in(
        "events",
        write(tmp_path, text.encode(encoding)),
        encoding="" if marked else encoding,
    )
    assert Identity.objects.get().external_id == name


def test_ragged_lines_are_rejected_with_their_number_and_the_others_come_in(tmp_path):
    header, *lines = LINES.splitlines()
    text = "\n".join(
        [header, lines[0], "c-1,tea", lines[1], *["x,,,,,,,"], "bad" + lines[2]]
    )
    job = bring_in("events", write(tmp_path, text + ",2\n"), SALES)
    assert counts(job) == (2, 0, 0, 0, 3, 0)
    told = [(row["row"], row["reason"]) for row in rejects(job)]
    why = "has more or fewer cells than the header"
    assert told == [("3", why), ("5", why), ("6", why)]
    assert rejects(job)[0]["customer"] == "c-1"


def test_rows_are_numbered_as_a_person_counts_them(tmp_path):
    text = "item,price\na,1\nb\nc,x\nd,2\ne\nf,y\n"
    job = bring_in("items", write(tmp_path, text))
    assert [(r["row"], r["item"]) for r in rejects(job)] == [
        ("3", "b"),
        ("4", "c"),
        ("6", "e"),
        ("7", "f"),
    ]


def test_the_first_rejects_are_those_of_the_first_rows_whatever_is_wrong(tmp_path):
    """Faults are found column by column; a page and the file tell them row by row."""
    faults = (",1,", "{n},x,", "{n},1,perhaps", "{n}")
    lines = [faults[n % 4].format(n=n) for n in range(60)]
    text = "\n".join(["item,price,available", *lines, "tea,1,yes", ""])
    job = bring_in("items", write(tmp_path, text))
    numbers = [int(row["row"]) for row in rejects(job)]
    assert numbers == list(range(2, 62)) and job.rows_new == 1
    told = job.findings["rejects"]
    assert [row for row, *_why in told] == list(range(2, 22))
    assert [column for _row, column, *_why in told[:4]] == [
        *("item", "price", "available", ""),
    ]


def test_a_file_of_nothing_but_bad_rows_is_done_and_says_so(tmp_path):
    assert counts(bring_in("items", write(tmp_path, "item\n\x01\n")))[0] == 1
    job = bring_in("items", write(tmp_path, "item,price\na\nb\n"))
    assert counts(job) == (0, 0, 0, 0, 2, 0)


def test_what_a_page_tells_of_rejected_customers_names_nobody(tmp_path):
    long = "a" * 30 + "@example.com"
    lines = f"customer,locale,email\nc-1,{'x' * 30},{long}\nc-2,de,b@example.com,more\n"
    job = bring_in("customers", write(tmp_path, lines))
    assert long in str(rejects(job)) and "b@example.com" in str(rejects(job))
    assert job.rows_rejected == 2 and "example.com" not in str(job.findings)


def test_rejects_are_harmless_and_come_in_again_when_mended(tmp_path):
    columns = {"item": "item", "title": "row", "price": "value"}
    text = 'item,row,value\n=1+1,+49 says,x\nb,"@b, c",-\nc,-c,1\n'
    job = bring_in("items", write(tmp_path, text), columns)
    assert counts(job) == (1, 0, 0, 0, 2, 0)
    first, _second = rejects(job)
    # The file's own columns keep their names; ours make way.
    assert first["item"] == "'=1+1" and first["row"] == "'+49 says"
    assert (first["row_"], first["column"], first["value_"]) == ("2", "price", "x")
    assert first["reason"] == "price is not a number"
    path = importing.rejects_path(job)
    mended = (
        path.read_text("utf-8-sig").replace(",x,2,", ",9,2,").replace(",'-,", ",1,")
    )
    job = bring_in("items", write(tmp_path, mended), columns)
    assert counts(job) == (2, 0, 0, 0, 0, 0)
    titles = dict(Item.objects.values_list("external_id", "title"))
    assert titles == {"=1+1": "+49 says", "b": "@b, c", "c": "-c"}


def test_what_an_unfinished_import_brought_is_not_there_yet(tmp_path):
    job = bring_in("events", write(tmp_path, LINES), SALES)
    assert frames.interactions().num_rows == 3
    for status in (ImportJob.Status.RUNNING, ImportJob.Status.FAILED):
        ImportJob.objects.filter(pk=job.pk).update(status=status)
        assert frames.interactions().num_rows == 0


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_what_a_failed_import_left_comes_in_with_the_next(status, tmp_path):
    path = write(tmp_path, LINES)
    failed = bring_in("events", path, SALES)
    ImportJob.objects.filter(pk=failed.pk).update(status=status)
    assert counts(bring_in("events", path, SALES, dry_run=True))[0] == 3
    again = bring_in("events", path, SALES)
    assert counts(again) == (3, 0, 0, 0, 0, 0)
    assert frames.interactions().num_rows == 3
    assert set(Event.objects.values_list("import_id", flat=True)) == {again.pk}


def small_chunks(monkeypatch):
    monkeypatch.setattr(applying, "APPLY_ROWS", 2)
    monkeypatch.setattr(applying, "CUSTOMER_ROWS", 2)


def many(n: int = 7) -> str:
    header = LINES.splitlines()[0]
    rows = [f"c-{i},tea,2017-01-{i + 1:02},1,1.5,b-{i}" for i in range(n)]
    return "\n".join([header, *rows]) + "\n"


class Killed(BaseException):
    """What a SIGTERM does to a worker in the middle of a chunk."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("n_chunks", range(1, 5))
def test_a_killed_import_loses_no_row_whatever_its_pace_was(
    n_chunks, tmp_path, monkeypatch
):
    monkeypatch.setattr(applying, "APPLY_ROWS", 3)
    monkeypatch.setattr(pacing, "FIRST_ROWS", 1)
    monkeypatch.setattr(pacing, "LEAST_ROWS", 1)
    job = queue("events", write(tmp_path, many()), SALES)
    with monkeypatch.context() as patched:
        patched.setattr(events, "insert", dying_after(n_chunks))
        with contextlib.suppress(Killed), jobs.hold(job) as held:
            importing.run_import(job, held)
    job.refresh_from_db()
    if job.status != "done":  # PostgreSQL has no pace, and less chunks
        monkeypatch.setattr(pacing, "FIRST_ROWS", 2)
        with jobs.hold(job) as held:
            importing.run_import(job, held)
    assert (job.rows_new, job.rows_duplicate) == (7, 0)
    assert Event.objects.count() == 7


def dying_after(n_chunks: int):
    insert, inserted = events.insert, []

    def insert_or_die(staging_name, **options):
        if len(inserted) == n_chunks:
            raise Killed
        inserted.append(1)
        return insert(staging_name, **options)

    return insert_or_die


@pytest.mark.django_db(transaction=True)
def test_a_killed_import_goes_on_after_its_last_chunk(tmp_path, monkeypatch):
    small_chunks(monkeypatch)
    job = queue("events", write(tmp_path, many()), SALES)
    insert, inserted = events.insert, []

    def struck(staging_name, **options):
        if len(inserted) == 2:
            raise Killed
        inserted.append(1)
        return insert(staging_name, **options)

    monkeypatch.setattr(events, "insert", struck)
    with pytest.raises(Killed), jobs.hold(job) as held:
        importing.run_import(job, held)
    job.refresh_from_db()
    assert (job.chunks_applied, job.rows_new, Event.objects.count()) == (2, 4, 4)
    assert frames.interactions().num_rows == 0

    def never(*_arguments):
        raise AssertionError("the staged file is there; it is not read again")

    monkeypatch.setattr(events, "insert", insert)
    monkeypatch.setattr(reading, "open_file", never)
    with jobs.hold(job) as held:
        importing.run_import(job, held)
    job.refresh_from_db()
    assert counts(job) == (7, 0, 0, 0, 0, 0)
    assert frames.interactions().num_rows == 7


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_after_the_last_chunk_does_not_fail_the_import(tmp_path):
    job = queue("events", write(tmp_path, LINES), SALES)
    with pytest.raises(Killed), jobs.hold(job) as held:
        importing.run_import(job, held)
        raise Killed
    with jobs.hold(job) as held:
        importing.run_import(job, held)
    job.refresh_from_db()
    assert (job.status, counts(job)) == ("done", (3, 0, 0, 0, 0, 0))


def test_a_worker_that_lost_its_lease_does_not_touch_the_staged_file(
    tmp_path, monkeypatch
):
    job = queue("events", write(tmp_path, LINES), SALES)
    report = staging.Tally.report

    def lost_meanwhile(self):
        ImportJob.objects.filter(pk=job.pk).update(fence=job.fence + 1)
        return report(self)

    monkeypatch.setattr(staging.Tally, "report", lost_meanwhile)
    with pytest.raises(jobs.LostLease), jobs.hold(job) as held:
        staging.stage(job, held)
    assert not any(staging.folder_of(job).iterdir())


@pytest.mark.parametrize("kind", ["events", "customers"])
def test_a_worker_that_lost_its_lease_makes_no_item_and_no_customer(
    kind, tmp_path, monkeypatch
):
    text = "customer,item,kind,occurred_at\na,tea,view,2026-01-01\n"
    job = queue(kind, write(tmp_path, text))
    module, name = (events, "look_up") if kind == "events" else (catalog, "customers")
    look = getattr(module, name)

    def late(*asked, **by):
        ImportJob.objects.filter(pk=job.pk).update(fence=99)  # another has it
        return look(*asked, **by)

    monkeypatch.setattr(module, name, late)
    with pytest.raises(jobs.LostLease):
        tasks.perform(job, importing.run_import)
    assert not Item.objects.exists() and not Identity.objects.exists()
    assert not Customer.objects.exists()


def test_files_of_an_earlier_job_with_the_same_number_are_not_taken(tmp_path):
    old = queue("events", write(tmp_path, LINES), SALES)
    with jobs.hold(old) as held:
        staging.stage(old, held)
    job = queue("events", write(tmp_path, many()), SALES)
    folder = staging.folder_of(job)
    shutil.copytree(staging.folder_of(old), folder, dirs_exist_ok=True)
    with jobs.hold(job) as held:
        importing.run_import(job, held)
    assert job.rows_read == 7


def test_small_chunks_give_the_same_counts(tmp_path, monkeypatch):
    small_chunks(monkeypatch)
    assert counts(bring_in("events", write(tmp_path, many()), SALES))[0] == 7
    text = "customer,name\n" + "".join(f"c-{i % 6},{i}\n" for i in range(8))
    assert counts(bring_in("customers", write(tmp_path, text))) == (0, 6, 0, 2, 0, 0)
    text = "item,title\n" + "".join(f"i-{i % 6},{i}\n" for i in range(8))
    tried = bring_in("items", write(tmp_path, text), dry_run=True)
    assert counts(tried) == (6, 0, 0, 2, 0, 0)
    assert counts(bring_in("items", write(tmp_path, text))) == counts(tried)


def test_the_quality_report_tells_gaps_and_the_span(tmp_path):
    text = LINES.replace("c-2,tea,2017-02-01 11:30:00,1,1.5,", "c-2,tea,2017-03-01,0,,")
    job = bring_in("events", write(tmp_path, text), SALES)
    assert job.quality["missing"]["amount"] == 1
    assert "visitor" not in job.quality["missing"]
    assert job.quality["first"].startswith("2017-01-31T10:00")
    assert job.quality["last"].startswith("2017-03-01")
    assert job.quality["zero_quantity"] == 1


def test_an_upload_is_kept_under_a_name_that_leads_nowhere_else(tmp_path):
    with write(tmp_path, LINES).open("rb") as file:
        stored = importing.store_upload(file, "../../etc/passwd of ü.csv")
    assert stored.read_text() == LINES
    assert stored.parent.name == "uploads"


def test_two_files_of_a_source_write_one_after_the_other(tmp_path):
    first, second = (
        queue("events", write(tmp_path, LINES, f"{name}.csv"), SALES)
        for name in ("first", "second")
    )
    with jobs.hold(first) as held:
        importing.run_import(first, held)
        with pytest.raises(jobs.GivenBack), jobs.hold(second) as other:
            importing.run_import(second, other)
    second.refresh_from_db()
    assert second.status == ImportJob.Status.QUEUED
    assert "another file" in second.message
    with jobs.hold(second) as other:
        importing.run_import(second, other)
    assert (first.rows_new, second.rows_new, second.rows_duplicate) == (3, 0, 3)


def test_the_turn_of_a_failed_import_is_free_and_its_rows_are_taken_over(tmp_path):
    failed = queue("events", write(tmp_path, LINES), SALES)
    with pytest.raises(jobs.Refused), jobs.hold(failed) as held:
        importing.run_import(failed, held)
        raise jobs.Refused("the disk is full")
    assert bring_in("events", write(tmp_path, LINES), SALES).rows_new == 3
    assert len(frames.interactions()) == 3

"""Lists go out as files: the right rows and columns, harmless, whole after a kill."""

from __future__ import annotations

import csv
import io

import openpyxl
import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from segmentation import tasks
from segmentation.engine import mapping
from segmentation.models import (
    AuditEntry,
    Category,
    Customer,
    ExportJob,
    Identity,
    Item,
    Membership,
    Segment,
    SegmentSet,
    Source,
)
from segmentation.services import erasing, exporting, jobs, privacy
from segmentation.services.exporting import tables, writing
from segmentation.services.importing import looking
from tests.segmentation.services.imports import bring_in, counts, write

pytestmark = pytest.mark.django_db


def user(*roles: str) -> User:
    made = User.objects.create_user(f"u{User.objects.count()}", is_staff=True)
    made.groups.set(Group.objects.filter(name__in=roles))
    return made


def job(table: str, kind: str = "csv", **fields) -> ExportJob:
    names = [column.name for column in exporting.table(table).columns]
    query = {"columns": names, "list": {}}
    return ExportJob(table=table, format=kind, query=query, **fields)


def written(made: ExportJob, rows, folder) -> bytes:
    path = folder / str(made)
    exporting.write_now(made, exporting.select(exporting.table(made.table), rows), path)
    return path.read_bytes()


def lines(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def make_items(n: int) -> None:
    shoes = Category.objects.create(name="Shoes")
    Item.objects.bulk_create(
        Item(external_id=f"0{i}", title=f"=SUM({i})", category=shoes, price=i + 0.5)
        for i in range(n)
    )


def make_customer(known_as: str, **fields) -> Customer:
    made = Customer.objects.create(created_at=timezone.now(), **fields)
    shop, _created = Source.objects.get_or_create(name="shop")
    Identity.objects.create(customer=made, source=shop, external_id=known_as)
    return made


def test_items_that_went_out_come_in_again_unchanged(tmp_path):
    make_items(3)
    Item.objects.create(external_id="x", title="+49 30", brand="-1", currency="")
    for kind in ("csv", "xlsx", "parquet"):
        made = job("items", kind)
        written(made, Item.objects.all(), tmp_path)
        back = bring_in("items", tmp_path / str(made))
        assert counts(back) == (0, 0, 4, 0, 0, 0), kind


def test_attributes_that_went_out_are_the_same_attributes_again(tmp_path):
    """As they stand, whatever they hold; and a file may change some of them."""
    told = {"size": 42, "colours": ["red", "été"], "care": {"wash": 30.5, "dry": None}}
    Item.objects.create(external_id="a", title="A", attributes=told)
    Item.objects.create(external_id="b", title="B")
    for kind in ("csv", "xlsx", "parquet"):
        made = job("items", kind)
        written(made, Item.objects.all(), tmp_path)
        back = bring_in(
            "items", tmp_path / str(made), _guessed("items", tmp_path, made)
        )
        assert counts(back) == (0, 0, 2, 0, 0, 0), (kind, back.findings)
        assert back.columns["attributes"] == "attributes"
    assert Item.objects.get(external_id="a").attributes == told
    both = {"item": "item", "attributes": "more", "attributes.size": "size"}
    text = 'item,more,size\na,"{""size"": 1, ""new"": true}",43\nb,{},\n'
    bring_in("items", write(tmp_path, text), both)
    found = dict(Item.objects.values_list("external_id", "attributes"))
    assert found == {"a": told | {"size": "43", "new": True}, "b": {}}


def test_attributes_that_no_database_keeps_are_refused_with_their_row(tmp_path):
    bad = (
        '"[1]"',
        "red",
        '"{""a"": NaN}"',
        '"{""a"": ""\\u0000""}"',
        '"{""a"": 1e999}"',
    )
    deep = '{""a"":' * 2000 + "1" + "}" * 2000
    cells = (*bad, '"{""a"": ""\\ud800""}"', f'"{deep}"')
    text = "".join(f"i{n},{cell}\n" for n, cell in enumerate(cells))
    job = bring_in("items", write(tmp_path, f"item,attributes\n{text}ok,\n"))
    assert counts(job) == (1, 0, 0, 0, len(cells), 0)
    assert {why for *_at, why in job.findings["rejects"]} == {
        'attributes is no object of JSON such as {"colour": "red"}'
    }


def test_customers_that_went_out_come_in_again_unchanged(tmp_path):
    lines = "id,name,email,phone,lang,zone,points\n"
    lines += "007,Ann,a@shop.example,+49 30 1,de,Europe/Berlin,3\n8,Bob,,,,,\n"
    columns = {"customer": "id", "name": "name", "email": "email", "phone": "phone"}
    columns |= {"locale": "lang", "timezone": "zone", "attributes.points": "points"}
    bring_in("customers", write(tmp_path, lines), columns, source="shop")
    make_customer("=9", name="-Carl", attributes={"plan": ["a", "b"], "n": 1.5})
    for kind in ("csv", "xlsx", "parquet"):
        made = job("customers", kind)
        written(made, Customer.objects.all(), tmp_path)
        mapped = _guessed("customers", tmp_path, made)
        back = bring_in("customers", tmp_path / str(made), mapped, source="shop")
        assert counts(back) == (0, 0, 3, 0, 0, 0), (kind, back.findings)
        assert {"attributes", "created_at", "name", "phone"} <= set(back.columns)
    assert Customer.objects.count() == 3


def _guessed(kind: str, folder, made: ExportJob) -> dict:
    """The mapping that the page proposes for an exported file."""
    seen = looking.look(folder / str(made), {})
    guesses = mapping.guess_columns(kind, seen.headers, seen.sample)
    assert not any(guess.doubts for guess in guesses.values()), guesses
    return {target: guess.spec for target, guess in guesses.items()}


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_no_format_holds_a_formula(tmp_path, kind):
    Item.objects.create(external_id="p", title="=HYPERLINK(1)", brand="@x", group="-2")
    written(job("items", kind), Item.objects.all(), tmp_path)
    path = tmp_path / f"items.{kind}"
    if kind == "csv":
        row = lines(path.read_bytes())[0]
    elif kind == "parquet":
        row = pq.read_table(path).to_pylist()[0]
    else:
        cells = list(openpyxl.load_workbook(path).active.iter_rows())
        assert "f" not in {cell.data_type for cell in cells[1]}
        names = [cell.value for cell in cells[0]]
        row = dict(zip(names, [cell.value for cell in cells[1]], strict=True))
    assert (row["title"], row["brand"]) == ("'=HYPERLINK(1)", "'@x")
    assert row["group"] == "-2"  # a number runs nothing


def test_a_file_holds_what_the_list_shows(tmp_path):
    make_items(4)
    shown = Item.objects.filter(price__gt=2)
    assert [row["item"] for row in lines(written(job("items"), shown, tmp_path))] == [
        "02",
        "03",
    ]


def test_members_of_segments_are_told_by_every_id_they_have(tmp_path):
    who = make_customer("c-1")
    till = Source.objects.create(name="till")
    Identity.objects.create(customer=who, source=till, external_id="77")
    division = SegmentSet.objects.create(method="kmeans")
    for label, name in enumerate(("Runners", "Others")):
        segment = Segment.objects.create(
            segment_set=division, label=label, name=name, size=1
        )
        Membership.objects.create(segment=segment, customer=who)
    found = Segment.objects.filter(name="Runners")
    rows = lines(written(job("segments"), found, tmp_path))
    assert [(row["segment"], row["source"], row["customer"]) for row in rows] == [
        ("Runners", "shop", "c-1"),
        ("Runners", "till", "77"),
    ]


def test_names_and_addresses_are_for_the_privacy_officer(tmp_path):
    make_customer("c-1", email="a@shop.example", name="Ann")
    row = lines(written(job("customers"), Customer.objects.all(), tmp_path))[0]
    assert (row["email"], row["name"], row["phone"]) == ("a@shop.example", "Ann", "")
    table = exporting.table("customers")
    for_analyst = {c.name for c in exporting.allowed(table, user("Analyst"))}
    assert not for_analyst & {"email", "name", "phone"}
    assert exporting.may_have(job("customers"), user("Privacy officer"))
    assert not exporting.may_have(job("customers"), user("Analyst"))


def queued(n: int, kind: str = "csv") -> ExportJob:
    make_items(n)
    made = job("items", kind, created_by=user("Analyst"))
    exporting.queue(made, exporting.select(exporting.table("items"), Item.objects))
    return made


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_a_worker_writes_a_long_list_in_chunks(settings, tmp_path, monkeypatch, kind):
    settings.STRATA_HOME = tmp_path
    monkeypatch.setattr(exporting, "CHUNK", 3)
    made = queued(8, kind)
    assert exporting.file_of(made) is None
    tasks.perform(made, exporting.run_export)
    made.refresh_from_db()
    path = exporting.file_of(made)
    assert (made.rows_written, made.progress_done) == (8, 8)
    back = bring_in("items", path)
    assert counts(back) == (0, 0, 8, 0, 0, 0)
    entry = AuditEntry.objects.get(action="export")
    assert entry.changes["rows"] == [None, 8]
    assert entry.actor == made.created_by


def test_an_export_that_was_stopped_half_way_is_written_anew(
    settings, tmp_path, monkeypatch
):
    settings.STRATA_HOME = tmp_path
    monkeypatch.setattr(exporting, "CHUNK", 3)
    made = queued(8)
    real, n_reads = tables.Table.read, []

    def dies_at_the_third(table, ids, columns):
        n_reads.append(1)
        if len(n_reads) == 3:
            raise KeyboardInterrupt
        return real(table, ids, columns)

    monkeypatch.setattr(tables.Table, "read", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        tasks.perform(made, exporting.run_export)
    made.refresh_from_db()
    assert made.status == ExportJob.Status.QUEUED
    assert exporting.file_of(made) is None
    tasks.perform(made, exporting.run_export)
    made.refresh_from_db()
    assert len(lines(exporting.file_of(made).read_bytes())) == 8


def test_a_worksheet_that_is_too_short_is_said_before(settings, tmp_path, monkeypatch):
    settings.STRATA_HOME = tmp_path
    monkeypatch.setattr(writing, "SHEET_ROWS", 5)
    with pytest.raises(jobs.Refused, match="CSV or Parquet"):
        queued(6, "xlsx")
    assert not ExportJob.objects.exists()


def test_an_unknown_table_is_a_sentence():
    with pytest.raises(jobs.Refused, match="There is no table"):
        exporting.table("secrets")


def test_files_that_tell_of_people_go_when_somebody_is_erased(settings, tmp_path):
    settings.STRATA_HOME = tmp_path
    ann = make_customer("c-1")
    kept = queued(1)
    gone = job("customers")
    exporting.queue(
        gone, exporting.select(exporting.table("customers"), Customer.objects)
    )
    for made in (kept, gone):
        tasks.perform(made, exporting.run_export)
        made.refresh_from_db()
    erasure = erasing.begin(ann, now=timezone.now())
    privacy.erase_customer(ann)
    tasks.perform(erasure, erasing.finish)
    assert exporting.file_of(kept) is not None
    assert exporting.file_of(gone) is None

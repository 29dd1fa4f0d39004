"""Events of files become rows: nothing vanishes, nothing twice, nothing half."""

from __future__ import annotations

import pytest

from segmentation.models import (
    Category,
    Customer,
    Event,
    Identity,
    Item,
    ItemChange,
    Kind,
    Source,
)
from segmentation.services import events, importing
from tests.segmentation.services.imports import (
    LINES,
    SALES,
    bring_in,
    counts,
    parquet,
    write,
)

pytestmark = pytest.mark.django_db


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

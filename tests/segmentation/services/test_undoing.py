"""One import taken back: what it alone brought goes, the rest is as it was."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from django.db import connection, transaction

from segmentation import frames, queries, tasks
from segmentation.models import (
    Customer,
    CustomerClaim,
    Event,
    EventClaim,
    EventDetail,
    Identity,
    ImportChange,
    ImportJob,
    Item,
    ItemChange,
    Kind,
    Segment,
    SegmentSet,
    Source,
    UndoJob,
)
from segmentation.services import audit, catalog, events, importing, jobs
from segmentation.services.importing import applying, undoing
from tests.segmentation.services.imports import bring_in, counts, queue, write

pytestmark = pytest.mark.django_db

HEADER = "customer,item,kind,occurred_at,quantity,price\n"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def lines(*numbers: int) -> str:
    rows = (f"c-{n},i-{n},purchase,2026-01-0{n} 10:00,1,{n}.5\n" for n in numbers)
    return HEADER + "".join(rows)


def take_back(job: ImportJob) -> UndoJob:
    undo = importing.create_undo(job)
    tasks.perform(undo, importing.run_undo)
    undo.refresh_from_db()
    assert undo.status == UndoJob.Status.DONE
    assert undo.rows_kept == sum(undo.kept.values())
    return undo


def told(undo: UndoJob) -> tuple[int, int, int]:
    return undo.rows_removed, undo.rows_restored, undo.rows_kept


def sizes() -> list[int]:
    tables = (Event, Item, ItemChange, Customer, Identity, EventClaim, ImportChange)
    return [table.objects.count() for table in tables]


def items() -> list[tuple]:
    rows = Item.objects.order_by("external_id")
    return list(
        rows.values_list(
            "external_id", "title", "price", "available", "brand", "category__name"
        )
    )


def test_a_first_import_leaves_nothing_and_comes_in_again_as_new(tmp_path):
    path = write(tmp_path, lines(1, 2, 3))
    undo = take_back(bring_in("events", path))
    assert told(undo) == (3 + 3 + 3, 0, 0)  # events, items and customers
    assert sizes() == [0] * 7
    undo.job.refresh_from_db()
    assert undo.job.undone_at is not None
    assert counts(bring_in("events", path)) == (3, 0, 0, 0, 0, 0)


def test_a_first_import_writes_no_claims(tmp_path):
    twice = lines(1, 2) + "c-9,i-1,view,2026-01-01,1,\n" * 2
    bring_in("events", write(tmp_path, twice))
    assert not EventClaim.objects.exists()


def test_what_another_import_brought_too_passes_to_it(tmp_path):
    first = bring_in("events", write(tmp_path, lines(1, 2, 3)))
    second = bring_in("events", write(tmp_path, lines(2, 3, 4)))
    assert counts(second) == (1, 0, 0, 2, 0, 0)
    undo = take_back(first)
    assert undo.kept == {"passed": 2, "in_use": 4}
    assert told(undo) == (1 + 1 + 1, 0, 6)
    assert set(Event.objects.values_list("import_id", flat=True)) == {second.pk}
    assert frames.interactions().num_rows == 3
    assert not EventClaim.objects.exists()
    # Nothing is of nobody: with the second import all of it goes.
    assert told(take_back(second)) == (3 + 3 + 3, 0, 0)
    assert sizes() == [0] * 7


def test_what_belongs_to_an_earlier_import_stays_with_it(tmp_path):
    first = bring_in("events", write(tmp_path, lines(1, 2, 3)))
    before = sizes()
    second = bring_in("events", write(tmp_path, lines(2, 3, 4)))
    undo = take_back(second)
    assert undo.kept == {"of_another": 2}
    assert undo.rows_removed == 1 + 1 + 1
    assert sizes() == before
    assert set(Event.objects.values_list("import_id", flat=True)) == {first.pk}


def test_of_three_imports_the_last_one_keeps_the_events(tmp_path):
    path = write(tmp_path, lines(1, 2))
    made = [bring_in("events", path) for _time in range(3)]
    assert take_back(made[1]).kept == {"of_another": 2}
    assert take_back(made[0]).kept == {"passed": 2, "in_use": 4}
    assert Event.objects.filter(import_id=made[2].pk).count() == 2
    assert take_back(made[2]).rows_removed == 6
    assert sizes() == [0] * 7


def test_what_a_shop_also_told_by_a_call_stays_for_ever(tmp_path):
    text = "customer,item,kind,occurred_at,event_id\n"
    text += "a,tea,view,2026-01-01,e1\nb,milk,view,2026-01-01,e2\n"
    job = bring_in("events", write(tmp_path, text))
    row = {"customer": "a", "item": "tea", "kind": "view", "event_id": "e1"}
    recorded = events.record_events([row], source=job.source, now=NOW)
    assert (recorded.n_new, recorded.n_duplicate) == (0, 1)
    undo = take_back(job)
    assert undo.kept == {"of_another": 1, "in_use": 2}
    assert undo.rows_removed == 1 + 1 + 1
    assert Event.objects.get().import_id is None
    assert [i.external_id for i in Item.objects.all()] == ["tea"]


def test_search_terms_go_with_their_events(tmp_path):
    job = bring_in("events", write(tmp_path, lines(1)))
    EventDetail.objects.create(
        event_key=Event.objects.get().event_key, search_terms="green tea"
    )
    take_back(job)
    assert not EventDetail.objects.exists()


def test_values_come_back_unless_somebody_changed_them_since(tmp_path):
    first = "item,title,price,available,brand,category\n"
    bring_in(
        "items",
        write(tmp_path, f"{first}a,Tea,0.1,yes,,Hot\nb,Milk,2,yes,X,\nc,Cake,3,no,,\n"),
    )
    before = items()
    n_history = ItemChange.objects.count()
    more = (
        f"{first}a,Tée,0.3,no,B,Cold\nb,Milk,5,yes,,Cold\nc,Cake,3,no,,\nd,New,1,,,\n"
    )
    job = bring_in("items", write(tmp_path, more))
    assert counts(job) == (1, 2, 1, 0, 0, 0)
    Item.objects.filter(external_id="b").update(price=7)
    undo = take_back(job)
    assert told(undo) == (1, 1, 1)
    assert undo.kept == {"changed_since": 1}
    b = list(before[1])
    b[2] = 7.0
    assert items() == [before[0], tuple(b), before[2]]
    assert ItemChange.objects.count() == n_history
    assert not ImportChange.objects.filter(import_id=job.pk).exists()


def test_two_imports_of_a_price_undone_in_any_order_leave_the_first_price(tmp_path):
    def price(text):
        return bring_in("items", write(tmp_path, f"item,price\na,{text}\n"))

    price("1.1")
    second, third = price("2.2"), price("3.3")
    assert take_back(second).kept == {"changed_since": 1}
    assert Item.objects.get().price == 3.3
    assert told(take_back(third)) == (0, 1, 0)
    assert Item.objects.get().price == 1.1
    second, third = price("2.2"), price("3.3")
    take_back(third)
    assert Item.objects.get().price == 2.2
    take_back(second)
    assert Item.objects.get().price == 1.1
    assert [h.price for h in ItemChange.objects.all()] == [1.1]


@pytest.mark.parametrize("first_goes_first", [True, False])
def test_a_value_that_two_imports_told_stays_until_both_went(
    first_goes_first, tmp_path
):
    Item.objects.create(external_id="a", title="Tea", price=1)
    text = "item,title,price\na,Tea,2\n"
    first, second = (bring_in("items", write(tmp_path, text)) for _ in "ab")
    if first_goes_first:
        undo = take_back(first)
        assert (undo.kept, undo.rows_restored) == ({"passed": 1}, 0)
    else:
        assert told(take_back(second)) == (0, 0, 0)
    assert Item.objects.get().price == 2
    last = second if first_goes_first else first
    assert told(take_back(last)) == (0, 1, 0)
    assert Item.objects.get().price == 1
    assert not ImportChange.objects.exists()


def test_an_item_that_another_file_described_too_stays_and_is_of_that(tmp_path):
    path = write(tmp_path, "item,title\na,Tea\nb,Milk\n")
    first = bring_in("items", path)
    second = bring_in("items", write(tmp_path, "item,title\na,Tea\n"))
    assert counts(second) == (0, 0, 1, 0, 0, 0)
    assert take_back(first).kept == {"passed": 1}
    assert [item.external_id for item in Item.objects.all()] == ["a"]
    assert told(take_back(second)) == (1, 0, 0)
    assert sizes() == [0] * 7


def test_an_item_that_somebody_changed_by_hand_stays(tmp_path):
    job = bring_in("items", write(tmp_path, "item,title\na,Tea\nb,Milk\n"))
    item = Item.objects.get(external_id="a")
    Item.objects.filter(pk=item.pk).update(title="Green tea")
    audit.record(None, "change", item, {"title": ["Tea", "Green tea"]})
    assert take_back(job).rows_removed == 1
    assert [item.title for item in Item.objects.all()] == ["Green tea"]


def test_attributes_come_back_whole(tmp_path):
    columns = {"item": "item", "attributes.size": "size"}
    bring_in("items", write(tmp_path, "item,size\na,L\n"), columns)
    job = bring_in("items", write(tmp_path, "item,size\na,XL\n"), columns)
    assert Item.objects.get().attributes == {"size": "XL"}
    take_back(job)
    assert Item.objects.get().attributes == {"size": "L"}


PEOPLE = "customer,email,name,locale,created_at\n"


def test_customers_get_their_former_words_back(tmp_path):
    bring_in("customers", write(tmp_path, PEOPLE + "a,ada@x.org,Ada,en,2017-01-01\n"))
    before = Customer.objects.values().get()
    more = PEOPLE + "a,ada@y.org,Ada L.,de,2018-01-01\nb,b@x.org,Bob,,\n"
    job = bring_in("customers", write(tmp_path, more))
    assert Customer.objects.count() == 2
    assert told(take_back(job)) == (1, 1, 0)
    assert not CustomerClaim.objects.filter(import_id=job.pk).exists()
    after = Customer.objects.values().get()
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == before


def test_customers_in_use_stay(tmp_path):
    job = bring_in("customers", write(tmp_path, "customer,name\na,Ada\nb,Bob\nc,C\n"))
    people = dict(Identity.objects.values_list("external_id", "customer_id"))
    made = SegmentSet.objects.create(method="kmeans")
    segment = Segment.objects.create(segment_set=made, label=0, name="x")
    segment.memberships.create(customer_id=people["a"])
    row = {"customer": "b", "item": "tea", "kind": "view"}
    events.record_events([row], source=job.source, now=NOW)
    undo = take_back(job)
    assert (undo.kept, undo.rows_removed) == ({"emptied": 2}, 1)
    assert [person.name for person in Customer.objects.all()] == ["", ""]
    left = Identity.objects.values_list("external_id", flat=True)
    assert sorted(left) == ["a", "b"]


def test_of_an_item_in_use_stays_only_what_others_told(tmp_path):
    text = "item,title,price,brand,available\na,Tea,2,X,no\nb,Milk,3,X,no\n"
    job = bring_in("items", write(tmp_path, text))
    more = bring_in("items", write(tmp_path, "item,brand\na,X\n"))
    item = Item.objects.get(external_id="b")
    audit.record(None, "change", item, {"title": ["Milch", "Milk"]})
    rows = [{"customer": "c", "item": name, "kind": "view"} for name in "ab"]
    events.record_events(rows, source=job.source, now=NOW)
    assert take_back(job).kept == {"passed": 1, "emptied": 1}
    assert items() == [
        ("a", "", None, True, "X", None),
        ("b", "Milk", None, True, "", None),
    ]
    assert not ItemChange.objects.exists()
    assert take_back(more).kept == {"emptied": 1}
    assert items()[0] == ("a", "", None, True, "", None)


def test_a_login_of_a_visitor_who_came_by_file_keeps_the_customer(tmp_path):
    text = "visitor,item,kind,occurred_at\nv-1,tea,view,2026-01-01\n"
    job = bring_in("events", write(tmp_path, text))
    source = Source.objects.get(name="shop")
    row = {"customer": "a", "visitor": "v-1", "item": "tea", "kind": "cart"}
    events.record_events([row], source=source, now=NOW)
    take_back(job)
    assert Event.objects.count() == 1
    assert Customer.objects.filter(identities__external_id="a").exists()


@pytest.mark.parametrize("status", ["queued", "running"])
def test_while_it_is_taken_back_nobody_sees_it(status, tmp_path):
    job = bring_in("events", write(tmp_path, lines(1, 2)))
    undo = importing.create_undo(job)
    UndoJob.objects.filter(pk=undo.pk).update(status=status)
    assert frames.interactions().num_rows == 0
    assert queries.unfinished_imports() == [job.pk]
    UndoJob.objects.filter(pk=undo.pk).update(status="cancelled")
    assert frames.interactions().num_rows == 2


def test_what_a_call_tells_during_an_undo_is_new_and_stays(tmp_path):
    text = "customer,item,kind,occurred_at,event_id\na,tea,view,2026-01-01,e1\n"
    job = bring_in("events", write(tmp_path, text))
    undo = importing.create_undo(job)
    row = {"customer": "a", "item": "tea", "kind": "view", "event_id": "e1"}
    assert events.record_events([row], source=job.source, now=NOW).n_new == 1
    tasks.perform(undo, importing.run_undo)
    assert Event.objects.get().import_id is None


def test_what_an_undo_removes_while_a_call_names_it_is_made_anew(tmp_path, monkeypatch):
    job = bring_in("events", write(tmp_path, lines(1)))
    write_events = events._write

    def late(*told):
        monkeypatch.setattr(events, "_write", write_events)
        take_back(job)
        return write_events(*told)

    monkeypatch.setattr(events, "_write", late)
    row = {"customer": "c-1", "visitor": "v", "item": "i-1", "kind": "view"}
    assert events.record_events([row], source=job.source, now=NOW).n_new == 1
    event = Event.objects.get()
    assert Item.objects.get(pk=event.item_id).external_id == "i-1"
    name = Identity.objects.get(pk=event.identity_id)
    assert (name.external_id, name.customer.identities.count()) == ("c-1", 2)


@pytest.mark.django_db(transaction=True)
def test_an_undo_waits_for_the_call_that_names_what_it_removes(tmp_path):
    """On PostgreSQL; SQLite has one writer, so nothing can come in between."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer")
    job = bring_in("events", write(tmp_path, lines(1)))
    undo = importing.create_undo(job)
    name, item = Identity.objects.get(), Item.objects.get()
    known = events.KnownEvent(name.pk, Kind.VIEW, NOW, "e1", item_id=item.pk)
    thread = threading.Thread(target=undone_in_a_thread, args=(undo,))
    with transaction.atomic():
        for model, pk in ((Identity, name.pk), (Item, item.pk)):
            assert catalog.hold(model, pa.array([pk]))
        thread.start()
        events.append([known])
        thread.join(1.0)
        assert thread.is_alive()
    thread.join(20)
    assert (Event.objects.count(), Item.objects.count()) == (1, 1)
    assert Identity.objects.count() == 1


def undone_in_a_thread(undo):
    try:
        tasks.perform(undo, importing.run_undo)
    finally:
        connection.close()


def test_what_cannot_be_taken_back_is_refused_in_a_sentence(tmp_path):
    path = write(tmp_path, lines(1))
    tried = bring_in("events", path, dry_run=True)
    with pytest.raises(jobs.Refused, match="changed nothing"):
        importing.create_undo(tried)
    waiting = queue("events", path)
    with pytest.raises(jobs.Refused, match="is not over"):
        importing.create_undo(waiting)
    job = bring_in("events", path)
    with jobs.hold(waiting), pytest.raises(jobs.Refused, match="coming in"):
        importing.create_undo(job)
    importing.create_undo(job)
    with transaction.atomic(), pytest.raises(jobs.Refused, match="already"):
        importing.create_undo(job)


def test_an_undo_waits_for_a_file_and_a_file_for_an_undo(tmp_path):
    job = bring_in("events", write(tmp_path, lines(1)))
    undo = importing.create_undo(job)
    other = queue("events", write(tmp_path, lines(2)), source="tills")
    with jobs.hold(other), pytest.raises(jobs.GivenBack), jobs.hold(undo) as held:
        importing.run_undo(undo, held)
    undo.refresh_from_db()
    assert "Waiting for a file" in undo.message
    third = queue("items", write(tmp_path, "item\na\n"))
    with jobs.hold(undo), pytest.raises(jobs.GivenBack), jobs.hold(third) as held:
        importing.run_import(third, held)
    third.refresh_from_db()
    assert "taken back" in third.message


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", ["queued", "failed", "cancelled"])
def test_an_import_that_stopped_half_way_finds_its_events_again(
    status, tmp_path, monkeypatch
):
    monkeypatch.setattr(applying, "APPLY_ROWS", 2)
    first = bring_in("events", write(tmp_path, lines(1, 2, 3, 4)))
    second = queue("events", write(tmp_path, lines(1, 2, 3, 4, 5)))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(jobs.Held, "progress", struck_when("Writing events"))
        tasks.perform(second, importing.run_import)
    second.refresh_from_db()
    assert (second.status, second.chunks_applied) == ("queued", 1)
    ImportJob.objects.filter(pk=second.pk).update(status=status)
    assert take_back(first).kept["passed"] == 2
    ImportJob.objects.filter(pk=second.pk).update(status="queued")  # tried again
    tasks.perform(second, importing.run_import)
    assert frames.interactions().num_rows == 5


def test_what_passes_to_an_import_whose_undo_is_cancelled_stays(tmp_path):
    path = write(tmp_path, lines(1, 2, 3))
    first, second = bring_in("events", path), bring_in("events", path)
    undo = importing.create_undo(first)
    waiting = importing.create_undo(second)
    tasks.perform(undo, importing.run_undo)
    jobs.request_cancel(waiting)
    assert frames.interactions().num_rows == 3
    assert take_back(second).rows_removed == 9
    assert sizes() == [0] * 7


def test_two_undos_take_turns(tmp_path):
    path = write(tmp_path, lines(1, 2, 3))
    first, second = (importing.create_undo(bring_in("events", path)) for _ in "ab")
    with jobs.hold(first), pytest.raises(jobs.GivenBack), jobs.hold(second) as held:
        importing.run_undo(second, held)
    second.refresh_from_db()
    assert "taken back" in second.message


def test_what_a_failed_import_left_can_be_removed(tmp_path):
    job = bring_in("events", write(tmp_path, lines(1, 2)))
    ImportJob.objects.filter(pk=job.pk).update(status="failed")
    assert take_back(job).rows_removed == 6
    assert sizes() == [0] * 7


def test_small_chunks_count_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(undoing, "CHUNK_ROWS", 4)
    monkeypatch.setattr(undoing, "BLOCKS", 1)
    first = bring_in("events", write(tmp_path, lines(*range(1, 8))))
    second = bring_in("events", write(tmp_path, lines(*range(3, 10))))
    assert told(take_back(first)) == (2 + 2 + 2, 0, 5 + 10)
    assert told(take_back(second)) == (7 + 14, 0, 0)
    assert sizes() == [0] * 7


class Killed(BaseException):
    """What a SIGTERM does to a worker between two chunks."""


def struck(*_report, **_words):
    raise Killed


def struck_when(message: str):
    """A worker's report that is its last when it says this."""

    def progress(_held, *_report, **words):
        if words.get("message") == message:
            raise Killed

    return progress


@pytest.mark.django_db(transaction=True)
def test_a_killed_undo_goes_on_and_counts_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(undoing, "CHUNK_ROWS", 4)
    first = bring_in("events", write(tmp_path, lines(*range(1, 8))))
    bring_in("events", write(tmp_path, lines(*range(3, 10))))
    undo = importing.create_undo(first)
    for _time in range(8):  # each time a chunk further
        with pytest.raises(Killed), jobs.hold(undo) as held:
            held.progress = struck
            importing.run_undo(undo, held)
        undo.refresh_from_db()
        assert undo.status == UndoJob.Status.QUEUED
    tasks.perform(undo, importing.run_undo)
    undo.refresh_from_db()
    assert told(undo) == (2 + 2 + 2, 0, 5 + 10)
    assert undo.kept == {"passed": 5, "in_use": 10}


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_undo_can_be_asked_for_again(tmp_path, monkeypatch):
    monkeypatch.setattr(undoing, "CHUNK_ROWS", 4)
    monkeypatch.setattr(undoing, "BLOCKS", 1)
    job = bring_in("events", write(tmp_path, lines(*range(1, 8))))
    undo = importing.create_undo(job)
    with pytest.raises(jobs.Cancelled), jobs.hold(undo) as held:
        jobs.request_cancel(undo)
        importing.run_undo(undo, held)
    job.refresh_from_db()
    assert job.undone_at is None
    assert queries.unfinished_imports() == [job.pk]  # nobody sees a half
    n_first = UndoJob.objects.get(pk=undo.pk).rows_removed
    assert n_first + take_back(job).rows_removed == 21
    assert queries.unfinished_imports() == []
    assert sizes() == [0] * 7

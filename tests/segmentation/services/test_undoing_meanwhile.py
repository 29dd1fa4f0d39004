"""An undo beside files, calls and other undos; killed or cancelled half-way."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest
from django.db import connection, transaction

from segmentation import frames, queries, tasks
from segmentation.models import (
    Event,
    EventClaim,
    Identity,
    ImportJob,
    Item,
    Kind,
    UndoJob,
)
from segmentation.services import catalog, events, importing, jobs
from segmentation.services.importing import applying, undoing
from tests.segmentation.services.imports import bring_in, queue, write
from tests.segmentation.services.undos import NOW, lines, sizes, take_back, told

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", ["queued", "running"])
def test_while_it_is_taken_back_nobody_sees_it(status, tmp_path):
    job = bring_in("events", write(tmp_path, lines(1, 2)))
    undo = importing.create_undo(job)
    UndoJob.objects.filter(pk=undo.pk).update(status=status)
    assert frames.interactions().num_rows == 0
    assert queries.unfinished_imports() == [job.pk]
    UndoJob.objects.filter(pk=undo.pk).update(status="cancelled")
    assert frames.interactions().num_rows == 2


def test_what_left_nothing_is_not_hidden_for_ever(tmp_path):
    path = write(tmp_path, lines(1, 2))
    bring_in("events", path, dry_run=True)
    bring_in("items", write(tmp_path, "item\na\n"))
    gone = bring_in("events", path)
    take_back(gone)
    left_some = bring_in("events", path)
    wrote_nothing = queue("events", path)
    ImportJob.objects.update(status="failed")
    assert queries.unfinished_imports() == [left_some.pk]
    ImportJob.objects.filter(pk=wrote_nothing.pk).update(status="running")
    assert sorted(queries.unfinished_imports()) == [left_some.pk, wrote_nothing.pk]


def test_what_a_call_tells_during_an_undo_is_new_and_stays(tmp_path):
    text = "customer,item,kind,occurred_at,event_id\na,tea,view,2026-01-01,e1\n"
    job = bring_in("events", write(tmp_path, text))
    undo = importing.create_undo(job)
    row = {"customer": "a", "item": "tea", "kind": "view", "event_id": "e1"}
    assert events.record_events([row], source=job.source, now=NOW).n_new == 1
    tasks.perform(undo, importing.run_undo)
    assert Event.objects.get().import_id is None


CALLED = "customer,item,kind,occurred_at,event_id\na,tea,view,2026-01-01,e1\n"
CALL = {"customer": "a", "item": "tea", "kind": "view", "event_id": "e1"}


def test_what_an_undo_removes_under_a_call_is_told_again(tmp_path, monkeypatch):
    """The call sees the event of the import, and it is gone before it is kept."""
    job = bring_in("events", write(tmp_path, CALLED))
    keep = events._keep_for_ever

    def late(staging):
        Event.objects.filter(import_id=job.pk).delete()
        keep(staging)

    monkeypatch.setattr(events, "_keep_for_ever", late)
    assert events.record_events([CALL], source=job.source, now=NOW).n_new == 1
    assert Event.objects.get().import_id is None


def test_an_undo_that_is_cancelled_has_lost_nothing_to_a_call(tmp_path):
    job = bring_in("events", write(tmp_path, CALLED))
    undo = importing.create_undo(job)
    events.record_events([CALL], source=job.source, now=NOW)
    jobs.request_cancel(undo)
    again = take_back(job)
    assert again.kept == {"of_another": 1, "in_use": 2}
    assert Event.objects.get().import_id is None
    assert not EventClaim.objects.exists()


def test_what_a_file_took_over_from_an_undo_that_is_cancelled_goes_back(tmp_path):
    path = write(tmp_path, lines(1, 2, 3))
    first = bring_in("events", path)
    undo = importing.create_undo(first)
    second = bring_in("events", path)
    assert second.rows_new == 3
    jobs.request_cancel(undo)
    assert told(take_back(second)) == (0, 0, 3)
    assert frames.interactions().num_rows == 3
    assert take_back(first).rows_removed == 9
    assert sizes() == [0] * 7


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

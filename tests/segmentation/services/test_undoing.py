"""One import taken back: what it alone brought goes, the rest is as it was."""

from __future__ import annotations

import pytest
from django.db import transaction

from segmentation import frames
from segmentation.models import (
    Customer,
    Event,
    EventClaim,
    EventDetail,
    ImportJob,
    Item,
    Source,
)
from segmentation.services import events, importing, jobs
from segmentation.services.importing import undoing
from tests.segmentation.services.imports import bring_in, counts, queue, write
from tests.segmentation.services.undos import NOW, lines, sizes, take_back, told

pytestmark = pytest.mark.django_db


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


def test_a_login_of_a_visitor_who_came_by_file_keeps_the_customer(tmp_path):
    text = "visitor,item,kind,occurred_at\nv-1,tea,view,2026-01-01\n"
    job = bring_in("events", write(tmp_path, text))
    source = Source.objects.get(name="shop")
    row = {"customer": "a", "visitor": "v-1", "item": "tea", "kind": "cart"}
    events.record_events([row], source=source, now=NOW)
    take_back(job)
    assert Event.objects.count() == 1
    assert Customer.objects.filter(identities__external_id="a").exists()


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

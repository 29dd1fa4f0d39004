"""Consent that a file of customers tells, and the undo of that file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from campaigns.models import Consent
from campaigns.services import consent, consent_imports
from segmentation import tasks
from segmentation.models import Customer, Identity, ImportChange
from segmentation.services import importing, jobs
from tests.campaigns import worlds
from tests.segmentation.services import imports

pytestmark = pytest.mark.django_db

FILE = "id,news\nnew,yes\nquiet,\nleft,yes\nloyal,no\nodd,perhaps\n"
COLUMNS = {"customer": "id", "consent.push": "news"}


def bring_in(folder, **options):
    path = imports.write(folder, FILE)
    return imports.bring_in("customers", path, COLUMNS, **options)


def said() -> dict[str, bool]:
    names = dict(Identity.objects.values_list("customer", "external_id"))
    rows = Consent.objects.filter(channel="webpush", purpose="marketing")
    return {names[one.customer_id]: one.granted for one in rows}


def spoke(name: str, granted: bool) -> None:
    """Somebody known by that name said so before the file came."""
    [person] = worlds.make_people(1, prefix=name)
    source = worlds.make_source()
    Identity.objects.create(source=source, external_id=name, customer=person)
    before = worlds.NOW - timedelta(days=1)
    consent.record(person, "webpush", "marketing", granted, now=before, proof="shop")


def test_a_yes_is_a_first_word_only_and_a_no_withdraws(tmp_path):
    spoke("left", False)
    spoke("loyal", True)
    job = bring_in(tmp_path, source=worlds.make_source().name)
    assert imports.rejects(job)[0]["reason"] == "consent.push is neither yes nor no"
    assert said() == {"new": True, "left": False, "loyal": False}
    ours = Consent.objects.filter(proof=f"import {job.pk}")
    assert sorted(ours.values_list("granted", flat=True)) == [False, True]


def test_a_dry_run_and_an_import_count_what_is_new_of_consent(tmp_path):
    """A first yes of one, a no of another; what was said before is nothing new."""
    source = worlds.make_source().name
    spoke("left", False)
    spoke("loyal", True)
    for dry_run in (True, False):
        job = bring_in(tmp_path, source=source, dry_run=dry_run)
        assert job.findings["consents"] == {"push": [1, 1]}
    assert bring_in(tmp_path, source=source).findings["consents"] == {"push": [0, 0]}


def test_a_dry_run_keeps_no_consent_and_an_undo_forgets_it(tmp_path):
    bring_in(tmp_path, dry_run=True)
    assert not Consent.objects.exists()
    job = bring_in(tmp_path)
    assert said() == {"new": True, "left": True, "loyal": False}
    undo = importing.create_undo(job)
    tasks.perform(undo, importing.run_undo)
    assert not Consent.objects.exists()
    assert not Identity.objects.filter(external_id="new").exists()


def take_back(job) -> None:
    undo = importing.create_undo(job)
    tasks.perform(undo, importing.run_undo)
    undo.refresh_from_db()
    assert undo.status == undo.Status.DONE


def rows() -> list[tuple]:
    columns = ("customer", "channel", "granted", "said_at", "text_version", "proof")
    return list(Consent.objects.order_by("customer").values_list(*columns))


def test_an_undo_gives_consent_back_exactly_as_it_was(tmp_path):
    spoke("left", False)
    spoke("loyal", True)
    before = rows()
    job = bring_in(tmp_path, source=worlds.make_source().name)
    assert said() == {"new": True, "left": False, "loyal": False}
    take_back(job)
    assert rows() == before
    assert not ImportChange.objects.exists()


def test_what_somebody_said_since_stays(tmp_path):
    spoke("loyal", True)
    job = bring_in(tmp_path, source=worlds.make_source().name)
    people = dict(Identity.objects.values_list("external_id", "customer_id"))
    for name in ("new", "loyal"):
        person = Customer.objects.get(pk=people[name])
        now = timezone.now()
        consent.record(person, "webpush", "marketing", name == "loyal", now=now)
    take_back(job)
    assert said() == {"new": False, "loyal": True}


@pytest.mark.parametrize("first_goes_first", [True, False])
def test_a_no_that_two_files_told_is_heard_until_both_went(first_goes_first, tmp_path):
    spoke("loyal", True)
    spoke("left", False)
    before = rows()
    source = worlds.make_source().name
    first, second = (bring_in(tmp_path, source=source) for _file in range(2))
    order = [first, second] if first_goes_first else [second, first]
    take_back(order[0])
    assert said() == {"new": True, "left": False, "loyal": False}
    proofs = set(Consent.objects.values_list("proof", flat=True))
    assert proofs == {"shop", f"import {order[1].pk}"}
    take_back(order[1])
    assert rows() == before


def test_a_no_over_the_yes_of_an_earlier_file_outlives_that_file(tmp_path):
    def bring(word: str):
        path = imports.write(tmp_path, f"id,news\na,{word}\n")
        return imports.bring_in("customers", path, COLUMNS)

    first, second, third = bring("yes"), bring("no"), bring("yes")
    assert said() == {"a": False}
    take_back(first)
    assert said() == {"a": False}
    take_back(second)  # now the yes of the third is the first word
    assert said() == {"a": True}
    take_back(third)
    assert rows() == []


def test_who_was_withdrawn_by_the_import_itself_is_not_in_use(tmp_path):
    path = imports.write(tmp_path, "id,news,web\na,yes,no\na,no,yes\nb,no,no\n")
    columns = COLUMNS | {"consent.webpush": "web"}  # the same channel, told twice
    job = imports.bring_in("customers", path, columns)
    assert said() == {"a": False, "b": False}
    undo = importing.create_undo(job)
    tasks.perform(undo, importing.run_undo)
    undo.refresh_from_db()
    assert (undo.rows_removed, undo.kept) == (2, {})
    assert not Customer.objects.exists()


def test_consent_is_given_back_a_few_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(consent_imports, "AT_ONCE", 2)
    spoke("loyal", True)
    before = rows()
    take_back(bring_in(tmp_path, source=worlds.make_source().name))
    assert rows() == before


def test_who_does_not_keep_consents_cannot_bring_them_in(tmp_path):
    path = imports.write(tmp_path, FILE)
    analyst, officer = (
        get_user_model().objects.create_user(name) for name in ("ann", "bob")
    )
    officer.user_permissions.add(Permission.objects.get(codename="change_consent"))
    with pytest.raises(jobs.Refused, match="keeps consents may bring consent.push in"):
        imports.queue("customers", path, COLUMNS, actor=analyst)
    assert imports.queue("customers", path, COLUMNS, actor=officer).pk


def test_an_unknown_way_of_reaching_somebody_is_a_sentence(tmp_path):
    path = imports.write(tmp_path, FILE)
    with pytest.raises(jobs.Refused, match="no consent to pigeon; there is to .*push"):
        imports.queue("customers", path, COLUMNS | {"consent.pigeon": "news"})

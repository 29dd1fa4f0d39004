"""Consent that a file of customers tells, and the undo of that file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from campaigns.models import Consent
from campaigns.services import consent
from segmentation import tasks
from segmentation.models import Identity
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
    granted = dict(Consent.objects.values_list("proof", "granted"))
    assert granted == {
        f"import {job.pk}": True,
        "shop": False,  # who left stays away
        f"import {job.pk}, withdrawn": False,
    }


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


def test_a_no_that_two_files_told_outlives_the_undo_of_either(tmp_path):
    first, second = (bring_in(tmp_path) for _file in range(2))
    undo = importing.create_undo(first)
    tasks.perform(undo, importing.run_undo)
    assert said()["loyal"] is False
    bring_in(tmp_path)
    assert said()["loyal"] is False
    assert second.undone_at is None


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

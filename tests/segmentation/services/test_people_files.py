"""Files that say who is who, and files of two sources about one customer."""

from __future__ import annotations

import pytest

from segmentation import tasks
from segmentation.models import Customer, Identity, Merge, Source
from segmentation.services import claims, importing, jobs, people
from tests.segmentation.services import imports
from tests.segmentation.services.test_people import customer, names_of, source

pytestmark = pytest.mark.django_db

LINKS = {
    "customer": "web id",
    "source": "=web",
    "same_as": "app id",
    "same_source": "=app",
}


def test_a_file_of_pairs_merges_and_accounts_for_every_line(tmp_path):
    web, app = source("web", trust=90), source("app")
    anna, bob = customer((web, "anna")), customer((web, "bob"))
    for name in ("a1", "a2", "b1"):
        customer((app, name))
    path = imports.write(
        tmp_path, "web id,app id\nanna,a1\nanna,a2\nbob,b1\nbob,b1\nnobody,a1\nbob,\n"
    )
    dry = imports.bring_in("links", path, LINKS, dry_run=True)
    assert not Merge.objects.exists()
    job = imports.bring_in("links", path, LINKS)
    assert imports.counts(job) == (3, 0, 1, 0, 2, 0) == imports.counts(dry)
    assert names_of(anna) == ["a1", "a2", "anna"]
    assert names_of(bob) == ["b1", "bob"]
    reasons = [row["reason"] for row in imports.rejects(job)]
    assert "nobody whom this source told us of" in " ".join(reasons)
    assert "the same as whom?" in " ".join(reasons)
    again = imports.bring_in("links", path, LINKS)
    assert imports.counts(again) == (0, 0, 4, 0, 2, 0)
    with pytest.raises(jobs.Refused, match="one by one"):
        importing.create_undo(job)


def test_a_visitor_may_be_named_as_the_same_person(tmp_path):
    web = source("web")
    anna = customer((web, "anna"))
    visitor = Customer.objects.create(created_at=anna.created_at)
    Identity.objects.create(customer=visitor, visitor_id="v-1")
    path = imports.write(tmp_path, "customer,visitor\nanna,v-1\n")
    columns = {"customer": "customer", "visitor": "visitor", "source": "=web"}
    imports.bring_in("links", path, columns)
    assert Identity.objects.get(visitor_id="v-1").customer == anna


def test_a_mapping_of_links_must_say_the_same_as_whom(tmp_path):
    path = imports.write(tmp_path, "customer\nanna\n")
    with pytest.raises(jobs.Refused, match="same_as or visitor"):
        imports.bring_in("links", path, {"customer": "customer"})


def test_the_file_of_a_less_trusted_source_does_not_undo_what_is_known_better(tmp_path):
    Source.objects.create(name="web", trust=90)
    Source.objects.create(name="till", trust=10)
    fields = {"customer": "id", "name": "name", "email": "mail"}
    web = imports.write(tmp_path, "id,name,mail\nw1,Anna Müller,anna@shop.test\n")
    till = imports.write(tmp_path, "id,name,mail\nt1,ANNA M,anna@shop.test\n")
    imports.bring_in("customers", web, fields, source="web")
    imports.bring_in("customers", till, fields, source="till")
    pairs = people.find_equal("email_hash")
    people.merge_all(pairs, reason=Merge.Reason.EMAIL)
    kept = Customer.objects.get(pk=int(pairs.kept[0]))
    assert kept.name == "Anna Müller"
    later = imports.write(tmp_path, "id,name,phone\nt1,ANNA MILLER,0123\n")
    columns = {"customer": "id", "name": "name", "phone": "phone"}
    job = imports.bring_in("customers", later, columns, source="till")
    kept.refresh_from_db()
    assert (kept.name, kept.phone) == ("Anna Müller", "0123")
    assert imports.counts(job) == (0, 1, 0, 0, 0, 0)
    said = claims.about({kept.pk})[kept.pk]
    names = [claim.values["name"] for claim in said]
    assert names == ["Anna Müller", "ANNA MILLER", "ANNA M"]


def test_an_undone_import_is_believed_no_longer(tmp_path):
    Source.objects.create(name="web", trust=90)
    fields = {"customer": "id", "name": "name"}
    first = imports.write(tmp_path, "id,name\nw1,Anna\n")
    second = imports.write(tmp_path, "id,name\nw1,Bertha\n")
    imports.bring_in("customers", first, fields, source="web")
    job = imports.bring_in("customers", second, fields, source="web")
    undo = importing.create_undo(job)
    tasks.perform(undo, importing.run_undo)
    who = Customer.objects.get()
    assert who.name == "Anna"
    assert not who.claims.filter(import_id=job.pk).exists()


def test_a_file_of_other_columns_takes_nothing_back_that_the_source_told(tmp_path):
    fields = {"customer": "id", "name": "name"}
    first = imports.write(tmp_path, "id,name\nw1,Anna\n")
    second = imports.write(tmp_path, "id,phone\nw1,0123\n")
    imports.bring_in("customers", first, fields)
    imports.bring_in("customers", second, {"customer": "id", "phone": "phone"})
    who = Customer.objects.get()
    (told,) = claims.about({who.pk})[who.pk]
    assert told.values == {"name": "Anna", "phone": "0123"}


def test_two_ids_of_one_person_in_a_file_are_one_customer_and_the_last_wins(tmp_path):
    shop = source("shop")
    kept, merged = customer((shop, "1")), customer((shop, "2"))
    people.merge(kept, merged)
    path = imports.write(tmp_path, "customer,name\n1,Ann\n2,Anna\n3,Bob\n")
    dry = imports.bring_in("customers", path, dry_run=True)
    job = imports.bring_in("customers", path)
    assert imports.counts(job) == imports.counts(dry) == (1, 1, 0, 1, 0, 0)
    kept.refresh_from_db()
    assert kept.name == "Anna"

"""What imports told about customers: layer over layer, and each taken back."""

from __future__ import annotations

import itertools
import json

import pytest

from segmentation.models import (
    Customer,
    CustomerClaim,
    Identity,
    ImportChange,
    Source,
    Telling,
)
from segmentation.services import importing, people, privacy, unsaying
from tests.segmentation.services.imports import bring_in, counts, write
from tests.segmentation.services.test_people import customer
from tests.segmentation.services.undos import take_back, told

pytestmark = pytest.mark.django_db

COLUMNS = {
    "customer": "id",
    "name": "name",
    "email": "mail",
    "locale": "lang",
    "attributes.size": "size",
    "attributes.pet": "pet",
}


def bring(folder, text: str, source: str = "shop"):
    """Lines of one file; its columns are those of the header that we know."""
    header = text.partition("\n")[0].split(",")
    columns = {target: name for target, name in COLUMNS.items() if name in header}
    return bring_in("customers", write(folder, text), columns, source=source)


def facts() -> list[dict]:
    """Everything about customers but when a row was last touched."""
    rows = Customer.objects.order_by("pk").values()
    return [{k: v for k, v in row.items() if k != "updated_at"} for row in rows]


def claimed() -> list[tuple]:
    rows = CustomerClaim.objects.order_by("source__name", "customer")
    return [
        (row.source.name, row.customer_id, json.loads(row.values), row.import_id)
        for row in rows.select_related("source")
    ]


def plain() -> dict:
    person = Customer.objects.get()
    return {
        "name": person.name,
        "email": person.email,
        "locale": person.locale,
        "attributes": person.attributes,
    }


def test_an_undo_gives_claims_and_customers_back_exactly_as_they_were(tmp_path):
    bring(tmp_path, "id,name,mail,size\na,Ada,ada@x.org,L\nb,Bob,,\n")
    bring(tmp_path, "id,name,pet\na,Ada L.,cat\n")
    before, said = facts(), claimed()
    job = bring(tmp_path, "id,name,mail,size,pet\na,A. L.,al@x.org,M,dog\nb,B,,S,\n")
    assert counts(job) == (0, 2, 0, 0, 0, 0)
    assert told(take_back(job)) == (0, 2, 0)
    assert facts() == before
    assert claimed() == said
    mark = Customer.mark_of("email", "ada@x.org")
    assert Customer.objects.filter(email_hash=mark).count() == 1


FILES = ("id,name,size\na,Ada,L\n", "id,name,pet\na,Bea,cat\n", "id,name\na,Cleo\n")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_files_of_one_source_taken_back_in_any_order_leave_the_others(order, tmp_path):
    customer((Source.objects.create(name="shop"), "a"))
    Customer.objects.update(name="", attributes={"vip": "yes"})
    before = facts()
    jobs = [bring(tmp_path, text) for text in FILES]
    left = [0, 1, 2]
    for number in order:
        take_back(jobs[number])
        left.remove(number)
        names = [("Ada", "Bea", "Cleo")[n] for n in left]
        assert plain()["name"] == (names[-1] if names else "")
        attributes = {"size": "L"} if 0 in left else {}
        attributes |= {"pet": "cat"} if 1 in left else {}
        assert plain()["attributes"] == {"vip": "yes"} | attributes
        if left:
            [(_source, _who, values, job)] = claimed()
            assert (values["name"], job) == (names[-1], jobs[left[-1]].pk)
            assert values.get("attributes", {}) == attributes
    assert facts() == before
    assert not CustomerClaim.objects.exists() and not Telling.objects.exists()
    assert not ImportChange.objects.exists()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_files_of_sources_of_different_trust_in_any_order(order, tmp_path):
    """What stood below a more trusted word comes to light when that is taken back."""
    low, high = Source.objects.create(name="low", trust=10), "high"
    Source.objects.create(name=high, trust=90)
    who = customer((low, "a"))
    Identity.objects.create(
        source=Source.objects.get(name=high), external_id="a", customer=who
    )
    Customer.objects.update(name="By hand")
    before = facts()
    told_names = (("low", "Ada"), (high, "Bea"), ("low", "Cleo"))
    jobs = [bring(tmp_path, f"id,name\na,{n}\n", source) for source, n in told_names]
    assert plain()["name"] == "Bea"
    left = [0, 1, 2]
    for number in order:
        take_back(jobs[number])
        left.remove(number)
        names = [told_names[n][1] for n in left]
        expected = "Bea" if 1 in left else names[-1] if names else "By hand"
        assert plain()["name"] == expected
    assert [row | {"name": ""} for row in facts()] == [b | {"name": ""} for b in before]


def test_what_two_files_told_alike_is_told_until_both_went(tmp_path):
    first, second = (bring(tmp_path, "id,name\na,Ada\n") for _file in "ab")
    take_back(first)
    assert (plain()["name"], claimed()[0][3]) == ("Ada", second.pk)
    take_back(second)
    assert not Customer.objects.exists()


def test_what_somebody_typed_since_stays(tmp_path):
    bring(tmp_path, "id,name,mail\na,Ada,ada@x.org\n")
    job = bring(tmp_path, "id,name,mail\na,Bea,bea@x.org\n")
    person = Customer.objects.get()
    person.name = "Typed"
    person.save(update_fields=["name"])
    take_back(job)
    assert (plain()["name"], plain()["email"]) == ("Typed", "ada@x.org")


def test_blank_cells_and_columns_that_are_not_there_take_nothing_back(tmp_path):
    bring(tmp_path, "id,name,mail,lang,size,pet\na,Ada,ada@x.org,en,L,cat\n")
    job = bring(tmp_path, "id,name,mail,lang,size,pet\na,,,,M,\n")
    assert counts(job) == (0, 1, 0, 0, 0, 0)
    expected = {"name": "Ada", "email": "ada@x.org", "locale": "en"}
    assert plain() == expected | {"attributes": {"size": "M", "pet": "cat"}}
    mark = Customer.mark_of("email", "ada@x.org")
    assert Customer.objects.get().email_hash == mark
    job = bring(tmp_path, "id,pet\na,\n")
    assert counts(job) == (0, 0, 1, 0, 0, 0)
    [(_source, _who, values, _job)] = claimed()
    assert values == expected | {"attributes": {"size": "M", "pet": "cat"}}


def test_a_blank_cell_of_a_file_is_no_word_that_keeps_what_an_earlier_told(tmp_path):
    first = bring(tmp_path, "id,name,lang\na,Ada,en\n")
    bring(tmp_path, "id,name,lang\na,,de\n")
    take_back(first)
    assert (plain()["name"], plain()["locale"]) == ("", "de")


def test_who_was_merged_holds_what_is_believed_without_the_file(tmp_path):
    bring(tmp_path, "id,name\na,Ada\n", "web")
    job = bring(tmp_path, "id,name,lang\nt1,Anna,de\n", "till")
    kept, merged = Customer.objects.order_by("pk")
    people.merge(kept, merged)
    kept.refresh_from_db()
    assert (kept.name, kept.locale) == ("Anna", "de")
    take_back(job)
    kept.refresh_from_db()
    assert (kept.name, kept.locale) == ("Ada", "")


def test_a_merge_leaves_what_an_import_wrote_to_be_taken_back(tmp_path):
    bring(tmp_path, "id,name,mail\na,Ada,ada@x.org\n")
    job = bring(tmp_path, "id,name,mail\na,Bea,bea@x.org\n")
    other = customer((Source.objects.create(name="till"), "t1"))
    people.merge(Customer.objects.exclude(pk=other.pk).get(), other)
    assert told(take_back(job)) == (0, 1, 0)
    assert Customer.objects.get(email_hash=Customer.mark_of("email", "ada@x.org"))


def test_two_ids_of_one_person_in_two_chunks_are_one_telling(tmp_path, monkeypatch):
    monkeypatch.setattr(importing.applying, "CUSTOMER_ROWS", 1)
    shop = Source.objects.create(name="shop")
    people.merge(customer((shop, "1")), customer((shop, "2")))
    before = facts()
    job = bring(tmp_path, "id,name,lang\n1,Ann,en\n2,Anna,\n")
    [telling] = Telling.objects.filter(import_id=job.pk)
    assert json.loads(telling.values) == {"name": "Anna", "locale": "en"}
    take_back(job)
    assert facts() == before


def test_a_few_at_a_time_come_to_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(unsaying, "AT_ONCE", 2)
    lines = [f"c{n},N{n}\n" for n in range(7)]
    bring(tmp_path, "id,name\n" + "".join(lines))
    before, said = facts(), claimed()
    job = bring(tmp_path, "id,name\n" + "".join(lines).replace("N", "M"))
    take_back(job)
    assert (facts(), claimed()) == (before, said)


def test_an_export_tells_what_each_file_said_and_an_erasure_forgets_it(tmp_path):
    bring(tmp_path, "id,name\na,Ada\n")
    bring(tmp_path, "id,name\na,Bea\n")
    who = Customer.objects.get()
    said = [row["values"] for row in privacy.export_customer(who)["told_by_sources"]]
    assert said == [{"name": "Ada"}, {"name": "Bea"}]
    assert privacy.erase_customer(who)["tellings"] == 2
    assert not Telling.objects.exists()

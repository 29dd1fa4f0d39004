"""Export and erasure across both apps, with a receipt."""

from __future__ import annotations

import io
import json

import pytest
from django.apps import apps
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from campaigns.models import ContactPoint, Decision, Delivery
from campaigns.services import planning, privacy, tracking
from campaigns.services.tracking import Use
from segmentation import tasks
from segmentation.models import (
    AuditEntry,
    Customer,
    Erasure,
    Event,
    Identity,
    Merge,
    ServedList,
)
from segmentation.services import erasing, importing, jobs, people
from segmentation.services.importing import forgetting
from tests import storefront
from tests.campaigns import worlds

pytestmark = pytest.mark.django_db

NOW = worlds.NOW


@pytest.fixture
def person() -> Customer:
    """Somebody with a row in every table that knows people."""
    storefront.start_afresh()
    people = worlds.make_people(3)
    person = people[0]
    person.name, person.email = "Ada", "ada@example.org"
    person.save()
    worlds.make_reachable(people)
    storefront.make_segment("one", *people, size=3)
    [item] = worlds.make_items(1)
    worlds.buy(person, item)
    launch = worlds.make_planned(worlds.make_campaign(holdout_share=0.0))
    delivery = launch.deliveries.get(recipient__customer=person)
    tracking.count(tracking.Link(Use.CLICKED, delivery.pk), now=NOW)
    identity = person.identities.get()
    placement = worlds.make_placement()
    Decision.objects.create(
        placement=placement, identity_id=identity.pk, decided_at=NOW
    )
    ServedList.objects.create(
        identity_id=identity.pk,
        purpose="discover",
        list_source="popular",
        item_ids=[item.pk],
    )
    return person


def erase(customer: Customer) -> dict:
    """Rows and files: as the command does it, and a worker after a call."""
    erasure = privacy.erase_customer(customer, now=timezone.now())
    tasks.perform(erasure, erasing.finish)
    erasure.refresh_from_db()
    assert erasure.status == Erasure.Status.DONE and erasure.person == ""
    return erasing.receipt(erasure)


def rows_of(person_id: int, identity_id: int) -> int:
    """Rows of any table that name the person by a column of ours."""
    n = 0
    for model in apps.get_models():
        names = {field.attname for field in model._meta.concrete_fields}
        if "customer_id" in names:
            n += model._default_manager.filter(customer_id=person_id).count()
        if "identity_id" in names:
            n += model._default_manager.filter(identity_id=identity_id).count()
    return n


def test_an_export_holds_what_is_kept_in_plain_words(person):
    found = json.loads(json.dumps(privacy.export_customer(person), default=str))
    assert found["customer"]["name"] == "Ada"
    assert found["identities"][0]["external_id"] == "c0"
    bought, clicked = sorted(found["events"], key=lambda row: row["kind"] != "purchase")
    assert (bought["kind"], bought["item"], bought["amount"]) == (
        "purchase",
        "i0",
        10.0,
    )
    led = (clicked["kind"], clicked["ref_kind"], clicked["ref"])
    assert led == ("message_clicked", "launch", "Autumn")
    assert found["consents"][0]["granted"] is True
    [told] = found["campaigns"]
    assert told == {"campaign": "Autumn", "arm": "treated", "reason": "", "items": []}
    [reaction] = found["reactions"]
    assert (reaction["kind"], reaction["campaign"]) == ("clicked", "Autumn")
    assert found["segments"][0]["segment_name"] == "one"
    assert found["contact_points"][0]["address"] == f"{person.pk}/0"
    assert found["served_lists"][0]["items"] == ["i0"]
    numbers = {row for row in json.dumps(found).split('"') if row.endswith("_id")}
    assert numbers == {"external_id", "visitor_id"}  # theirs; ours say nothing to them


def test_an_erased_person_is_in_no_table_any_more(person):
    number, identity = person.pk, person.identities.get().pk
    assert rows_of(number, identity) >= 8
    receipt = erase(person)
    assert rows_of(number, identity) == 0
    assert not Customer.objects.filter(pk=number).exists()
    assert receipt["customer"] == number
    expected = {"events": 2, "recipients": 1, "contact_points": 1, "ad_decisions": 1}
    assert expected.items() <= receipt["rows"].items()
    entry = AuditEntry.objects.get(action="erase customer")
    assert "Ada" not in json.dumps([entry.subject, entry.changes])


def test_erasing_leaves_others_alone_and_the_sums_of_a_launch_true(person):
    others = (Identity.objects.count() - 1, Event.objects.count() - 2)
    launch = Delivery.objects.first().launch
    erase(person)
    assert (Identity.objects.count(), Event.objects.count()) == others
    launch.refresh_from_db()
    assert planning.plan_of(launch).n_audience == launch.recipients.count() == 2


def test_a_customer_is_found_by_the_shops_id_or_ours_but_never_guessed(person):
    assert privacy.find_customer("c0", source_name="shop") == person
    assert privacy.find_customer("c0") == person
    assert privacy.find_customer(f"pk:{person.pk}") == person
    other = worlds.make_people(1, prefix="x")[0]
    other.identities.update(external_id=str(person.pk))
    with pytest.raises(privacy.WhichCustomer, match="two customers"):
        privacy.find_customer(str(person.pk))
    assert privacy.find_customer(str(person.pk), source_name="shop") == other
    with pytest.raises(privacy.WhichCustomer, match="no customer"):
        privacy.find_customer("nobody")


@pytest.fixture
def merged(person) -> Merge:
    """The person is known as c1 too, who is merged into them: both have devices."""
    other = Customer.objects.get(identities__external_id="c1")
    return people.merge(person, other)


def test_an_export_of_the_kept_one_tells_of_those_who_went_in(person, merged):
    found = privacy.export_customer(person)
    names = {row["external_id"] for row in found["identities"]}
    assert names == {"c0", "c1"}
    addresses = {row["address"] for row in found["contact_points"]}
    assert addresses == {f"{person.pk}/0", f"{merged.merged_id}/0"}
    assert len(found["consents"]) == len(found["campaigns"]) == 2
    assert len(found["merged_customers"]) == 1
    assert privacy.export_customer(merged.merged) == found


def test_erasing_the_kept_one_erases_those_who_went_in(person, merged):
    numbers = [person.pk, merged.merged_id]
    identities = [each.pk for each in Identity.objects.filter(customer=person)]
    receipt = erase(merged.merged)
    assert receipt["customer"] == numbers[0]
    for number in numbers:
        for identity in identities:
            assert rows_of(number, identity) == 0
    assert not Customer.objects.filter(pk__in=numbers).exists()
    assert receipt["rows"]["contact_points"] == receipt["rows"]["consents"] == 2
    assert not Merge.objects.exists()


def test_after_an_unmerge_each_is_told_of_alone(person, merged):
    people.unmerge(merged)
    assert len(privacy.export_customer(person)["contact_points"]) == 1
    erase(person)
    assert Customer.objects.filter(pk=merged.merged_id).exists()
    assert ContactPoint.objects.filter(customer=merged.merged_id).exists()


def test_files_that_name_the_person_go_and_others_stay(person):
    def brought(name: str, text: str, **more):
        path = importing.store_upload(io.BytesIO(text.encode()), name)
        job = importing.create_job("customers", path, columns={}, **more)
        tasks.perform(job, importing.run_import)
        job.refresh_from_db()
        return path, job

    hers, her_job = brought("a.csv", "customer,email\nc0,ada@example.org\n,x@y.test\n")
    mail, _job = brought("b.csv", "customer,email\nz1, ADA@example.org\n", source="app")
    other, _job = brought("c.csv", "customer,email\nz2,bo@example.org\n")
    namesake, _job = brought("d.csv", "customer,email\nc0,x@y.test\n", source="app")
    assert importing.rejects_path(her_job) is not None
    receipt = erase(person)
    assert [path.exists() for path in (hers, mail, other, namesake)] == [
        *(False, False),
        *(True, True),
    ]
    assert importing.rejects_path(her_job) is None
    assert receipt["files"]["uploads"] == 2
    assert receipt["remains"] == []


def test_a_file_that_is_to_come_in_is_kept_and_the_receipt_says_so(person):
    path = importing.store_upload(io.BytesIO(b"customer\nc0\n"), "soon.csv")
    job = importing.create_job("customers", path, columns={})
    receipt = erase(person)
    assert path.exists()
    [sentence] = receipt["remains"]
    assert f"Import {job.pk} is not over" in sentence


class Killed(BaseException):
    """What a SIGKILL leaves: nothing after this happened."""


@pytest.mark.parametrize("gap", ["search", "remove", "forget_findings"])
def test_an_erasure_that_is_killed_after_the_rows_is_finished_by_another(
    gap, person, monkeypatch
):
    text = b"customer,email\nc0,ada@example.org\n,x@y.test\n"
    path = importing.store_upload(io.BytesIO(text), "a.csv")
    job = importing.create_job("customers", path, columns={}, source="app")
    tasks.perform(job, importing.run_import)
    erasure = privacy.erase_customer(person, now=timezone.now())
    assert not Customer.objects.filter(pk=person.pk).exists()
    assert path.exists() and "ada@example.org" in erasure.person
    [sentence] = erasing.receipt(erasure)["remains"]
    assert f"the page of erasure {erasure.pk}" in sentence
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(forgetting, gap, struck)
        tasks.perform(erasure, erasing.finish)
    erasure.refresh_from_db()
    assert erasure.status == Erasure.Status.QUEUED and erasure.person
    assert erasure in jobs.sweep(timezone.now())
    tasks.finish_erasure(erasure.pk)
    erasure.refresh_from_db()
    receipt = erasing.receipt(erasure)
    assert not path.exists() and importing.rejects_path(job) is None
    assert receipt["files"]["uploads"] >= 1 and receipt["remains"] == []
    assert erasure.person == ""
    raw = Erasure.objects.annotate(raw=Cast("person", TextField()))
    assert raw.values_list("raw", flat=True).get() == ""


def struck(*_args, **_words):
    raise Killed


def test_the_names_that_wait_for_the_search_are_encrypted(person):
    erasure = privacy.erase_customer(person, now=timezone.now())
    rows = Erasure.objects.annotate(raw=Cast("person", TextField()))
    raw = rows.values_list("raw", flat=True).get(pk=erasure.pk)
    assert raw and "ada" not in raw and "c0" not in raw

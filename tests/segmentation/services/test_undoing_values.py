"""What an import told about items and customers is taken back with it."""

from __future__ import annotations

import pytest

from segmentation.models import (
    Customer,
    CustomerClaim,
    Identity,
    ImportChange,
    Item,
    ItemChange,
    Segment,
    SegmentSet,
)
from segmentation.services import audit, events
from tests.segmentation.services.imports import bring_in, counts, write
from tests.segmentation.services.undos import NOW, sizes, take_back, told

pytestmark = pytest.mark.django_db


def items() -> list[tuple]:
    rows = Item.objects.order_by("external_id")
    return list(
        rows.values_list(
            "external_id", "title", "price", "available", "brand", "category__name"
        )
    )


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

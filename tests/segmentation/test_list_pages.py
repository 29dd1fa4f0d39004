"""A customer's list with reasons, an item's neighbours, and rules for lists."""

from __future__ import annotations

import pytest
from django.urls import reverse

from segmentation.models import AuditEntry, Category, Customer, Item, ListRule
from segmentation.services import serving
from tests import storefront
from tests.segmentation.services import behaviour
from tests.segmentation.test_admin import page, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _afresh():
    storefront.start_afresh()


def text_of(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_customers_list_is_shown_with_its_evidence(django_assert_max_num_queries):
    behaviour.world()
    behaviour.live("item_knn", "discover")
    who = behaviour.customer_id("c-00")
    address = reverse("admin:segmentation_customer_list", args=[who])
    client = signed_in("Viewer")
    text = text_of(client.get(address))
    assert "Because you chose i-" in text
    assert "discovery" in text and "Evidence" in text
    causes = reverse("admin:segmentation_item_change", args=[behaviour.item_id("i-00")])
    assert causes in text
    assert address in text_of(client.get(page(Customer, "change", who)))
    with django_assert_max_num_queries(30):
        client.get(address)
    again = text_of(client.get(address, {"purpose": "again"}))
    assert "what is popular with all" in again


def test_habits_are_marked_and_a_model_without_reasons_says_so():
    behaviour.world()
    behaviour.live("popularity", "again")
    who = behaviour.customer_id("c-00")
    address = reverse("admin:segmentation_customer_list", args=[who])
    text = text_of(signed_in("Viewer").get(address, {"purpose": "again"}))
    assert ">habit<" in text and ">discovery<" in text
    assert "cannot say which things" in text


def test_an_items_neighbours_are_shown_with_what_goes_into_its_baskets():
    behaviour.world()
    behaviour.live("item_knn", "similar")
    item = behaviour.item_id("i-00")
    address = reverse("admin:segmentation_item_neighbours", args=[item])
    client = signed_in("Viewer")
    text = text_of(client.get(address))
    assert "i-02" in text and "i-01" not in text
    assert text.count("Nothing is known") == 0
    assert address in text_of(client.get(page(Item, "change", item)))


def test_before_there_is_a_model_the_pages_say_so():
    tea = storefront.make_items("tea")[0]
    who = storefront.make_customer("c-1").customer
    client = signed_in("Viewer")
    near = reverse("admin:segmentation_item_neighbours", args=[tea.pk])
    assert text_of(client.get(near)).count("Nothing is known") == 2
    lists = reverse("admin:segmentation_customer_list", args=[who.pk])
    assert "There is nothing to show" in text_of(client.get(lists))
    gone = reverse("admin:segmentation_customer_list", args=[10**9])
    assert client.get(gone).status_code == 404


def form(**told) -> dict[str, str]:
    names = "item category brand place factor purpose placement note"
    times = "starts_at_0 starts_at_1 ends_at_0 ends_at_1"
    empty = dict.fromkeys((*names.split(), *times.split()), "")
    return empty | {"enabled": "on"} | told


def test_a_rule_is_made_audited_and_its_effect_looked_at():
    tea, jam = storefront.make_items("tea", "jam")
    who = storefront.make_customer("c-1").customer
    storefront.make_live("discover", {who.pk: [tea, jam]})
    client = signed_in("Marketer")
    told = form(action="pin", item=tea.pk, place="2", note="teatime")
    answer = client.post(page(ListRule, "add"), told, follow=True)
    assert answer.status_code == 200
    made = ListRule.objects.get()
    assert (made.item, made.place, made.created_by.username) == (
        tea,
        2,
        answer.context["user"].username,
    )
    assert AuditEntry.objects.filter(subject_kind="segmentation.listrule").exists()
    serving.forget()
    look = client.get(page(ListRule, "change", made.pk), {"customer": "c-1"})
    context = look.context
    listed = [
        [str(line["item"]) for line in context[side]] for side in ("without", "with_it")
    ]
    assert listed == [["tea", "jam"], ["jam", "tea"]]
    nobody = client.get(page(ListRule, "change", made.pk), {"customer": "x\0"})
    assert "No customer has the id" in text_of(nobody)
    assert "in force" in text_of(client.get(page(ListRule, "changelist")))


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"action": "block"}, "Choose one of these"),
        ({"action": "block", "brand": "x", "item": "tea"}, "Choose one of these"),
        ({"action": "pin", "brand": "x"}, "Only an item can be pinned."),
        ({"action": "pin", "item": "tea", "place": "0"}, "The first place is 1."),
        ({"action": "boost", "brand": "x", "factor": "0.5"}, "a factor above 1"),
        ({"action": "bury", "brand": "x", "factor": "2"}, "between 0 and 1"),
        (
            {
                "action": "block",
                "brand": "x",
                "starts_at_0": "2026-02-02",
                "starts_at_1": "10:00",
                "ends_at_0": "2026-02-01",
                "ends_at_1": "10:00",
            },
            "must end after it begins",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused_in_a_sentence(told, sentence):
    tea = storefront.make_items("tea")[0]
    if told.get("item"):
        told = told | {"item": tea.pk}
    client = signed_in("Marketer")
    text = text_of(client.post(page(ListRule, "add"), form(**told)))
    assert sentence in text
    assert "is violated" not in text
    assert not ListRule.objects.exists()


def test_who_may_not_change_rules_only_looks():
    Category.objects.create(name="x")
    ListRule.objects.create(action="block", brand="x")
    client = signed_in("Viewer")
    assert client.get(page(ListRule, "add")).status_code == 403
    assert client.get(page(ListRule, "changelist")).status_code == 200

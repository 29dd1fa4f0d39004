"""Who is who: found pairs, a merge by hand, and taking it back, in the admin."""

from __future__ import annotations

import pytest

from segmentation.models import Customer, Merge
from segmentation.services import people
from tests.segmentation.services.test_people import customer, names_of, source, tell
from tests.segmentation.test_admin import page, signed_in

pytestmark = pytest.mark.django_db


def test_pairs_with_an_equal_address_are_shown_and_merged_with_one_button():
    web, app = source("web", trust=90), source("app")
    kept = customer((web, "anna"), email="anna@shop.test")
    customer((app, "a-17"), email="anna@shop.test")
    client = signed_in("Privacy officer")
    shown = client.get(page(Merge, "add")).content.decode()
    assert "web: anna" in shown and "app: a-17" in shown
    answer = client.post(page(Merge, "add"), {"address": "email"}, follow=True)
    assert "1 pair was merged." in answer.content.decode()
    assert names_of(kept) == ["a-17", "anna"]


def test_two_customers_are_merged_by_hand_and_taken_apart_again():
    web, app = source("web"), source("app")
    kept, merged = customer((web, "anna")), customer((app, "a-17"))
    client = signed_in("Analyst")
    pair = {"kept_source": web.pk, "kept_id": "anna", "merged_source": app.pk}
    wrong = client.post(page(Merge, "add"), {**pair, "merged_id": "nobody"})
    assert "app knows no customer “nobody”." in wrong.content.decode()
    answer = client.post(page(Merge, "add"), {**pair, "merged_id": "a-17"}, follow=True)
    merge = Merge.objects.get()
    assert "Take this merge back" in answer.content.decode()
    answer = client.post(page(Merge, "do", merge.pk, "unmerge"), follow=True)
    assert "1 id went home" in answer.content.decode()
    assert (names_of(kept), names_of(merged)) == (["anna"], ["a-17"])
    again = client.post(page(Merge, "do", merge.pk, "unmerge"), follow=True)
    assert "does not fit" in again.content.decode()


@pytest.mark.parametrize("role", ["Viewer", "Marketer"])
def test_who_may_not_merge_gets_neither_page_nor_deed(role):
    web = source("web")
    merge = people.merge(customer((web, "a")), customer((web, "b")))
    client = signed_in(role)
    assert client.get(page(Merge, "add")).status_code == 403
    assert client.post(page(Merge, "do", merge.pk, "unmerge")).status_code == 403


def test_a_customers_page_shows_where_the_sources_differ_and_who_is_believed():
    till, web = source("till", trust=10), source("web", trust=90)
    who = customer((till, "t"), (web, "w"))
    tell(who, till, name="ANNA M", attributes='{"size": "L"}')
    tell(who, web, name="Anna Müller")
    client = signed_in("Privacy officer")
    text = client.get(page(Customer, "change", who.pk)).content.decode()
    assert "they differ" in text
    assert text.index("<b>Anna Müller</b>") < text.index("ANNA M")
    assert "Attribute “size”" in text

"""Data quality in the admin: the page, its evidence, and the operator's verdict."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from segmentation import tasks
from segmentation.admin import quality_words
from segmentation.engine.quality import suspects
from segmentation.models import (
    AuditEntry,
    Customer,
    Event,
    Identity,
    ImportJob,
    QualityReport,
    Source,
    Suspicion,
)
from segmentation.services import quality
from tests.segmentation.services.test_quality import busy_shop, customer, event, search
from tests.segmentation.test_admin import page, signed_in

pytestmark = pytest.mark.django_db

FEATURES = (
    "events_per_day",
    "items_per_hour",
    "hours_per_day",
    "burst",
    "busiest_day",
    "orders_per_day",
    "lines_per_order",
    "quantity_per_line",
    "night_share",
    "one_kind_share",
)


def look() -> str:
    return page(QualityReport, "look")


def text_of(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def looked() -> None:
    tasks.perform(quality.create_report(), quality.look)


def suspect(**fields) -> Suspicion:
    identity = Identity.objects.get(pk=customer())
    usual = {"likeness": "bot", "score": 0.7, "found_at": timezone.now()}
    line = {"feature": "burst", "value": 40.0, "median": 1.0, "z": 9.0}
    usual |= {"evidence": [line], "customer": identity.customer}
    return Suspicion.objects.create(**usual | fields)


def test_before_the_first_look_the_page_offers_one_and_only_one():
    client = signed_in("Analyst")
    assert "Nobody has looked at the data yet" in text_of(client.get(look()))
    shown = text_of(client.post(look(), follow=True))
    job = QualityReport.objects.get()
    assert job.status == "queued" and job.created_by is not None
    assert f"/{job.pk}/progress/" in shown and "Look at the data" not in shown
    assert "already being made" in text_of(client.post(look(), follow=True))
    assert AuditEntry.objects.get().action == "look"


def test_a_look_at_no_events_says_what_to_do():
    looked()
    shown = text_of(signed_in("Viewer").get(look()))
    assert "There was no event when the data were looked at" in shown


def test_the_page_shows_the_shop_in_figures_that_each_have_a_table():
    people = busy_shop()
    Customer.objects.update(locale="de")
    late = timezone.now() + timedelta(days=9)
    event(people[0], occurred_at=late).save()
    for who in people[:3]:
        search(who, "green tea", value=0)
    looked()
    answer = signed_in("Viewer").get(look())
    shown = text_of(answer)
    for words in (
        "Events over time",
        "The numbers by month",
        "view → purchase",
        "green tea",
        "3 searches; 3 tell how many results they had, and 3 of them had none.",
        "The long tail",
        "Empty fields of the catalogue",
        "looks like a bot",
        "1 event lies in the future",
        "1 customer behaves like no shopper and waits for your verdict.",
    ):
        assert words in shown, words
    assert "Look again" not in shown, "a viewer asks for nothing"
    for funnel in answer.context["funnels"]:
        json.loads(funnel["figure"])


def test_groups_are_chosen_among_those_that_were_told():
    people = busy_shop()
    owners = Customer.objects.order_by("pk")
    for place, row in enumerate(owners):
        row.attributes = {"age": "old" if place % 2 else "young"}
        row.locale = "de" if place % 3 else "fr"
        row.save()
    Event.objects.bulk_create([event(people[1]) for _n in range(3000)])
    looked()
    client = signed_in("Viewer")
    shown = text_of(client.get(look(), {"by": "attributes.age"}))
    assert '<th scope="row">young</th>' in shown
    assert '<option value="attributes.age" selected>age</option>' in shown
    assert '<th scope="row">fr</th>' in text_of(client.get(look(), {"by": "nothing"}))


def test_a_group_that_has_less_than_its_share_gets_a_sentence():
    line = {"name": "65+", "share": 0.2, "events": 0.05, "ratio": 0.25}
    line |= {"low": 0.2, "high": 0.3}
    (text,) = quality_words.represented([line, line | {"low": 0.1, "high": 1.4}])
    assert "“65+” is 20.0\u00a0% of all but has 5.0\u00a0% of events, 0.25" in text
    (text,) = quality_words.represented([line | {"ratio": 3, "low": 2, "high": 4}])
    assert "learns mostly from it" in text


@pytest.mark.parametrize("feature", FEATURES)
def test_every_kind_of_evidence_is_a_sentence_with_the_median(feature):
    line = {"feature": feature, "value": 0.75, "median": 0.25, "z": 9}
    text = quality_words.evidence(line)
    assert "the shop's median is" in text and "%(" not in text


def test_all_features_that_are_found_have_words():
    assert set(FEATURES) == {*suspects.RATES, *suspects.SHARES}


def test_an_operator_quarantines_several_at_once_and_it_is_on_record():
    rows = [suspect(), suspect()]
    client = signed_in("Analyst")
    shown = text_of(client.get(page(Suspicion)))
    assert "40 deeds within one second at most; the shop&#x27;s median is" in shown
    chosen = {"action": "quarantine", "_selected_action": [row.pk for row in rows]}
    answer = text_of(client.post(page(Suspicion), chosen, follow=True))
    assert "2 customers are in quarantine" in answer
    assert set(Suspicion.objects.values_list("verdict")) == {("quarantined",)}
    assert AuditEntry.objects.filter(action="quarantined").count() == 2


def test_one_customer_is_kept_by_a_button_that_takes_only_posts():
    row = suspect()
    client = signed_in("Analyst")
    address = page(Suspicion, "do", row.pk, "keep")
    assert client.get(address).status_code == 405
    assert "1 customer is kept." in text_of(client.post(address, follow=True))
    row.refresh_from_db()
    assert row.verdict == "kept" and row.decided_by is not None
    assert AuditEntry.objects.get().action == "kept"
    assert "does not fit" in text_of(client.post(address, follow=True))


@pytest.mark.parametrize("role", ["Viewer", "Marketer", "Privacy officer"])
def test_who_may_only_look_decides_nothing(role):
    row = suspect()
    client = signed_in(role)
    assert client.post(look()).status_code == 403
    assert client.post(page(Suspicion, "do", row.pk, "keep")).status_code == 403
    chosen = {"action": "quarantine", "_selected_action": [row.pk]}
    client.post(page(Suspicion), chosen)
    row.refresh_from_db()
    assert row.verdict == "open" and not AuditEntry.objects.exists()


def test_lists_cost_the_same_queries_however_many_suspects():
    client = signed_in("Viewer")
    looked()
    suspect()

    def n_queries(address: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200
        return len(asked)

    few = [n_queries(page(Suspicion)), n_queries(look())]
    for _n in range(8):
        suspect()
    assert [n_queries(page(Suspicion)), n_queries(look())] == few


def test_the_start_page_leads_to_it():
    looked()
    shown = text_of(signed_in("Viewer").get("/"))
    assert look() in shown and "0 suspicious customers to decide about" in shown


def test_an_imports_page_says_what_is_odd_in_its_file():
    told = {
        "missing": {"item": 0},
        "times": {"future": 2, "implausible": 0, "no_hour": 0},
        "duplicates": 3,
        "is_estimate": True,
        "unknown": {"item": 1},
        "out_of_range": {
            "price": {
                "negative": 1,
                "zero": 0,
                "above": 4,
                "below": 0,
                "usual_low": 1.0,
                "usual_high": 90.0,
            },
            "amount": {"negative": 0, "zero": 0},
        },
    }
    source = Source.objects.create(name="shop")
    job = ImportJob.objects.create(
        kind="events", source=source, path="x", quality=told, rows_read=9, status="done"
    )
    shown = text_of(signed_in("Viewer").get(page(ImportJob, "change", job.pk)))
    for words in (
        "2 times lie in the future.",
        "About 3 lines equal earlier ones",
        "1 line names an item that was not in the catalogue.",
        "Price: 1 negative value.",
        "Price: 4 values lie far from the usual 1.00 to 90.00.",
    ):
        assert words in shown, words

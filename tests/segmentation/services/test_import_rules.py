"""What an operator decides about a file, and what its dry run tells."""

from __future__ import annotations

import pytest
from django.db import connection

from segmentation.models import Customer, Event, Identity, ImportJob, Item, Source
from segmentation.services import importing, jobs
from segmentation.services.importing.rules import Rules, RulesError
from tests.segmentation.services.imports import (
    bring_in,
    counts,
    queue,
    rejects,
    write,
)

pytestmark = pytest.mark.django_db

HEADER = "customer,item,kind,occurred_at,quantity,price\n"
LINES = HEADER + (
    "a,tea,purchase,2026-01-01 10:00,1,2\n"
    "b,tea,purchase,2026-01-01 11:00,1,2\n"
    "a,milk,purchase,2026-01-01 12:00,1,1\n"
)


def test_rules_say_what_is_possible():
    assert Rules.from_json({}) == Rules()
    told = {"unknown_items": "reject", "fill": ["currency", "price"]}
    rules = Rules.from_json(told)
    assert rules.fill == ("price", "currency")
    assert Rules.from_json(rules.as_json()) == rules
    for bad, says in (
        ({"unknown": 1}, "no rule unknown; the rules are unknown_items"),
        ({"identical_lines": "two"}, "cannot be “two”; choose of separate, one"),
        ({"fill": "title"}, "Only these can be filled: price, category, currency"),
        ([], "Rules are an object"),
        ({"shape": 1}, "A shape is named by a text"),
    ):
        with pytest.raises(RulesError, match=says):
            Rules.from_json(bad)


def test_rules_that_cannot_be_are_refused_before_a_file_is_queued(tmp_path):
    with pytest.raises(jobs.Refused, match="cannot be “maybe”"):
        queue("events", write(tmp_path, LINES), rules={"unknown_items": "maybe"})


def test_unknown_items_are_refused_with_their_lines(tmp_path):
    bring_in("items", write(tmp_path, "item\ntea\n"))
    path = write(tmp_path, LINES)
    rules = {"unknown_items": "reject"}
    tried = bring_in("events", path, rules=rules, dry_run=True)
    job = bring_in("events", path, rules=rules)
    assert counts(job) == counts(tried) == (2, 0, 0, 0, 1, 0)
    (row,) = rejects(job)
    assert (row["row"], row["column"], row["value"]) == ("4", "item", "milk")
    assert row["occurred_at"] == "2026-01-01 12:00"
    assert "item is not known" in row["reason"]
    assert job.findings["rejects"] == [[4, "item", "milk", row["reason"]]]
    assert not Item.objects.filter(external_id="milk").exists()
    # Once the item is there, the rejects come in as they are.
    bring_in("items", write(tmp_path, "item\nmilk\n"))
    again = bring_in("events", importing.rejects_path(job), job.columns, rules=rules)
    assert counts(again) == (1, 0, 0, 0, 0, 0)


def test_unknown_customers_are_refused_and_visitors_are_not(tmp_path):
    bring_in("customers", write(tmp_path, "customer\na\n"))
    text = "customer,visitor,item,kind,occurred_at\n"
    text += "a,,tea,view,2026-01-01\nb,,tea,view,2026-01-01\n,v,tea,view,2026-01-01\n"
    rules = {"unknown_customers": "reject"}
    job = bring_in("events", write(tmp_path, text), rules=rules)
    assert counts(job) == (2, 0, 0, 0, 1, 0)
    assert rejects(job)[0]["customer"] == "b"
    # Known in another source is not known in this one.
    job = bring_in("events", write(tmp_path, text), rules=rules, source="tills")
    assert counts(job) == (1, 0, 0, 0, 2, 0)


def test_identical_lines_are_one_where_the_operator_says_so(tmp_path):
    twice = LINES + LINES.splitlines()[1] + "\n"
    rules = {"identical_lines": "one"}
    tried = bring_in("events", write(tmp_path, twice), rules=rules, dry_run=True)
    job = bring_in("events", write(tmp_path, twice), rules=rules)
    assert counts(job) == counts(tried) == (3, 0, 0, 1, 0, 0)
    # The first of them has the key it would have had anyway.
    assert counts(bring_in("events", write(tmp_path, LINES))) == (0, 0, 0, 3, 0, 0)
    assert counts(bring_in("events", write(tmp_path, twice))) == (1, 0, 0, 3, 0, 0)


def test_lines_may_name_a_source_of_their_own(tmp_path):
    text = "customer,item,kind,occurred_at,source\n"
    text += "a,tea,view,2026-01-01,\na,tea,view,2026-01-01,app\n"
    path = write(tmp_path, text)
    columns = {n: n for n in text.splitlines()[0].split(",")}
    assert counts(bring_in("events", path, columns)) == (2, 0, 0, 0, 0, 0)
    known = Identity.objects.values_list("external_id", "source__name")
    assert set(known) == {("a", "shop"), ("a", "app")}
    assert counts(bring_in("events", path, columns)) == (0, 0, 0, 2, 0, 0)
    alone = write(tmp_path, "customer,item,kind,occurred_at\na,tea,view,2026-01-01\n")
    assert counts(bring_in("events", alone, source="app")) == (0, 0, 0, 1, 0, 0)
    rules = {"unknown_customers": "reject"}
    more = text + "b,tea,view,2026-01-01,app\n"
    job = bring_in("events", write(tmp_path, more), columns, rules=rules)
    assert counts(job) == (0, 0, 0, 2, 1, 0)


def test_a_dry_run_shows_what_changes_on_items(tmp_path):
    first = "item,title,price,category\na,Tea,2,Hot\nb,Milk,1,\n"
    bring_in("items", write(tmp_path, first))
    more = "item,title,price,category\na,Tea,3,Cold\nb,Milk,1,\nc,New,5,Hot\n"
    path = write(tmp_path, more)
    shown = [["a", "category", "Hot", "Cold"], ["a", "price", 2, 3]]
    assert bring_in("items", path, dry_run=True).findings["changes"] == shown
    assert Item.objects.get(external_id="a").price == 2
    assert bring_in("items", path).findings["changes"] == shown


def test_what_names_a_person_is_not_kept_in_the_clear(tmp_path):
    bring_in("customers", write(tmp_path, "customer,email,locale\na,x@x.org,en\n"))
    more = write(tmp_path, "customer,email,locale\na,y@x.org,de\n")
    job = bring_in("customers", more, dry_run=True)
    assert job.findings["changes"] == [
        ["a", "email", "•••", "•••"],
        ["a", "locale", "en", "de"],
    ]


def test_the_same_file_under_another_time_zone_is_said_in_the_dry_run(
    tmp_path, settings
):
    path = write(tmp_path, LINES)
    bring_in("events", path)
    again = bring_in("events", path, dry_run=True)
    assert again.rows_new == 0 and again.findings["rekeyed"] == ""
    settings.STRATA_TIME_ZONE = "Asia/Shanghai"
    told = bring_in("events", path, dry_run=True)
    assert told.rows_new == 3
    assert (
        "another time zone. 3 of its lines would come in a second time"
        in (told.findings["rekeyed"])
    )


def test_the_same_file_under_another_mapping_is_said_in_the_dry_run(tmp_path):
    path = write(tmp_path, LINES)
    first = bring_in("events", path)
    columns = {k: v for k, v in first.columns.items() if k != "price"}
    told = bring_in("events", path, columns, dry_run=True)
    assert "another mapping" in told.findings["rekeyed"]
    told = bring_in("events", path, source="app", dry_run=True)
    assert "another source" in told.findings["rekeyed"]


def test_a_longer_file_under_another_time_zone_is_found_by_its_lines(
    tmp_path, settings
):
    bring_in("events", write(tmp_path, LINES))
    longer = LINES + "c,tea,purchase,2026-01-02 12:00,1,1\n"
    settings.STRATA_TIME_ZONE = "Asia/Shanghai"
    told = bring_in("events", write(tmp_path, longer), dry_run=True)
    assert "8 hours apart" in told.findings["rekeyed"]
    settings.STRATA_TIME_ZONE = "UTC"
    told = bring_in("events", write(tmp_path, longer), dry_run=True)
    assert (told.rows_new, told.findings["rekeyed"]) == (1, "")
    dearer = write(
        tmp_path, longer.replace(",1,2\n", ",1,3\n").replace(",1,1\n", ",1,9\n")
    )
    told = bring_in("events", dearer, dry_run=True)
    assert "another price" in told.findings["rekeyed"]


def test_new_days_of_the_same_customers_are_no_twins(tmp_path):
    bring_in("events", write(tmp_path, LINES))
    later = write(tmp_path, LINES.replace("2026-01-01", "2026-01-05"))
    assert bring_in("events", later, dry_run=True).findings["rekeyed"] == ""


def test_blank_prices_of_events_come_from_the_items_history_or_its_kin(tmp_path):
    text = "item,group,price\ntea,drink,2\nmilk,drink,\ncake,,\n"
    bring_in("items", write(tmp_path, text))
    lines = HEADER + "".join(
        f"a,{item},purchase,2026-01-0{day} 10:00,2,{price}\n"
        for item, day, price in (
            ("tea", 1, ""),
            ("milk", 2, ""),
            ("cake", 3, ""),
            ("tea", 4, 9),
        )
    )
    path = write(tmp_path, lines)
    rules = {"fill": ["price"]}
    tried = bring_in("events", path, rules=rules, dry_run=True)
    job = bring_in("events", path, rules=rules)
    rows = Event.objects.order_by("occurred_at").values_list("price", "amount")
    assert list(rows) == [(2, 4), (2, 4), (None, None), (9, 18)]
    assert job.findings["filled"] == job.quality["filled"] == {"price": 0.5}
    assert tried.findings["filled"] == {"price": 0.5}
    # Filled or not, they are the same events.
    assert counts(bring_in("events", path)) == (0, 0, 0, 4, 0, 0)


def test_a_price_is_the_one_that_held_when_it_was_bought(tmp_path):
    for price in (2, 3):
        bring_in("items", write(tmp_path, f"item,price\ntea,{price}\n"))
    history = list(Item.objects.get().changes.order_by("changed_at"))
    history[0].changed_at = history[0].changed_at.replace(year=2020)
    history[1].changed_at = history[1].changed_at.replace(year=2022)
    for change in history:
        change.save()
    lines = HEADER + "".join(
        f"a,tea,purchase,{year}-01-01,1,\n" for year in (2019, 2021, 2023)
    )
    bring_in("events", write(tmp_path, lines), rules={"fill": ["price"]})
    rows = Event.objects.order_by("occurred_at").values_list("price", flat=True)
    assert list(rows) == [2, 2, 3]


def test_blank_cells_of_items_are_filled_and_the_rest_stays(tmp_path):
    first = "item,group,price,category,currency\na,g,2,Hot,USD\nb,h,5,,\n"
    bring_in("items", write(tmp_path, first))
    more = "item,group,price,category,currency\n"
    more += "a,g,,,\nc,g,,,\nd,k,7,Cold,\ne,k,,,\nf,,,,\n"
    rules = {"fill": ["price", "category"]}
    path = write(tmp_path, more)
    tried = bring_in("items", path, rules=rules, dry_run=True)
    job = bring_in("items", path, rules=rules)
    assert counts(job) == counts(tried) == (4, 0, 1, 0, 0, 0)
    rows = Item.objects.order_by("external_id").values_list("price", "category__name")
    assert list(rows) == [
        (2, "Hot"),
        (5, None),
        (2, "Hot"),
        (7, "Cold"),
        (7, "Cold"),
        (None, None),
    ]
    assert job.findings["filled"] == {"price": 0.6, "category": 0.6}


def test_a_price_is_filled_from_what_has_the_same_currency(tmp_path):
    first = "item,group,price,currency\na,g,500,JPY\nb,g,3,usd\nc,h,700,JPY\n"
    bring_in("items", write(tmp_path, first))
    more = "item,group,price,currency\nd,g,,\ne,g,,jpy\nf,h,,USD\nc,h,,USD\n"
    bring_in("items", write(tmp_path, more), rules={"fill": ["price"]})
    prices = dict(Item.objects.values_list("external_id", "price"))
    assert prices == {"a": 500, "b": 3, "c": None, "d": 3, "e": 500, "f": None}


def test_ids_of_a_spreadsheet_are_taken_and_said(tmp_path):
    job = bring_in("customers", write(tmp_path, "customer\n17850.0\n17851.0\nx\n"))
    assert Identity.objects.filter(external_id="17850").exists()
    assert any("2 ids in “customer”" in text for text in job.findings["notices"])


def test_how_a_file_is_written_is_found_or_asked(tmp_path):
    job = bring_in("items", write(tmp_path, "item;title\na;Tea\n"))
    assert job.layout["delimiter"] == ";"
    assert Item.objects.get().title == "Tea"


def test_what_an_events_file_made_says_so(tmp_path):
    job = bring_in("events", write(tmp_path, LINES))
    made = (Item, Customer)
    for model in made:
        assert set(model.objects.values_list("import_id", flat=True)) == {job.pk}


def test_a_second_import_asks_the_database_as_often_as_the_first(
    tmp_path, django_assert_max_num_queries
):
    path = write(tmp_path, LINES)
    bring_in("events", path)
    more = LINES + "".join(f"x{n},y{n},view,2026-02-01,1,\n" for n in range(200))
    job = queue("events", write(tmp_path, more))
    limit = 70 if connection.vendor == "sqlite" else 60
    with jobs.hold(job) as held, django_assert_max_num_queries(limit):
        importing.run_import(job, held)
    assert ImportJob.objects.get(pk=job.pk).rows_new == 200
    assert Source.objects.count() == 1

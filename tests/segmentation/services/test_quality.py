"""A report of all data, from rows to rows; suspects, verdicts and what they change."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from segmentation import frames, queries, tasks
from segmentation.models import (
    AuditEntry,
    Category,
    Customer,
    Event,
    EventDetail,
    Identity,
    ImportJob,
    Item,
    Kind,
    QualityReport,
    Source,
    Suspicion,
)
from segmentation.services import jobs, quality
from segmentation.services.quality import verdicts
from tests.segmentation.services.imports import bring_in, write

pytestmark = pytest.mark.django_db

START = datetime(2026, 1, 5, 12, tzinfo=UTC)


def customer(**fields) -> int:
    """A customer with one id; answers the identity."""
    made = Customer.objects.create(created_at=START, **fields)
    source = Source.objects.get_or_create(name="shop")[0]
    return Identity.objects.create(
        customer=made, source=source, external_id=f"c{made.pk}"
    ).pk


def event(identity: int, kind: int = Kind.VIEW, **fields) -> Event:
    usual = {"occurred_at": START, "event_key": uuid.uuid4()}
    return Event(identity_id=identity, kind=kind, **(usual | fields))


def search(identity: int, terms: str, value: float | None = None) -> None:
    made = event(identity, Kind.SEARCH, value=value)
    made.save()
    EventDetail.objects.create(event_key=made.event_key, search_terms=terms)


def looked() -> dict:
    report = quality.create_report()
    tasks.perform(report, quality.look)
    report.refresh_from_db()
    assert report.status == "done"
    return report.report


def busy_shop(n: int = 30) -> list[int]:
    """Thirty ordinary people and a bot, the last; answers the identities."""
    item = Item.objects.create(external_id="i1", title="Tea")
    people = [customer() for _n in range(n + 1)]
    rows = []
    for place, who in enumerate(people[:-1]):
        for visit in range(6 + place % 3):
            at = START + timedelta(days=3 * visit, minutes=7 * place)
            usual = {"item_id": item.pk, "occurred_at": at}
            rows.append(event(who, Kind.VIEW, **usual))
            rows.append(event(who, Kind.PURCHASE, order_key=len(rows) + 1, **usual))
    for step in range(400):
        at = START + timedelta(seconds=60 * step + 3)
        rows.append(event(people[-1], item_id=item.pk, occurred_at=at))
    Event.objects.bulk_create(rows)
    return people


def test_a_report_of_nothing_is_made_and_says_so():
    report = looked()
    assert report["events"] == 0 and report["days"] == {}
    assert report["catalogue"]["n"] == 0 and report["suspects"]["found"] == 0


def test_what_was_never_described_or_is_not_there_is_counted():
    Item.objects.create(external_id="a")
    tea = Category.objects.create(name="Tea")
    Item.objects.create(external_id="b", title="Oolong", category=tea, price=3.0)
    known, blank = customer(locale="de"), customer()
    visitor = Customer.objects.create(created_at=START)
    Identity.objects.create(customer=visitor, visitor_id="v1")
    Event.objects.bulk_create(
        [event(known, item_id=999_999), event(blank), event(888_888)]
    )
    report = looked()
    assert report["catalogue"]["n"] == 2
    assert report["catalogue"]["never_described"] == 1
    assert report["catalogue"]["missing"]["title"] == 1
    assert report["catalogue"]["missing"]["brand"] == 2
    told = {"n": 3, "anonymous": 1, "never_described": 1}
    assert report["customers"] == told
    assert report["unknown"] == {"items": 1, "customers": 1}


def test_groups_come_from_locale_and_attributes_with_their_share():
    people = [
        *(customer(locale="de", attributes={"age": "65+"}) for _n in range(6)),
        *(customer(locale="fr", attributes={"age": 30, "id": n}) for n in range(6)),
        customer(attributes={"age": None}),
    ]
    rows = [event(who) for who in people[:6]]
    rows += [event(who) for who in people[6:12] for _n in range(3)]
    Event.objects.bulk_create(rows)
    groups = looked()["groups"]
    found = {line["name"]: line for line in groups["attributes.age"]}
    assert (found["65+"]["n"], found["30"]["n"], found[""]["n"]) == (6, 6, 1)
    assert found["65+"]["events"] == pytest.approx(6 / 24)
    assert found["65+"]["ratio"] < 1 < found["30"]["ratio"]
    assert {line["name"] for line in groups["locale"]} == {"de", "fr", ""}


def test_search_terms_show_once_three_people_searched_and_zero_is_no_result():
    people = [customer() for _n in range(3)]
    for who in people:
        search(who, "Green Tea ", value=0)
    search(people[0], "green tea", value=12)
    search(people[0], "my own address")
    found = looked()["searches"]
    assert (found["n"], found["told"], found["empty"]) == (5, 4, 3)
    assert found["terms"] == [
        {"terms": "green tea", "n": 4, "customers": 3, "empty": 3}
    ]


def test_events_of_an_unfinished_import_are_not_looked_at():
    who = customer()
    source = Source.objects.get()
    job = ImportJob.objects.create(kind="events", source=source, path="x")
    Event.objects.bulk_create([event(who), event(who, import_id=job.pk)])
    assert looked()["events"] == 1


def test_a_bot_is_found_and_gone_when_its_events_are_gone():
    people = busy_shop()
    report = looked()
    found = Suspicion.objects.get()
    assert found.customer_id == Identity.objects.get(pk=people[-1]).customer_id
    assert (found.likeness, found.verdict) == ("bot", "open")
    assert found.evidence[0]["value"] > 3 * found.evidence[0]["median"]
    assert report["suspects"] == {"open": 1, "quarantined": 0, "kept": 0, "found": 1}
    Event.objects.filter(identity_id=people[-1]).delete()
    looked()
    assert not Suspicion.objects.exists()


def test_quarantine_is_audited_and_training_leaves_the_customer_out():
    people = busy_shop()
    looked()
    actor = User.objects.create_user("anna")
    bot = Identity.objects.get(pk=people[-1]).customer_id
    assert bot in frames.interactions()["user_id"].to_pylist()
    n = verdicts.decide(
        Suspicion.objects.all(), "quarantined", actor=actor, now=timezone.now()
    )
    assert n == 1
    assert queries.quarantined().tolist() == [bot]
    users = frames.interactions()["user_id"].to_pylist()
    assert bot not in users and len(set(users)) == 30
    assert frames.spending(np.array([bot])).revenue.tolist() == [0.0]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor) == ("quarantined", actor)
    looked()  # another look keeps the verdict
    row = Suspicion.objects.get()
    assert (row.verdict, row.decided_by) == ("quarantined", actor)


def test_who_was_kept_is_asked_about_again_only_when_evidence_doubles():
    people = busy_shop()
    looked()
    decide = {"actor": None, "now": timezone.now()}
    verdicts.decide(Suspicion.objects.all(), "kept", **decide)
    looked()
    assert Suspicion.objects.get().verdict == "kept"
    Suspicion.objects.update(evidence=[{"feature": "burst", "z": 3.6}])
    looked()
    row = Suspicion.objects.get()
    assert row.verdict == "open" and row.decided_at is None
    assert row.customer_id == Identity.objects.get(pk=people[-1]).customer_id


def test_one_report_at_a_time_and_old_ones_are_forgotten(monkeypatch):
    monkeypatch.setattr(quality, "KEPT_REPORTS", 1)
    looked()
    quality.create_report()
    with pytest.raises(jobs.Refused, match="already being made"):
        quality.create_report()
    QualityReport.objects.update(status="cancelled")
    looked()
    assert QualityReport.objects.count() == 2  # the last finished and the new one


def test_a_look_costs_the_same_queries_however_many_customers():
    busy_shop(25)

    def n_queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as counted:
            looked()
        return len(counted)

    few = n_queries()
    for _n in range(40):
        customer(attributes={"age": "30"})
    assert n_queries() <= few + 2


# A file's own report --------------------------------------------------------------


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_import_tells_equal_lines_strange_values_and_unknown_names(
    tmp_path, dry_run
):
    Item.objects.create(external_id="known")
    lines = [
        "customer,item,kind,occurred_at,price",
        "a,known,view,2026-01-05T10:00:00Z,5",
        "a,known,view,2026-01-05T10:00:00Z,5",
        "b,new,view,2099-01-05T10:00:00Z,-5",
    ]
    job = bring_in("events", write(tmp_path, "\n".join(lines)), dry_run=dry_run)
    told = job.quality
    assert (told["rows"], told["duplicates"], told["is_estimate"]) == (3, 1, False)
    assert told["times"]["future"] == 1
    assert told["out_of_range"]["price"]["negative"] == 1
    assert told["unknown"] == {"item": 1, "customer": 3}
    assert told["missing"]["item"] == 0 and told["first"].startswith("2026-01-05")

"""Several sources, one person: merges that can be taken back, and whom to believe."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from segmentation import bulk
from segmentation.models import AuditEntry, Customer, Identity, Merge, Source
from segmentation.services import claims, jobs, people

pytestmark = pytest.mark.django_db


def source(name: str, trust: int = 50) -> Source:
    return Source.objects.create(name=name, trust=trust)


def customer(*names: tuple[Source, str], **fields: str) -> Customer:
    made = Customer.objects.create(created_at=timezone.now(), **fields)
    for field in ("email", "phone"):
        setattr(made, f"{field}_hash", Customer.mark_of(field, fields.get(field, "")))
    made.save()
    for where, name in names:
        Identity.objects.create(customer=made, source=where, external_id=name)
    return made


def tell(who: Customer, where: Source, *, days_ago: int = 0, **told: str) -> None:
    names = list(told)
    part = pa.table({"customer_id": [who.pk], **{k: [v] for k, v in told.items()}})
    rows = claims.as_rows(part, where, names, import_id=1)
    with transaction.atomic(), bulk.staged(rows) as staging:
        claims.write(staging)
    when = timezone.now() - timedelta(days=days_ago)
    who.claims.filter(source=where).update(told_at=when)


def names_of(who: Customer) -> list[str]:
    return sorted(who.identities.values_list("external_id", flat=True))


def test_a_merge_moves_names_and_its_undoing_moves_them_home():
    web, app = source("web"), source("app")
    anna, ann = customer((web, "anna")), customer((app, "ann"), (app, "ann2"))
    merge = people.merge(anna, ann)
    assert names_of(anna) == ["ann", "ann2", "anna"]
    assert names_of(ann) == []
    assert people.unmerge(merge) == 2
    assert (names_of(anna), names_of(ann)) == (["anna"], ["ann", "ann2"])
    actions = AuditEntry.objects.values_list("action", flat=True)
    assert sorted(actions) == ["merge", "unmerge"]


def test_names_that_a_later_merge_carried_on_go_home_and_are_not_dragged_back():
    web = source("web")
    a, b, c = (customer((web, name)) for name in "abc")
    first, second = people.merge(b, a), people.merge(c, b)
    assert names_of(c) == ["a", "b", "c"]
    people.unmerge(first)
    assert (names_of(a), names_of(c)) == (["a"], ["b", "c"])
    people.unmerge(second)
    assert (names_of(a), names_of(b), names_of(c)) == (["a"], ["b"], ["c"])


def test_nobody_is_merged_with_themselves_or_twice_and_nothing_is_undone_twice():
    web = source("web")
    a, b, c = (customer((web, name)) for name in "abc")
    with pytest.raises(jobs.Refused, match="same customer"):
        people.merge(a, a)
    merge = people.merge(a, b)
    with pytest.raises(jobs.Refused, match="is part of"):
        people.merge(c, b)
    with pytest.raises(jobs.Refused, match="is part of"):
        people.merge(b, c)
    people.unmerge(merge)
    with pytest.raises(jobs.Refused, match="taken back already"):
        people.unmerge(merge)
    assert people.merge(c, b).kept == c  # and can be merged anew


@pytest.mark.parametrize("column", ["email", "phone"])
def test_equal_addresses_link_customers_of_different_sources_only(column):
    web, app, till = source("web"), source("app", trust=90), source("till")
    one = {column: "+44 20 7946 0000" if column == "phone" else "Anna@shop.test"}
    old, trusted = customer((web, "a"), **one), customer((app, "b"), **one)
    family = {column: "family@shop.test" if column == "email" else "+44 1"}
    for name in ("x", "y"):
        customer((web, name), **family)
    customer((app, "z"), **family)
    customer((till, "t"), **{column: ""})
    pairs = people.find_equal(f"{column}_hash")
    assert (pairs.kept.tolist(), pairs.merged.tolist()) == ([trusted.pk], [old.pk])
    assert pairs.n_unclear == 1
    assert people.merge_all(pairs, reason=Merge.Reason.EMAIL) == 1
    assert len(people.find_equal(f"{column}_hash")) == 0


def test_pairs_that_hang_together_become_one_customer():
    web, app = source("web", trust=10), source("app", trust=90)
    a, b, d, e = (customer((web, name)) for name in "abde")
    c = customer((app, "c"))
    pairs = people.linked([a.pk, b.pk, d.pk], [b.pk, c.pk, e.pk])
    people.merge_all(pairs, reason=Merge.Reason.FILE)
    assert names_of(c) == ["a", "b", "c"]
    assert names_of(d) == ["d", "e"]


def test_merging_asks_no_query_per_pair():
    web, app = source("web"), source("app")

    def found(n: int, at: int) -> people.Pairs:
        pairs = [
            (customer((web, f"w{i}")), customer((app, f"a{i}")))
            for i in range(at, at + n)
        ]
        first, second = zip(*pairs, strict=True)
        return people.linked([c.pk for c in first], [c.pk for c in second])

    few, many = found(2, 0), found(40, 100)
    with CaptureQueriesContext(connection) as of_few:
        people.merge_all(few, reason=Merge.Reason.FILE)
    with CaptureQueriesContext(connection) as of_many:
        people.merge_all(many, reason=Merge.Reason.FILE)
    assert len(of_many) <= len(of_few) + 2


def test_the_most_trusted_source_is_believed_and_among_equals_the_latest():
    till, web = source("till", trust=10), source("web", trust=90)
    who = customer((till, "t"), (web, "w"), name="?")
    tell(who, till, name="ANNA M", phone="1", days_ago=0)
    tell(who, web, name="Anna Müller", days_ago=30)
    claims.settle({who.pk})
    who.refresh_from_db()
    assert (who.name, who.phone) == ("Anna Müller", "1")
    assert who.phone_hash == Customer.mark_of("phone", "1")
    web.trust = 10
    web.save()
    claims.settle({who.pk})
    who.refresh_from_db()
    assert who.name == "ANNA M"


def test_what_a_less_trusted_file_says_does_not_replace_what_is_known_better():
    till, web = source("till", trust=10), source("web", trust=90)
    who, other = customer((till, "t"), (web, "w")), customer((till, "u"))
    tell(who, web, name="Anna Müller", attributes='{"size": "M", "vip": "no"}')
    part = pa.table(
        {
            "customer_id": [who.pk, other.pk],
            "name": ["ANNA M", "Bob"],
            "locale": ["de", None],
            "attributes": ['{"size": "L", "club": "7"}', "{}"],
        }
    )
    got = claims.settled(part, till, ["name", "locale", "attributes"]).to_pydict()
    assert got["name"] == ["Anna Müller", "Bob"]
    assert got["locale"] == ["de", None]
    assert '"size": "M"' in got["attributes"][0]
    assert '"club": "7"' in got["attributes"][0]


def test_a_merge_takes_over_what_the_other_source_told_and_gives_it_back():
    web, app = source("web"), source("app")
    kept, merged = customer((web, "a"), name="Anna"), customer((app, "b"))
    tell(kept, web, name="Anna")
    tell(merged, app, phone="123")
    merge = people.merge(kept, merged)
    kept.refresh_from_db()
    assert (kept.name, kept.phone) == ("Anna", "123")
    people.unmerge(merge)
    kept.refresh_from_db()
    assert (kept.name, kept.phone, kept.phone_hash) == ("Anna", "", "")

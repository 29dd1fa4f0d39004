"""A no to personalisation, whichever door it comes through, and what it does."""

from __future__ import annotations

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from campaigns.models import Consent
from campaigns.services import privacy, tracking
from segmentation import queries, tasks
from segmentation.models import (
    AuditEntry,
    Customer,
    Identity,
    MembershipHistory,
    SegmentSet,
    Suspicion,
)
from segmentation.services import (
    importing,
    jobs,
    people,
    personalisation,
    segmenting,
    serving,
)
from segmentation.services.quality import verdicts
from tests import storefront
from tests.campaigns import worlds
from tests.segmentation.services import imports
from tests.segmentation.test_admin import FORM, page, signed_in

pytestmark = pytest.mark.django_db

NO = {"purpose": "personalisation", "granted": False}


@pytest.fixture(autouse=True)
def afresh() -> None:
    storefront.start_afresh()


def person(name: str = "c-1") -> Customer:
    return storefront.make_customer(name).customer


def asked(customer: Customer, n: int, purpose: str) -> serving.Answer:
    who = serving.people.of_customer(customer, purpose)
    return serving.recommend_for(who, serving.Wish(n, purpose), now=timezone.now())


def may_be(customer: Customer) -> bool:
    customer.refresh_from_db()
    return customer.personalised


def test_the_api_takes_a_no_and_a_yes_and_the_last_word_counts():
    customer, caller = person(), storefront.server()
    path = "/customers/c-1/consents/"
    answer = caller.put(path, {"consents": [NO | {"proof": "the shop's page"}]})
    [said] = answer.json()["consents"]
    assert (said["purpose"], said["channel"]) == ("personalisation", "")
    assert not may_be(customer)
    assert AuditEntry.objects.filter(changes={"personalised": [True, False]}).exists()
    late = NO | {"granted": True, "said_at": "2020-01-01T00:00:00Z"}
    caller.put(path, {"consents": [late]})
    assert not may_be(customer), "said before the last word"
    # Which channel it was told for does not matter: the shop is one.
    caller.put(path, {"consents": [NO | {"granted": True, "channel": "webpush"}]})
    assert may_be(customer)
    assert Consent.objects.count() == 1


def test_marketing_is_agreed_to_by_channel():
    answer = storefront.server().put(
        "/customers/c-1/consents/", {"consents": [{"granted": True}]}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "consents.0.channel"


def bring_in(folder, text, **options):
    path = imports.write(folder, text)
    columns = {"customer": "id", "consent.personalisation": "profiling"}
    source = storefront.source().name
    return imports.bring_in("customers", path, columns, source=source, **options)


def test_a_file_says_no_never_yes_again_and_its_undo_forgets_it(tmp_path):
    quiet, loud = person("quiet"), person("loud")
    personalisation.record(quiet, granted=False)
    job = bring_in(tmp_path, "id,profiling\nquiet,yes\nloud,no\nnew,no\n")
    assert (may_be(quiet), may_be(loud)) == (False, False)
    new = Identity.objects.get(external_id="new").customer
    assert queries.left_out().tolist() == sorted([quiet.pk, loud.pk, new.pk])
    tasks.perform(importing.create_undo(job), importing.run_undo)
    assert (may_be(quiet), may_be(loud)) == (False, True)


def test_a_no_that_two_files_told_outlives_the_undo_of_either(tmp_path):
    loud = person("loud")
    first = bring_in(tmp_path, "id,profiling\nloud,no\n")
    bring_in(tmp_path, "id,profiling,x\nloud,no,1\n")
    tasks.perform(importing.create_undo(first), importing.run_undo)
    assert not may_be(loud)


def test_only_who_may_change_customers_brings_it_in(tmp_path):
    analyst = signed_in("Analyst").session["_auth_user_id"]
    user = get_user_model().objects.get(pk=analyst) if analyst else None
    says = "keeps consents may bring consent.personalisation in"
    with pytest.raises(jobs.Refused, match=says):
        importing.create_job(
            "customers",
            imports.write(tmp_path, "id,profiling\na,no\n"),
            columns={"customer": "id", "consent.personalisation": "profiling"},
            actor=user,
        )


def test_an_operators_tick_is_recorded_and_holds_for_all_parts():
    customer, other = person("a"), person("b")
    people.merge(customer, other)
    client = signed_in("Privacy officer")
    form = {k: v for k, v in FORM.items() if k != "personalised"}
    answer = client.post(page(Customer, "change", customer.pk), form)
    assert answer.status_code == 302
    assert not may_be(customer) and not may_be(other)
    assert AuditEntry.objects.filter(changes={"personalised": [True, False]}).exists()


def test_the_page_behind_a_message_lets_its_person_choose():
    worlds.make_reachable(worlds.make_people(1))
    launch = worlds.make_planned(worlds.make_campaign(holdout_share=0.0))
    delivery = launch.deliveries.get()
    link = tracking.Links(timezone.now()).unsubscribe(delivery.pk)
    path = "/" + link.split("/", 3)[-1]
    strict = Client(enforce_csrf_checks=True)
    assert b"Show me what everybody sees" in strict.get(path).content
    customer = delivery.recipient.customer
    noted = strict.post(path, {"personalisation": "no"}).content
    assert b"Show me what suits me" in noted and b"no more" not in noted
    assert not may_be(customer)
    marketing = Consent.objects.get(purpose="marketing")
    assert marketing.granted, "messages are another matter"
    strict.post(path, {"personalisation": "yes"})
    assert may_be(customer)


def test_a_no_wins_in_a_merge_and_a_yes_after_it_holds_for_all():
    kept, merged = person("a"), person("b")
    personalisation.record(merged, granted=False)
    members = storefront.make_segment("Tea", kept, size=1)
    taste = storefront.make_live("taste", {})
    SegmentSet.objects.update(run=taste)
    row = people.merge(kept, merged)
    assert queries.is_left_out(kept.pk) and kept.pk in queries.left_out()
    assert not personalisation.is_personalised(kept)
    assert not members.memberships.exists(), "and it leaves the interest segments"
    people.unmerge(row)
    assert not queries.is_left_out(kept.pk) and queries.is_left_out(merged.pk)
    people.merge(kept, merged)
    personalisation.record(kept, granted=True)
    assert queries.left_out().tolist() == []
    assert may_be(merged)


def test_who_says_no_sees_what_is_popular_and_is_in_no_interest_segment():
    customer, other = person("a"), person("b")
    tea, pan, pot = storefront.make_items("tea", "pan", "pot")
    run = storefront.make_live(
        "discover", {customer.pk: [tea], other.pk: [tea]}, popular=[pan, pot]
    )
    made = storefront.make_segment("Tea", customer, other, size=2)
    SegmentSet.objects.update(run=run)
    by_hand = segmenting.create_list("Friends", np.array([customer.pk]))
    before = asked(customer, 2, "discover")
    assert before.source == "personal"
    personalisation.record(customer, granted=False)
    after = asked(customer, 2, "discover")
    assert after.source == "popular"
    assert [item.external_id for item in after.items] == ["pan", "pot"]
    lists = serving.lists_for(
        np.array([customer.pk, other.pk]), 1, "discover", now=timezone.now()
    )
    assert lists.item_ids.ravel().tolist() == [pan.pk, tea.pk]
    made.refresh_from_db()
    assert (made.size, made.memberships.count()) == (1, 1)
    past = MembershipHistory.objects.get()
    assert (past.customer_id, past.segment_id) == (customer.pk, made.pk)
    assert past.until > past.since
    assert by_hand.memberships.count() == 1, "a list by hand says nothing of interests"


def test_who_is_quarantined_leaves_lists_and_segments_as_well():
    customer = person()
    [tea, pan] = storefront.make_items("tea", "pan")
    run = storefront.make_live("again", {customer.pk: [tea]}, popular=[pan])
    made = storefront.make_segment("Tea", customer, size=1)
    SegmentSet.objects.update(run=run)
    Suspicion.objects.create(
        customer=customer, likeness="bot", score=9.0, found_at=timezone.now()
    )
    boss = get_user_model().objects.create_user("boss")
    verdicts.decide(
        Suspicion.objects.all(), "quarantined", actor=boss, now=timezone.now()
    )
    answer = asked(customer, 1, "again")
    assert (answer.source, answer.items[0].external_id) == ("popular", "pan")
    assert not made.memberships.exists()


def test_an_export_tells_it_and_an_erasure_takes_it_along():
    customer = person()
    storefront.server().put("/customers/c-1/consents/", {"consents": [NO]})
    told = privacy.export_customer(customer)
    assert told["customer"]["personalised"] is False
    assert told["consents"][0]["purpose"] == "personalisation"
    privacy.erase_customer(customer, now=timezone.now())
    assert queries.left_out().tolist() == [] and not Consent.objects.exists()

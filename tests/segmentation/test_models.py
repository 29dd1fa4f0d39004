"""What the database itself refuses, whoever writes: the promises of the rows."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.utils import translation

from campaigns import models as sending
from segmentation import models
from segmentation.models.fields import decrypt, encrypt

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def refused(make, *arguments, **fields) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make(*arguments, **fields)


def person() -> models.Customer:
    return models.Customer.objects.create(created_at=NOW)


@pytest.fixture
def shop() -> models.Source:
    return models.Source.objects.create(name="shop")


def test_an_identity_is_either_known_or_anonymous(shop):
    make, ada = models.Identity.objects.create, person()
    make(customer=ada, source=shop, external_id="ada")
    make(customer=ada, visitor_id="v")
    refused(make, customer=ada)
    refused(make, customer=ada, source=shop)
    refused(make, customer=ada, external_id="x")
    refused(make, customer=ada, source=shop, external_id="x", visitor_id="x")
    refused(make, customer=ada, source=shop, external_id="")
    refused(make, customer=ada, visitor_id="")


def test_an_id_is_one_person_in_a_source_and_a_visitor_everywhere(shop):
    make = models.Identity.objects.create
    make(customer=person(), source=shop, external_id="ada")
    make(customer=person(), visitor_id="v")
    refused(make, customer=person(), source=shop, external_id="ada")
    refused(make, customer=person(), visitor_id="v")
    tills = models.Source.objects.create(name="tills")
    make(customer=person(), source=tills, external_id="ada")


def test_an_event_key_is_there_once():
    key = uuid.UUID(int=7)
    fields = {"occurred_at": NOW, "identity_id": 1, "kind": models.Kind.VIEW}
    models.Event.objects.create(event_key=key, **fields)
    refused(models.Event.objects.create, event_key=key, **fields)
    found = models.Event.objects.get(pk=key)
    assert found.event_key == key
    assert list(models.Event.objects.of_kind(models.Kind.VIEW).since(NOW)) == [found]


def test_an_item_has_an_id_of_its_own():
    make = models.Item.objects.create
    tea = make(external_id="tea")
    refused(make, external_id="tea")
    refused(make, external_id="")
    change = models.ItemChange.objects.create
    change(item=tea, changed_at=NOW)
    refused(change, item=tea, changed_at=NOW)


def test_a_purpose_has_one_live_run_and_that_has_an_artifact():
    make = models.ModelRun.objects.create
    make(algorithm="als", purpose="again", stage="live", artifact="1")
    make(algorithm="als", purpose="again", stage="retired", artifact="2")
    make(algorithm="als", purpose="discover", stage="live", artifact="3")
    refused(make, algorithm="als", purpose="again", stage="live", artifact="4")
    refused(make, algorithm="als", purpose="taste", stage="live")


def test_a_method_has_one_live_set_and_a_customer_one_place_in_a_segment():
    make = models.SegmentSet.objects.create
    live = make(method="kmeans", stage="live")
    refused(make, method="kmeans", stage="live")
    segment = models.Segment.objects.create(segment_set=live, label=0, name="A")
    refused(models.Segment.objects.create, segment_set=live, label=0, name="B")
    ada = person()
    member = models.Membership.objects.create(segment=segment, customer=ada)
    refused(models.Membership.objects.create, segment=segment, customer=ada)
    member.refresh_from_db()
    assert member.since is not None


def test_a_customer_is_one_recipient_of_a_launch_and_gets_one_delivery_a_device():
    campaign = sending.Campaign.objects.create(name="Tea")
    launch = sending.Launch.objects.create(campaign=campaign, scheduled_for=NOW)
    refused(sending.Launch.objects.create, campaign=campaign, scheduled_for=NOW)
    ada = person()
    fields = {"launch": launch, "customer": ada}
    held_out = sending.Recipient.objects.create(**fields, arm="held_out")
    refused(sending.Recipient.objects.create, **fields, arm="held_out")
    phone = sending.ContactPoint.objects.create(
        customer=ada, channel="webpush", address_hash="a" * 32, address="{}"
    )
    refused(
        sending.ContactPoint.objects.create,
        customer=person(),
        channel="webpush",
        address_hash="a" * 32,
        address="{}",
    )
    delivery = {"recipient": held_out, "contact_point": phone, "launch": launch}
    delivery["send_at"] = NOW
    sending.Delivery.objects.create(**delivery)
    refused(sending.Delivery.objects.create, **delivery)
    consent = {"customer": ada, "channel": "webpush", "purpose": "marketing"}
    sending.Consent.objects.create(**consent, granted=True, said_at=NOW)
    refused(sending.Consent.objects.create, **consent, granted=False, said_at=NOW)


def test_only_the_treated_have_a_variant_and_the_suppressed_a_reason():
    campaign = sending.Campaign.objects.create(name="Tea")
    launch = sending.Launch.objects.create(campaign=campaign, scheduled_for=NOW)
    variant = sending.Variant.objects.create(campaign=campaign, name="A")
    make = sending.Recipient.objects.create
    make(launch=launch, customer=person(), arm="treated", variant=variant)
    make(launch=launch, customer=person(), arm="suppressed", reason="no_consent")
    refused(make, launch=launch, customer=person(), arm="treated")
    refused(make, launch=launch, customer=person(), arm="held_out", variant=variant)
    refused(make, launch=launch, customer=person(), arm="suppressed")


def test_encrypted_text_reads_back_and_is_not_in_the_table():
    ada = person()
    ada.email = "ada@example.com"
    ada.save()
    assert models.Customer.objects.get().email == "ada@example.com"
    stored = encrypt(["ada@example.com", ""])
    assert "ada" not in stored[0] and stored[1] == ""
    assert decrypt(stored) == ["ada@example.com", ""]


def test_a_segment_set_without_a_name_is_called_in_the_readers_language():
    fresh = models.SegmentSet(method="kmeans")
    older = models.SegmentSet(method="kmeans", name="Interests by kmeans")
    named = models.SegmentSet(method="kmeans", name="Spring")
    with translation.override("zh-hans"):
        assert str(fresh) == str(older) == "按 kmeans 划分的兴趣"
        assert str(named) == "Spring"
    assert str(fresh) == "Interests by kmeans"

"""Contact points and consent: never an address on a page, and files in and out."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from campaigns.models import (
    Consent,
    ContactPoint,
)
from campaigns.services import consent
from segmentation import tasks
from segmentation.models import ImportJob
from segmentation.services import importing
from tests.campaigns.test_admin import launched
from tests.campaigns.worlds import make_people
from tests.segmentation.test_admin import page, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return signed_in(is_superuser=True)


def test_an_address_is_never_on_a_page(boss):
    launched()
    point = ContactPoint.objects.first()
    text = boss.get(page(ContactPoint, "change", point.pk)).content.decode()
    assert point.address not in text
    assert point.address_hash not in text


def test_only_the_privacy_officer_removes_a_contact_point():
    launched()
    point = ContactPoint.objects.filter(channel="memory").last()
    remove = page(ContactPoint, "delete", point.pk)
    assert signed_in("Marketer").post(remove, {"post": "yes"}).status_code == 403
    assert Consent.objects.filter(customer=point.customer).exists()


def test_contact_points_go_out_with_consent_and_without_their_address(boss):
    customer = make_people(1, prefix="c-")[0]
    ContactPoint.objects.create(
        customer=customer,
        channel="webpush",
        address='{"endpoint": "https://push.example/secret"}',
        address_hash="0123456789abcdef0123456789abcdef",
        origin="push.example",
    )
    consent.record(customer, "webpush", "marketing", False, now=timezone.now())
    names = ["customer", "channel", "address", "granted"]
    form = {"format": 0, "resource": "", "export_items": []}
    form |= {f"contact_points_{name}": "on" for name in names}
    told = boss.post(page(ContactPoint, "export"), form).content.decode("utf-8-sig")
    assert told.splitlines() == [
        '"customer","channel","address","granted"',
        '"c-0","webpush","•••01234567",false',
    ]


def test_the_privacy_officer_brings_a_suppression_list_in(settings, tmp_path):
    settings.STRATA_HOME = tmp_path
    customer = make_people(1, prefix="c-")[0]
    consent.record(customer, "webpush", "marketing", True, now=timezone.now())
    officer = signed_in("Privacy officer")
    file = SimpleUploadedFile("no.csv", b"customer\nc-0\n", "text/csv")
    form = {"file": file, "source": "shop", "channel": "webpush"}
    shown = officer.post(page(Consent, "import"), form | {"meaning": "suppressed"})
    assert Consent.objects.get().granted
    text = shown.content.decode()
    assert "the same in every row: no" in text and "Consent to Web Push" in text
    assert shown.context["tried"][0]["facts"]["consents"] == [("Web Push", 0, 1)]
    tried = [part["job"].pk for part in shown.context["tried"]]
    officer.post(page(Consent, "process_import"), {"job": tried})
    tasks.perform(ImportJob.objects.get(is_dry_run=False), importing.run_import)
    assert not Consent.objects.get().granted
    assert signed_in("Analyst").get(page(Consent, "import")).status_code == 403

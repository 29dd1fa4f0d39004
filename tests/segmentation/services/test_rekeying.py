"""A new SECRET_KEY or field key: everything is written again and can still be found."""

from __future__ import annotations

import json

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import CommandError, call_command
from django.utils import timezone

from campaigns.models import ContactPoint
from campaigns.services import contacts
from segmentation.models import Customer, CustomerClaim, SigningSecret, Source
from segmentation.models.fields import fingerprint
from segmentation.services import access, rekeying

pytestmark = pytest.mark.django_db

BROWSER = "https://push.example/1"
FORMER, NEW = "the former one", "the new one"


@pytest.fixture
def ada(settings) -> Customer:
    settings.SECRET_KEY = FORMER
    access.forget()
    ada = Customer.objects.create(
        created_at=timezone.now(),
        name="Ada",
        email="Ada@shop.example",
        email_hash=fingerprint("ada@shop.example"),
    )
    contacts.subscribe(ada, "memory", {"endpoint": BROWSER}, now=timezone.now())
    access.rotate_secret()
    return ada


def rotate(capsys) -> dict:
    call_command("rotate_keys", json=True)
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_after_a_rotation_the_former_secret_is_needed_no_more(
    ada, settings, capsys, monkeypatch
):
    monkeypatch.setattr(rekeying, "BLOCK_ROWS", 2)
    now = timezone.now()
    Customer.objects.bulk_create([Customer(created_at=now) for _ in range(4)])
    source = Source.objects.get_or_create(name="shop")[0]
    CustomerClaim.objects.create(
        customer=ada, source=source, values='{"name": "Ada"}', told_at=now
    )
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [FORMER]
    assert rotate(capsys)["rows"] == {
        "segmentation.signingsecret": 1,
        "segmentation.customer": 5,
        "segmentation.customerclaim": 1,
        "segmentation.telling": 0,
        "segmentation.erasure": 0,
        "campaigns.contactpoint": 1,
    }
    settings.SECRET_KEY_FALLBACKS = []
    kept = Customer.objects.get(pk=ada.pk)
    assert (kept.name, kept.email, kept.phone) == ("Ada", "Ada@shop.example", "")
    assert kept.email_hash == fingerprint("ada@shop.example")
    assert CustomerClaim.objects.get().values == '{"name": "Ada"}'
    assert SigningSecret.objects.get().secret
    again = contacts.subscribe(ada, "memory", {"endpoint": BROWSER}, now=now)
    assert ContactPoint.objects.get() == again  # found, not kept twice


def test_a_field_key_can_be_replaced(ada, settings, capsys):
    first, second = (Fernet.generate_key().decode() for _ in range(2))
    settings.STRATA_FIELD_KEYS = [first]
    rotate(capsys)
    settings.STRATA_FIELD_KEYS = [second, first]
    rotate(capsys)
    settings.STRATA_FIELD_KEYS = [second]
    assert Customer.objects.get().name == "Ada"
    assert Customer.objects.filter(email_hash=fingerprint("ada@shop.example")).exists()


def test_what_no_key_can_read_is_refused_and_left(ada, settings):
    settings.SECRET_KEY = NEW
    with pytest.raises(CommandError, match="no key can read; name the key"):
        call_command("rotate_keys")
    with pytest.raises(InvalidToken):
        Customer.objects.get()
    settings.SECRET_KEY = FORMER
    assert Customer.objects.get().name == "Ada"

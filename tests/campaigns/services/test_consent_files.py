"""Suppression lists withdraw and never grant; what was said comes in by channel."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaigns.models import Consent
from campaigns.services import consent, consent_files
from segmentation import tasks
from segmentation.models import Customer, Identity, ImportJob, Source
from segmentation.models.fields import fingerprint
from segmentation.services import importing, jobs, people, small_tables

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(settings, tmp_path):
    settings.STRATA_HOME = tmp_path
    return tmp_path


def customer(known_as: str, source: str = "shop", email: str = "") -> Customer:
    made = Customer.objects.create(
        created_at=NOW, email=email, email_hash=fingerprint(email) if email else ""
    )
    where, _created = Source.objects.get_or_create(name=source)
    Identity.objects.create(customer=made, source=where, external_id=known_as)
    return made


def small(folder, text: str) -> small_tables.Small:
    path = folder / "list.csv"
    path.write_text(text)
    return small_tables.read(path, "list.csv")


def bring_in(parts) -> list[ImportJob]:
    tried = small_tables.try_out(parts, actor=None)
    made = [
        importing.create_job(
            job.kind,
            job.path,
            columns=job.columns,
            source=job.source.name,
            layout=job.layout,
            original_name=job.original_name,
        )
        for job in tried
    ]
    for job, dry in zip(made, tried, strict=True):
        tasks.perform(job, importing.run_import)
        job.refresh_from_db()
        counted = [getattr(job, name) for name in ("rows_read", "rows_rejected")]
        assert counted == [dry.rows_read, dry.rows_rejected]
    return made


def said(who: Customer) -> dict[str, bool]:
    rows = Consent.objects.filter(customer=who)
    return dict(rows.values_list("channel", "granted"))


def suppress(folder, text: str) -> list[ImportJob]:
    read = small(folder, text)
    return bring_in(consent_files.suppressed(read, channel="webpush", source="shop"))


def test_a_suppression_list_withdraws_and_says_so(home):
    ann, bob, eve = customer("a"), customer("b"), customer("c")
    for who in (ann, eve):
        consent.record(who, "webpush", "marketing", True, now=NOW)
    suppress(home, "customer\na\nb\nnew\n")
    assert (said(ann), said(bob), said(eve)) == (
        {"webpush": False},
        {"webpush": False},
        {"webpush": True},
    )
    told = Consent.objects.get(customer=ann)
    assert told.text_version == "suppression list list.csv"
    new = Identity.objects.get(external_id="new").customer
    assert said(new) == {"webpush": False}  # it holds when they come


def test_a_suppression_list_of_addresses_finds_everybody_who_has_one(home):
    ann = customer("a", email="ann@shop.example")
    till = customer("77", source="till", email="ann@shop.example")
    bob = customer("b", email="bob@shop.example")
    made = suppress(home, "email\n ANN@shop.example\nnobody@shop.example\n")
    assert said(ann) == said(till) == {"webpush": False}
    assert said(bob) == {}
    assert sum(job.rows_rejected for job in made) == 1


def test_who_was_merged_is_found_by_the_address_they_had(home):
    kept = customer("a", email="ann@shop.example")
    gone = customer("b", email="old@shop.example")
    people.merge(kept, gone)
    suppress(home, "email\nold@shop.example\n")
    assert said(kept) == {"webpush": False}


def test_what_customers_said_comes_in_by_channel_and_source(home):
    ann, till = customer("a"), customer("77", source="till")
    read = small(
        home,
        "source,customer,channel,granted\n"
        "shop,a,webpush,yes\nshop,a,memory,no\ntill,77,webpush,yes\n",
    )
    bring_in(consent_files.told(read, channel="webpush", source="shop"))
    assert said(ann) == {"webpush": True, "memory": False}
    assert said(till) == {"webpush": True}


def test_a_file_never_overrules_a_withdrawal(home):
    ann = customer("a")
    consent.record(ann, "webpush", "marketing", False, now=NOW)
    read = small(home, "customer,granted\na,yes\n")
    bring_in(consent_files.told(read, channel="webpush", source="shop"))
    assert said(ann) == {"webpush": False}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("customer,granted,channel\na,yes,pigeon\n", "no channel “pigeon”"),
        ("customer,maybe\na,yes\n", "“granted”"),
        ("x,y\n1,2\n", "“customer”"),
        ("email,granted\na@b.example,yes\n", "only suppression lists go by e-mail"),
        ("customer,granted\na,yes\nb,no,no\n", "Line 3 has more or fewer cells"),
        (
            "customer,granted,purpose\na,yes,personalisation\n",
            "leave out the lines on “personalisation”",
        ),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(home, text, sentence):
    with pytest.raises(jobs.Refused, match=sentence):
        consent_files.told(small(home, text), channel="webpush", source="shop")
    assert not ImportJob.objects.exists()


def test_a_suppression_list_that_says_yes_of_somebody_is_asked_about(home):
    """The usual slip: what customers said, brought in as a list of who is out."""
    said = small(home, "customer,granted\na,no\nb,yes\n")
    with pytest.raises(jobs.Refused, match="does not say no everywhere"):
        consent_files.suppressed(said, channel="webpush", source="shop")
    out = small(home, "customer,granted\na,no\nb,False\n")
    assert consent_files.suppressed(out, channel="webpush", source="shop")

"""The examples of the storefront guide are calls that work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from string import Template

import pytest
from django.test import Client

from campaigns.models import Ad, Placement
from segmentation.api.problems import TITLES
from tests import storefront

pytestmark = pytest.mark.django_db

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "storefront.md"


def commands() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


def run(command: str, values: dict[str, str]):
    """Make the call that a curl command stands for."""
    one_line = command.replace("\\\n", " ")
    words = shlex.split(Template(one_line).substitute(values))
    assert words.pop(0) == "curl"
    method, url, body, headers = "GET", "", "", {}
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _colon, text = words.pop(0).partition(": ")
            headers[name] = text
        elif word == "-d":
            body = words.pop(0)
        else:
            url = word
    sent = {"content_type": headers.pop("Content-Type", "application/octet-stream")}
    return Client().generic(method, url, body if body else b"", headers=headers, **sent)


def test_every_example_works_in_the_order_of_the_guide():
    storefront.start_afresh()
    storefront.make_items("tea")
    known = storefront.make_customer("c-1")
    segment = storefront.make_segment("tea lovers", known.customer, size=20)
    placement = Placement.objects.create(slug="hero", name="Hero")
    Ad.objects.create(placement=placement, name="Tea", title="x", link="https://x.test")
    page = storefront.browser("c-1")
    values = {
        "STRATA": "",
        "SERVER_KEY": storefront.server().text,
        "PUBLISHABLE_KEY": page.text,
        "CUSTOMER_TOKEN": page.token,
        "SEGMENT": str(segment.pk),
    }
    examples = commands()
    assert len(examples) >= 15
    for command in examples:
        answer = run(command, values)
        assert answer.status_code in (200, 201, 204), (command, answer.content)
        if "/events/" in command:
            assert answer.json()["accepted"] >= 1


def test_the_guide_names_every_kind_of_problem():
    text = GUIDE.read_text()
    told = [kind for kind in TITLES if f"`{kind}`" in text]
    assert set(TITLES) - set(told) == {"forbidden"}, "only a host's own code sends it"

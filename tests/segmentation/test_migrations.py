"""Migrations that fill columns, run over the rows of a shop that upgrades."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from segmentation.models import Telling

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
APP = "segmentation"


@pytest.fixture
def before_merges_had_homes() -> Iterator[Any]:
    """The models as they were in 0004; afterwards everything is as it is now."""
    executor = MigrationExecutor(connection)
    executor.migrate([(APP, "0004_data_in")])
    yield executor.loader.project_state([(APP, "0004_data_in")]).apps
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def migrate(name: str) -> Any:
    executor = MigrationExecutor(connection)
    executor.migrate([(APP, name)])
    return executor.loader.project_state([(APP, name)]).apps


def test_merges_get_the_home_at_the_end_of_their_chains(before_merges_had_homes):
    old = before_merges_had_homes
    customer, merge = old.get_model(APP, "Customer"), old.get_model(APP, "Merge")
    a, b, c, d, e, f, g = (customer.objects.create(created_at=NOW) for _ in "abcdefg")
    pairs = [
        *((a, b, None), (b, c, None), (c, d, None)),  # one long chain: a → b → c → d
        (e, f, NOW),  # taken back: e is apart, whatever f went into
        (f, d, None),
        (g, e, None),  # goes into e, who is nobody's part
    ]
    for merged, kept, undone_at in pairs:
        merge.objects.create(
            merged=merged, kept=kept, reason="hand", undone_at=undone_at
        )
    merge = migrate("0005_home_of_the_merged").get_model(APP, "Merge")
    homes = dict(merge.objects.filter(undone_at=None).values_list("merged", "home"))
    assert homes == dict.fromkeys((a.pk, b.pk, c.pk, f.pk), d.pk) | {g.pk: e.pk}
    assert merge.objects.get(merged=e.pk).home_id is not None


def test_what_is_claimed_becomes_what_was_told(before_merges_had_homes):
    old = before_merges_had_homes
    source = old.get_model(APP, "Source").objects.create(name="shop")
    who = old.get_model(APP, "Customer").objects.create(created_at=NOW)
    claim = {"values": '{"name": "Ada"}', "told_at": NOW, "import_id": 7}
    old.get_model(APP, "CustomerClaim").objects.create(
        customer=who, source=source, **claim
    )
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    [row] = Telling.objects.values("customer", "source", *claim)
    assert row == claim | {"customer": who.pk, "source": source.pk}

"""A small shop whose customers have habits and tastes, as rows of the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from segmentation.models import Identity, Item, ModelRun, Source
from segmentation.services import events, jobs, registry, training
from tests import storefront

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
WEEKS = 24
SMALL = {"min_lines": 3}


def world(n_customers: int = 24, n_items: int = 32, weeks: int = WEEKS) -> Source:
    """Even customers buy even items, odd ones odd items, two of them every week.

    Every four weeks each of them moves on to an item that is new to them.
    """
    storefront.start_afresh()
    source = Source.objects.get_or_create(name="shop")[0]
    half = n_items // 2
    rows = []
    for week in range(weeks):
        for who in range(n_customers):
            for step in (0, 1 + week % 3):
                item = 2 * ((who // 2 + step + week // 4) % half) + who % 2
                rows.append(purchase(f"c-{who:02}", f"i-{item:02}", week, f"{who}"))
    record(source, rows)
    return source


def purchase(customer: str, item: str, week: float, order: str = "") -> dict:
    return {
        "customer": customer,
        "item": item,
        "kind": "purchase",
        "occurred_at": (START + timedelta(weeks=week)).isoformat(),
        "order": f"{order}-{week}",
        "amount": 2.0,
    }


def record(source: Source, rows: list[dict]) -> None:
    now = START + timedelta(weeks=500)  # nothing that is told lies in the future
    recorded = events.record_events(rows, source=source, now=now)
    assert not recorded.errors


def train(algorithm: str, purpose: str, **params) -> ModelRun:
    """A finished run; what refuses it comes through."""
    run = training.create_run(algorithm, purpose, params=SMALL | params)
    with jobs.hold(run) as held:
        training.train(run, held)
    run.refresh_from_db()
    return run


def live(algorithm: str, purpose: str, **params) -> ModelRun:
    run = train(algorithm, purpose, **params)
    registry.promote(run)
    return run


def customer_id(external_id: str) -> int:
    return Identity.objects.get(external_id=external_id).customer_id


def item_id(external_id: str) -> int:
    return Item.objects.get(external_id=external_id).pk

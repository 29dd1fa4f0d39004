"""Whom a list is for, and what they did since it was written: one query each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection

from segmentation import queries
from segmentation.models import (
    KIND_WEIGHTS,
    Customer,
    Event,
    Identity,
    Kind,
    Source,
)
from segmentation.services import registry

MOST_EVENTS = 5000  # the newest: a person without a list has no more behind them
TELLING = ", ".join(str(int(kind)) for kind in KIND_WEIGHTS)
SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class Person:
    """Somebody whom a call is about, as far as they are known."""

    identity_id: int | None
    customer_id: int
    is_named: bool = True  # some source knows them by an id
    personalised: bool = True
    is_newer: bool = False  # something happened since their list was written


@dataclass(frozen=True, eq=False)
class Since:
    """What somebody did since an instant: one row an event that tells of interest."""

    item_ids: np.ndarray
    kinds: np.ndarray
    at: np.ndarray  # seconds since 1970
    quantity: np.ndarray
    amount: np.ndarray

    def bought(self) -> dict[int, float]:
        """Item → when it was bought last."""
        buys = self.kinds == Kind.PURCHASE
        found: dict[int, float] = {}
        for item, at in zip(
            self.item_ids[buys].tolist(), self.at[buys].tolist(), strict=True
        ):
            found[item] = max(at, found.get(item, 0.0))
        return found


def find(
    source: Source, customer: str | None, visitor: str | None, purpose: str = ""
) -> Person | None:
    """The person behind an id, and whether their list for a purpose lags behind them.

    One query, written out: the ORM takes longer to put it together than it runs.
    """
    if customer:
        where, params = _BY_CUSTOMER, list[Any]([source.pk, customer])
    elif visitor:
        where, params = _BY_VISITOR, [visitor]
    else:
        return None
    newer = _NEVER
    written_at = written(purpose) if purpose else None
    if written_at is not None:
        newer = _NEWER
        params.insert(0, connection.ops.adapt_datetimefield_value(written_at))
    sql = f"{_WHO}{newer}{_FROM}{where}"
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        row = cursor.fetchone()
    if row is None:
        return None
    return Person(row[0], row[1], bool(row[2]), bool(row[3]), bool(row[4]))


def of_customer(customer: Customer, purpose: str) -> Person:
    """The same for a customer of ours, as the operator looks at them."""
    newer = telling(customer.pk).filter(kind__in=list(KIND_WEIGHTS))
    written_at = written(purpose)
    return Person(
        None,
        customer.pk,
        personalised=not queries.is_left_out(customer.pk),
        is_newer=written_at is not None
        and newer.filter(occurred_at__gt=written_at).exists(),
    )


def written(purpose: str) -> datetime | None:
    """When the lists that are served for a purpose were written."""
    lists = registry.live_lists(purpose)
    return lists.written_at if lists else None


def telling(customer_id: int) -> Any:
    identities = Identity.objects.filter(customer=customer_id).values("pk")
    return Event.objects.filter(
        identity_id__in=identities, item_id__isnull=False, quantity__gt=0
    )


def since(customer_id: int, instant: datetime | None) -> Since:
    """What a customer did since an instant, or ever, the newest first."""
    rows = telling(customer_id).filter(kind__in=list(KIND_WEIGHTS))
    if instant is not None:
        rows = rows.filter(occurred_at__gt=instant)
    hidden = queries.unfinished_imports()
    if hidden:
        rows = rows.exclude(import_id__in=hidden)
    found = list(
        rows.order_by("-occurred_at").values_list(
            "item_id", "kind", "occurred_at", "quantity", "amount"
        )[:MOST_EVENTS]
    )
    columns = list(zip(*found, strict=True)) or [()] * 5
    return Since(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int64),
        np.array([at.timestamp() for at in columns[2]], np.float64),
        np.array(columns[3], np.float64),
        np.array([amount or 0.0 for amount in columns[4]], np.float64),
    )


def weights(done: Since, told: dict[str, Any], *, now: datetime) -> np.ndarray:
    """What each event says about interest, by the rules its model learned with.

    ``told`` is the run's ``chosen_params["data"]``: weights of kinds, half-life, and
    whether quantity or amount counts (as log(1 + x)).
    """
    own = told.get("kind_weights") or {}
    names = {kind: kind.name.lower() for kind in KIND_WEIGHTS}
    of_kind = {int(k): float(own.get(names[k], w)) for k, w in KIND_WEIGHTS.items()}
    found = np.array([of_kind[kind] for kind in done.kinds.tolist()], np.float64)
    if told.get("amount") in ("quantity", "amount"):
        found = found * np.log1p(getattr(done, told["amount"]).clip(min=0))
    if half_life := told.get("half_life_days"):
        ages = (now.timestamp() - done.at).clip(min=0) / SECONDS_A_DAY
        found = found * np.exp(-math.log(2) * ages / half_life)
    return found


_IDENTITY, _CUSTOMER, _EVENT = (
    model._meta.db_table for model in (Identity, Customer, Event)
)
_WHO = (
    "SELECT i.id, i.customer_id, i.external_id IS NOT NULL OR EXISTS "
    f"(SELECT 1 FROM {_IDENTITY} n WHERE n.customer_id = i.customer_id "
    f"AND n.external_id IS NOT NULL), NOT ({queries.IS_LEFT_OUT}), "
)
_NEVER = "1 = 0"
_NEWER = (
    f"EXISTS (SELECT 1 FROM {_IDENTITY} j JOIN {_EVENT} e "
    "ON e.identity_id = j.id AND e.occurred_at > %s "
    f"WHERE j.customer_id = i.customer_id AND e.kind IN ({TELLING}) "
    "AND e.item_id IS NOT NULL)"
)
_FROM = f" FROM {_IDENTITY} i JOIN {_CUSTOMER} c ON c.id = i.customer_id WHERE "
_BY_CUSTOMER = "i.source_id = %s AND i.external_id = %s"
_BY_VISITOR = "i.visitor_id = %s"

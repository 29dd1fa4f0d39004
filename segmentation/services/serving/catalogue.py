"""The catalogue and the operator's rules as this process knows them: arrays.

A list is filtered without a query: what stands here is at most a few seconds old. A
cheap look tells whether anything changed, and only then is all of it read again, in a
thread of its own, while requests go on with what they have.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection, connections
from django.db.models import Count, Max, Q, Sum

from segmentation.models import Category, Item, ListRule

log = logging.getLogger(__name__)

CHECK_SECONDS = 3.0
REREAD_SECONDS = 300.0  # a change that the cheap look cannot see, such as a new name
DEFAULT_FACTORS = {"boost": 2.0, "bury": 0.5}
COLUMNS = (
    "pk",
    "external_id",
    "title",
    "group",
    "category__name",
    "brand",
    "price",
    "available",
)


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule of the operator's, and the positions of the items it speaks of."""

    pk: int
    action: str
    positions: np.ndarray
    place: int | None
    factor: float
    purpose: str
    placement: str
    starts_at: datetime | None
    ends_at: datetime | None

    def holds(self, purpose: str, placement: str, now: datetime) -> bool:
        return (
            (not self.purpose or self.purpose == purpose)
            and (not self.placement or self.placement == placement)
            and (self.starts_at is None or self.starts_at <= now)
            and (self.ends_at is None or now < self.ends_at)
        )


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items in the order of their ids; codes are -1 where an item has no such thing."""

    ids: np.ndarray
    external_ids: list[str]
    titles: list[str]
    group: np.ndarray
    category: np.ndarray
    brand: np.ndarray
    price: np.ndarray  # NaN where unknown
    available: np.ndarray
    category_codes: dict[str, int]
    brand_codes: dict[str, int]
    position_of: dict[str, int]  # external id → position
    rules: tuple[Rule, ...]
    version: tuple[Any, ...]

    def positions(self, ids: np.ndarray) -> np.ndarray:
        """Position of each item id, -1 where there is no such item."""
        if not len(self.ids):
            return np.full(len(ids), -1)
        at = np.searchsorted(self.ids, ids)
        at[at == len(self.ids)] = 0
        at[self.ids[at] != ids] = -1
        return at

    def rules_for(
        self, purpose: str, placement: str, now: datetime
    ) -> tuple[Rule, ...]:
        if not self.rules:
            return ()
        return tuple(r for r in self.rules if r.holds(purpose, placement, now))


class _Kept:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Catalogue | None = None
        self._good_until = 0.0
        self._reread_at = 0.0

    def get(self) -> Catalogue:
        found = self._found
        if found is not None and time.monotonic() < self._good_until:
            return found
        # Inside a transaction another connection would not see what this one wrote.
        if found is None or connection.in_atomic_block:
            with self._lock:  # whoever waited here finds what the other one read
                if self._found is None or time.monotonic() >= self._good_until:
                    self._look()
                assert self._found is not None
                return self._found
        if self._lock.acquire(blocking=False):  # else somebody is reading already
            self._good_until = time.monotonic() + CHECK_SECONDS
            threading.Thread(target=self._in_background, daemon=True).start()
        return found

    def forget(self) -> None:
        self._found = None
        self._good_until = 0.0

    def _in_background(self) -> None:
        try:
            self._look()
        except Exception:  # the former one goes on being served
            log.exception("the catalogue cannot be read")
        finally:
            self._lock.release()
            connections.close_all()

    def _look(self) -> None:
        version, now = _version(), time.monotonic()
        known = self._found is not None and self._found.version == version
        if not known or now >= self._reread_at:
            self._found = read(version)
            self._reread_at = now + REREAD_SECONDS
        self._good_until = time.monotonic() + CHECK_SECONDS


_kept = _Kept()


def current() -> Catalogue:
    """The catalogue as of at most a few seconds ago."""
    return _kept.get()


def forget() -> None:
    """Read anew at the next request."""
    _kept.forget()


def _version() -> tuple[Any, ...]:
    items = Item.objects.aggregate(
        n=Count("pk"),
        last=Max("pk"),
        changed=Max("updated_at"),
        there=Count("pk", filter=Q(available=True)),
        prices=Sum("price"),
    )
    names = Category.objects.aggregate(n=Count("pk"), last=Max("pk"))
    rules = ListRule.objects.filter(enabled=True).order_by("pk").values_list()
    return (*items.values(), *names.values(), *rules)


def read(version: tuple[Any, ...] = ()) -> Catalogue:
    """The whole catalogue, in one query, and the rules that are enabled."""
    rows = list(Item.objects.order_by("pk").values_list(*COLUMNS))
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    ids, external_ids, titles, groups, categories, brands, prices, there = columns
    category, category_codes = _coded(categories)
    brand, brand_codes = _coded(brands)
    shop = Catalogue(
        ids=np.array(ids, np.int64),
        external_ids=list(external_ids),
        titles=list(titles),
        group=_coded(groups)[0],
        category=category,
        brand=brand,
        price=np.array([np.nan if p is None else p for p in prices], np.float64),
        available=np.array(there, bool),
        category_codes=category_codes,
        brand_codes=brand_codes,
        position_of={name: at for at, name in enumerate(external_ids)},
        rules=(),
        version=version,
    )
    rules = ListRule.objects.filter(enabled=True).select_related("category")
    return replace(shop, rules=tuple(rule_of(shop, r) for r in rules.order_by("pk")))


def _coded(words: tuple[str | None, ...]) -> tuple[np.ndarray, dict[str, int]]:
    codes: dict[str, int] = {}
    coded = [codes.setdefault(word, len(codes)) if word else -1 for word in words]
    return np.array(coded, np.int32), codes


def rule_of(shop: Catalogue, row: ListRule) -> Rule:
    """A row as it is applied, whether it is enabled or not."""
    if row.item_id:
        spoken_of = shop.ids == row.item_id
    elif row.category:
        code = shop.category_codes.get(row.category.name, -2)
        spoken_of = shop.category == code
    else:
        spoken_of = shop.brand == shop.brand_codes.get(row.brand, -2)
    return Rule(
        pk=row.pk,
        action=row.action,
        positions=np.flatnonzero(spoken_of),
        place=row.place,
        factor=row.factor or DEFAULT_FACTORS.get(row.action, 1.0),
        purpose=row.purpose,
        placement=row.placement,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
    )

"""A shop that calls the API in tests: keys, calls, and a model that is live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.test import Client

from segmentation.models import (
    ApiKey,
    Customer,
    Identity,
    Item,
    Membership,
    ModelRun,
    Segment,
    SegmentSet,
    Source,
)
from segmentation.services import access, registry, serving

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ORIGIN = "https://shop.example"
API = "/api/v1"


@dataclass
class Caller:
    """Calls with one key; every answer is the test client's."""

    text: str
    row: ApiKey
    origin: str | None = None
    token: str | None = None

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str):
        return self._call("get", path, query, headers)

    def post(self, path: str, body: Any = None, **headers: str):
        return self._call("post", path, body, headers)

    def put(self, path: str, body: Any = None, **headers: str):
        return self._call("put", path, body, headers)

    def delete(self, path: str, body: Any = None, **headers: str):
        return self._call("delete", path, body, headers)

    def _call(self, method: str, path: str, data: Any, headers: dict[str, str]):
        sent = {"Authorization": f"Bearer {self.text}"}
        if self.origin:
            sent["Origin"] = self.origin
        if self.token:
            sent["X-Customer-Token"] = self.token
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        client = Client(raise_request_exception=False)
        extra = {} if method == "get" else {"content_type": "application/json"}
        return getattr(client, method)(API + path, data or {}, headers=sent, **extra)


def source(name: str = "web") -> Source:
    return Source.objects.get_or_create(name=name)[0]


def server(shop: Source | None = None, **fields: Any) -> Caller:
    row, text = ApiKey.issue(
        name="server", kind=ApiKey.Kind.SERVER, source=shop or source(), **fields
    )
    return Caller(text, row)


def browser(customer: str | None = None, **fields: Any) -> Caller:
    """A publishable key on an allowed page; with a customer, their token too."""
    fields = {"allowed_origins": [ORIGIN], "source": source()} | fields
    row, text = ApiKey.issue(name="web", kind=ApiKey.Kind.PUBLISHABLE, **fields)
    token = None
    if customer:
        now = datetime.now(UTC)
        token, _ends_at = access.issue_token(row.source, customer, now=now)
    return Caller(text, row, ORIGIN, token)


def make_customer(external_id: str, shop: Source | None = None) -> Identity:
    person = Customer.objects.create(created_at=NOW)
    return Identity.objects.create(
        customer=person, source=shop or source(), external_id=external_id
    )


def make_items(*external_ids: str, **fields: Any) -> list[Item]:
    return [Item.objects.create(external_id=name, **fields) for name in external_ids]


def make_segment(name: str, *members: Customer, size: int, live: bool = True):
    stage = SegmentSet.Stage.LIVE if live else SegmentSet.Stage.CANDIDATE
    group, _created = SegmentSet.objects.get_or_create(
        method="kmeans", stage=stage, defaults={"status": "done"}
    )
    label = group.segments.count()
    made = Segment.objects.create(segment_set=group, label=label, name=name, size=size)
    for member in members:
        Membership.objects.create(segment=made, customer=member)
    return made


def make_live(
    purpose: str,
    lists: dict[int, list[Item]],
    popular: list[Item] = (),
    **more: np.ndarray,
) -> ModelRun:
    """A live run whose lists are given: owner id → items, best first."""
    run = ModelRun.objects.create(
        algorithm="als", purpose=purpose, status="done", started_at=NOW
    )
    owners = np.array(sorted(lists), np.int64)
    width = max((len(items) for items in lists.values()), default=1)
    ids = np.zeros((len(owners), width), np.int64)
    for row, owner in enumerate(owners.tolist()):
        ids[row, : len(lists[owner])] = [item.pk for item in lists[owner]]
    scores = np.tile(np.linspace(1, 0.1, width), (len(owners), 1))
    with registry.new_artifact(run) as (folder, name):
        (folder / "lists").mkdir()
        for array_name, array in {
            "owner_ids": owners,
            "item_ids": ids,
            "scores": scores,
            "popular_ids": np.array([item.pk for item in popular], np.int64),
            **more,
        }.items():
            np.save(folder / "lists" / f"{array_name}.npy", array)
    run.artifact = name
    run.save()
    registry.promote(run)
    return run


def start_afresh() -> None:
    """Forget what the process keeps of rows that a former test has taken back."""
    access.forget()
    serving.forget()
    registry.forget()

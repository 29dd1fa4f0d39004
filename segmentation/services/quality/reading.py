"""What a report reads, in sets: events, people, things, searches, blanks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q
from numpy.typing import NDArray

from segmentation import bulk, queries
from segmentation.models import Customer, Identity, Item, Kind

Groups = dict[str, tuple[NDArray[np.int64], list[str]]]

MOST_VALUES = 50  # an attribute with more is no way to form groups
MOST_ATTRIBUTES = 20
MOST_TERMS = 20
TERM_CUSTOMERS = 3  # what fewer people searched for could tell who they are
CATALOGUE = ("title", "category", "brand", "price", "url", "image", "description")


@dataclass(frozen=True)
class Members:
    """Rows by ascending id, and per way of grouping a code of each row and the names
    of the codes; -1 is unknown."""

    ids: NDArray[np.int64]
    groups: Groups


def events() -> pa.Table:
    """All events with their customer, but for those of an unfinished import."""
    # SQLite takes longer to make a number of an instant than Arrow takes to parse it.
    is_text = connection.vendor == "sqlite"
    at = "CAST(e.occurred_at AS text)" if is_text else bulk.epoch("e.occurred_at")
    rows = bulk.read(
        f"SELECT i.customer_id AS user_id, {at} AS at, e.item_id, e.kind, "
        "e.quantity, e.price, e.amount, e.order_key, e.session_key "
        "FROM segmentation_event e LEFT JOIN segmentation_identity i "
        f"ON i.id = e.identity_id {_where('e.identity_id IS NOT NULL')}"
    )
    if is_text:
        texts = rows["at"].cast(pa.string())
        at_us = texts.cast(pa.timestamp("us")).cast(pa.int64())
        seconds = pc.divide(at_us.cast(pa.float64()), 1e6)
        rows = rows.set_column(rows.schema.get_field_index("at"), "at", seconds)
    return rows


def people() -> Members:
    """Customers with a name in some source; merged ones have none."""
    rows = bulk.read(
        "SELECT c.id, c.locale FROM segmentation_customer c WHERE EXISTS (SELECT 1 "
        "FROM segmentation_identity i WHERE i.customer_id = c.id) ORDER BY c.id"
    ).to_pandas()
    ids = rows["id"].to_numpy(np.int64)
    groups: Groups = {"locale": _coded(rows["locale"])}
    told = _attributes()
    for name, lines in told.groupby("key", observed=True):
        texts = pd.Series(lines["value"].to_numpy(), index=lines["id"]).reindex(ids)
        if 0 < texts.nunique() <= MOST_VALUES and len(groups) <= MOST_ATTRIBUTES:
            groups[f"attributes.{name}"] = _coded(texts)
    return Members(ids, groups)


def things() -> Members:
    rows = bulk.read(
        "SELECT i.id, coalesce(c.name, '') AS name FROM segmentation_item i "
        "LEFT JOIN segmentation_category c ON c.id = i.category_id ORDER BY i.id"
    ).to_pandas()
    return Members(rows["id"].to_numpy(np.int64), {"category": _coded(rows["name"])})


def searches() -> dict[str, Any]:
    """Search events, those whose value is 0 (no result), and the commonest terms."""
    # ADBC reads a decimal as text: sums are counted in floats.
    empty = "sum(CASE WHEN e.value = 0 THEN 1.0 ELSE 0.0 END)"
    if connection.vendor == "postgresql":
        empty = f"{empty}::float8"
    where = _where(f"e.kind = {int(Kind.SEARCH)}")
    totals = bulk.read(
        f"SELECT count(*) AS n, count(e.value) AS told, {empty} AS empty "
        f"FROM segmentation_event e {where}"
    ).to_pylist()[0]
    if not totals["n"]:
        return {"n": 0, "told": 0, "empty": 0, "terms": []}
    terms = bulk.read(
        "SELECT lower(trim(d.search_terms)) AS terms, count(*) AS n, "
        f"count(DISTINCT i.customer_id) AS customers, {empty} AS empty "
        # Few events have words: SQLite is told by CROSS JOIN to begin with those.
        "FROM segmentation_eventdetail d CROSS JOIN segmentation_event e "
        f"CROSS JOIN segmentation_identity i {where} AND d.search_terms <> '' "
        "AND e.event_key = d.event_key AND i.id = e.identity_id GROUP BY 1 "
        f"HAVING count(DISTINCT i.customer_id) >= {TERM_CUSTOMERS} "
        f"ORDER BY 2 DESC, 1 LIMIT {MOST_TERMS}"
    )
    return {
        "n": int(totals["n"]),
        "told": int(totals["told"]),
        "empty": int(totals["empty"] or 0),
        "terms": [
            line | {"empty": int(line["empty"] or 0)} for line in terms.to_pylist()
        ],
    }


def catalogue() -> dict[str, Any]:
    """Items and how many lack each field; not described: no title, category, price."""
    lacks = {name: Q(**{name: ""}) for name in CATALOGUE}
    lacks |= {name: Q(**{f"{name}__isnull": True}) for name in ("category", "price")}
    blank = lacks["title"] & lacks["category"] & lacks["price"]
    counts = {name: Count("pk", filter=lack) for name, lack in lacks.items()}
    found = Item.objects.aggregate(
        n=Count("pk"), never_described=Count("pk", filter=blank), **counts
    )
    return {
        "n": found["n"],
        "never_described": found["never_described"],
        "missing": {name: found[name] for name in CATALOGUE},
    }


def customers() -> dict[str, Any]:
    """Customers, who is anonymous, and of whom nothing is told but an id."""
    named = Identity.objects.filter(customer=OuterRef("pk"))
    known = named.filter(visitor_id=None)
    blank = Q(name="", email="", phone="", locale="", attributes={})
    rows = Customer.objects.filter(Exists(named)).annotate(known=Exists(known))
    return rows.aggregate(
        n=Count("pk"),
        anonymous=Count("pk", filter=Q(known=False)),
        never_described=Count("pk", filter=blank & Q(known=True)),
    )


def aligned(
    ids: NDArray[np.int64], values: NDArray[np.float64], wanted: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The value of each wanted id, 0 where it has none; ``ids`` ascend."""
    if not len(ids):
        return np.zeros(len(wanted))
    at = np.searchsorted(ids, wanted).clip(max=len(ids) - 1)
    return np.where(ids[at] == wanted, values[at], 0.0)


def _where(condition: str) -> str:
    """What an unfinished import brought does not exist yet."""
    hidden = ", ".join(map(str, queries.unfinished_imports()))
    if hidden:
        condition += f" AND (e.import_id IS NULL OR e.import_id NOT IN ({hidden}))"
    return f"WHERE {condition}"


def _attributes() -> pd.DataFrame:
    """A row per customer and attribute, as text."""
    if connection.vendor == "postgresql":
        each = (
            "CROSS JOIN LATERAL jsonb_each_text(CASE jsonb_typeof(c.attributes) "
            "WHEN 'object' THEN c.attributes ELSE '{}'::jsonb END) AS a"
        )
    else:
        each = "JOIN json_each(c.attributes) AS a"
    rows = bulk.read(
        f"SELECT c.id, CAST(a.key AS text) AS key, CAST(a.value AS text) AS value "
        f"FROM segmentation_customer c {each}"
    )
    return rows.to_pandas()


def _coded(texts: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
    texts = texts.where(texts.notna() & (texts != ""))
    codes, names = pd.factorize(texts, sort=True)
    return codes.astype(np.int64), [str(name) for name in names]

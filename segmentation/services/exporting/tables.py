"""What can be exported: its columns in SQL, and which of them name a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from segmentation import bulk
from segmentation.models import Membership
from segmentation.models.fields import decrypt
from segmentation.services import jobs

# The privacy officer's right: whoever may change a person may take their names out.
PERSONAL = "segmentation.change_customer"
TIME = pa.timestamp("s", "UTC")
NUMBER, FLAG, TEXT = pa.float64(), pa.bool_(), pa.string()


@dataclass(frozen=True)
class Column:
    """A column of the file. What names a person is stored encrypted."""

    name: str
    sql: str
    type: pa.DataType = TEXT
    is_personal: bool = False


@dataclass(frozen=True)
class Table:
    """``source`` is what stands after FROM, ``key`` the SQL of the chosen ids.

    ``ids_of`` turns the queryset of a list into one of those ids; ``permission`` is
    that of the list. Columns are called as the importer calls them, so that a file
    that went out comes in again.
    """

    name: str
    source: str
    key: str
    columns: tuple[Column, ...]
    permission: str
    order: str = ""
    ids_of: Callable[[Any], Any] = lambda rows: rows.order_by().values_list(
        "pk", flat=True
    )

    def schema(self, columns: list[Column]) -> pa.Schema:
        return pa.schema([(column.name, column.type) for column in columns])

    def read(self, ids: NDArray[np.int64], columns: list[Column]) -> pa.Table:
        """The rows of these ids, in the types of the schema."""
        asked = ", ".join(
            f'{_as_read(column)} AS "{column.name}"' for column in columns
        )
        among = ",".join(map(str, ids.tolist()))  # numbers, ours
        found = bulk.read(
            f"SELECT {asked} FROM {self.source} WHERE {self.key} IN ({among}) "
            f"ORDER BY {self.key}{self.order}"
        )
        cells = [
            _typed(found[i].combine_chunks(), column)
            for i, column in enumerate(columns)
        ]
        return pa.table(cells, schema=self.schema(columns))


_tables: dict[str, Table] = {}


def register(*tables: Table) -> None:
    """Make tables known by their names; another app adds its own when it is ready."""
    _tables.update({each.name: each for each in tables})


def table(name: str) -> Table:
    if name not in _tables:
        raise jobs.Refused(_("There is no table “%(name)s” here.") % {"name": name})
    return _tables[name]


def of_people() -> list[str]:
    """Names of the tables that say who somebody is."""
    return [name for name, each in _tables.items() if set(WHO) & set(each.columns)]


def _as_read(column: Column) -> str:
    if column.type == TIME:
        return bulk.epoch(column.sql)
    return column.sql


def _typed(cells: pa.Array, column: Column) -> pa.Array:
    if column.type == TIME:
        return pc.floor(cells.cast(pa.float64())).cast(pa.int64()).cast(TIME)
    if column.is_personal:
        stored = ["" if text is None else text for text in cells.to_pylist()]
        return pa.array(decrypt(stored), TEXT)
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    return cells.cast(column.type)


def _members(segments: Any) -> Any:
    return Membership.objects.filter(segment__in=segments.order_by()).values_list(
        "pk", flat=True
    )


NAMES = "LEFT JOIN segmentation_identity n ON n.customer_id = {customer} "
NAMES += "LEFT JOIN segmentation_source s ON s.id = n.source_id"
# A customer has a line for each id that a source knows them by.
WHO = (
    Column("source", "s.name"),
    Column("customer", "n.external_id"),
    Column("visitor", "n.visitor_id"),
)

register(
    Table(
        "items",
        "segmentation_item t LEFT JOIN segmentation_category c ON c.id = t.category_id",
        "t.id",
        (
            Column("item", "t.external_id"),
            Column("title", "t.title"),
            Column("group", 't."group"'),
            Column("category", "c.name"),
            Column("brand", "t.brand"),
            Column("price", "t.price", NUMBER),
            Column("currency", "t.currency"),
            Column("url", "t.url"),
            Column("image", "t.image"),
            Column("available", "t.available", FLAG),
            Column("description", "t.description"),
            Column("attributes", "CAST(t.attributes AS text)"),
            Column("created_at", "t.created_at", TIME),
        ),
        "segmentation.view_item",
    ),
    Table(
        "customers",
        f"segmentation_customer t {NAMES.format(customer='t.id')}",
        "t.id",
        (
            *WHO,
            Column("name", "t.name", is_personal=True),
            Column("email", "t.email", is_personal=True),
            Column("phone", "t.phone", is_personal=True),
            Column("locale", "t.locale"),
            Column("timezone", "t.timezone"),
            Column("attributes", "CAST(t.attributes AS text)"),
            Column("created_at", "t.created_at", TIME),
        ),
        "segmentation.view_customer",
        order=", n.id",
    ),
    Table(
        "segments",
        "segmentation_membership t "
        "JOIN segmentation_segment g ON g.id = t.segment_id "
        "JOIN segmentation_segmentset d ON d.id = g.segment_set_id "
        + NAMES.format(customer="t.customer_id"),
        "t.id",
        (
            Column("segment", "g.name"),
            Column("segment_id", "g.id", pa.int64()),
            Column("method", "d.method"),
            *WHO,
            Column("since", "t.since", TIME),
        ),
        "segmentation.view_segment",
        order=", n.id",
        ids_of=_members,
    ),
)

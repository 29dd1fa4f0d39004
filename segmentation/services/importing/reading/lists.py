"""Lists in JSON objects whose elements are rows of their own.

An order of three lines is often one object with a list of three. Taken apart, each
element is a row, and what the object says beside the list is repeated in each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from segmentation.engine.mapping.names import normal

MOST = 8  # lists that somebody may have to choose from
# What such lists are called by those who mean rows.
_OF_ROWS = {
    *("items", "lineitems", "orderitems", "cartitems", "lines", "orderlines"),
    *("products", "orderproducts", "orders", "purchases", "transactions"),
    *("events", "sessionevents", "hits", "variants", "skus"),
    *("商品", "商品列表", "订单明细", "明细"),
}
# Lists of names and values are fields of the object, only written as a list.
_OF_FIELDS = ({"key", "value"}, {"name", "value"})


def found_in(objects: Iterable[Any]) -> list[str]:
    """Paths (``a.b``) of the lists of objects in these objects, as they come."""
    paths: dict[str, None] = {}
    for found in objects:
        if isinstance(found, dict):
            paths.update(dict.fromkeys(_paths(found)))
    return list(paths)[:MOST]


def meant(paths: list[str]) -> str:
    """The one list that is called as lists of rows are; "" if none or several are."""
    named = [path for path in paths if normal(path.rpartition(".")[2]) in _OF_ROWS]
    return named[0] if len(named) == 1 else ""


def taken(found: dict[str, Any], path: str) -> list[Any]:
    """The elements of the list, which is taken out of the object; [] if it has none."""
    for name, value in found.items():
        if name == path and isinstance(value, list):
            return list(found.pop(name))
        if isinstance(value, dict) and path.startswith(f"{name}."):
            return taken(value, path.removeprefix(f"{name}."))
    return []


def _paths(found: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{before}{name}.")
        elif isinstance(value, list) and any(map(_is_row, value)):
            yield before + name


def _is_row(element: Any) -> bool:
    return isinstance(element, dict) and not any(
        names == set(element) for names in _OF_FIELDS
    )

"""What columns are called: ours, and in the exports and tables of shops."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import partial

from segmentation.engine.mapping.fields import ALL_ATTRIBUTES, FIELDS, role_of


def normal(header: str) -> str:
    """The letters and digits of a header: “Item_ID” and “item id” are one name."""
    folded = unicodedata.normalize("NFKC", header).casefold()
    return re.sub(r"[\W_]+", "", folded)


def bare(header: str) -> str:
    """The same without what stands in brackets: “Price (EUR)” is “price”."""
    return normal(re.sub(r"[(（\[【].*?[)）\]】]", "", header))


def signature(kind: str, headers: list[str]) -> str:
    """32 hex digits of the headers, in any order: a saved mapping is found by them."""
    names = "\n".join([kind, *sorted(normal(header) for header in headers)])
    return hashlib.blake2b(names.encode(), digest_size=16).hexdigest()


def guess(kind: str, headers: list[str]) -> dict[str, str]:
    """Take headers that are called like the fields themselves."""
    lower = {header.strip().lower(): header for header in headers}
    aliases = {"item": ("item", "item_id"), "customer": ("customer", "customer_id")}
    found = {}
    for name in filter(partial(role_of, kind), (*FIELDS[kind], ALL_ATTRIBUTES)):
        for alias in aliases.get(name, (name,)):
            if alias in lower:
                found[name] = lower[alias]
                break
    return found

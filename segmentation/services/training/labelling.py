"""Groups by which a run is judged: who the customers are, what the items are."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from django.utils.translation import gettext as _

from segmentation import frames
from segmentation.engine.interactions import IdMap, Interactions

MOST_VALUES = 12  # of an attribute: more do not divide customers into groups


def of_users(train: Interactions, period_days: float) -> dict[str, np.ndarray]:
    """Name of a grouping → a label for each user row.

    ``activity`` in thirds, ``tenure`` (new within the last period), ``segment: …`` for
    each current set, ``attribute: …`` for each that has two to twelve values.
    """
    ids = train.users.ids
    found = {"activity": _thirds(train), "tenure": _tenure(train, period_days)}
    for name, members in frames.current_segments().items():
        found[_("segment: %(name)s") % {"name": name}] = _placed(
            ids, members["customer_id"], members["segment"]
        )
    return found | _attributes(ids)


def of_items(items: IdMap) -> dict[str, np.ndarray]:
    """``category`` and ``brand`` of each item row; empty where nothing is known."""
    known = frames.catalogue(items.ids, texts=False)
    return {
        name: _placed(items.ids, known["item_id"], known[name])
        for name in ("category", "brand")
    }


def _thirds(train: Interactions) -> np.ndarray:
    """By number of lines, as many in each; equal numbers stand together."""
    counts = np.bincount(train.user_row, minlength=len(train.users))
    low, high = np.quantile(counts, [1 / 3, 2 / 3], method="lower")
    words = [_("least active"), _("active"), _("most active")]
    third = (counts > low).astype(np.int64) + (counts > high)
    return np.array(words)[third]


def _tenure(train: Interactions, period_days: float) -> np.ndarray:
    assert train.timestamp is not None, "the log always has times"
    first = np.full(len(train.users), np.inf)
    np.minimum.at(first, train.user_row, train.timestamp)
    is_new = first > train.timestamp.max(initial=0.0) - period_days
    return np.where(is_new, _("new"), _("known"))


def _attributes(ids: np.ndarray) -> dict[str, np.ndarray]:
    """Attributes are JSON texts: equal ones are read once, however many customers."""
    texts = frames.customer_attributes()
    code, distinct = pd.factorize(texts["attributes"].astype(str))
    read = [json.loads(text) for text in distinct]
    values: dict[str, list[str]] = {}
    for name in sorted({name for own in read for name in own}):
        column = [_word(own.get(name)) for own in read]
        if 2 <= len(set(column) - {""}) <= MOST_VALUES:
            values[name] = column
    return {
        _("attribute: %(name)s") % {"name": name}: _placed(
            ids, texts["customer_id"], pd.Series(np.array(column)[code])
        )
        for name, column in values.items()
    }


def _word(value: object) -> str:
    plain = isinstance(value, str | int | float | bool)
    return str(value) if plain else ""


def _placed(ids: np.ndarray, owners: pd.Series, labels: pd.Series) -> np.ndarray:
    """The label of each id, of several the last one, empty where there is none."""
    told = pd.Series(labels.to_numpy(dtype=object), index=owners.to_numpy())
    told = told[~told.index.duplicated(keep="last")].reindex(ids)
    return told.fillna("").to_numpy().astype(str)

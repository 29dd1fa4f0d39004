"""Consent that a file of customers tells, handed on to whoever keeps it.

Segmentation keeps whether somebody may be personalised (``personalisation``). An app
that keeps more registers a keeper when it is ready.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from segmentation.engine.mapping import CONSENT


@dataclass(frozen=True)
class Told:
    """What the customers of a chunk said about one way of reaching them."""

    way: str
    customer_ids: NDArray[np.int64]  # of those who said something
    granted: NDArray[np.bool_]  # aligned
    at: datetime
    import_id: int


@dataclass(frozen=True)
class Counted:
    """How many customers were told of anew: first words, and withdrawals."""

    n_yes: int
    n_no: int


class Keeper(Protocol):
    """Keeps consent; both calls run in a transaction of the import."""

    @property
    def ways(self) -> Mapping[str, Any]:
        """What may stand behind “consent.”: its code, and a name for people."""

    @property
    def permission(self) -> str:
        """Who may change consent: “app.codename”."""

    def take(self, told: Told) -> Counted: ...

    def give_back(self, import_id: int) -> int:
        """Forget some of what that import told; answers how much, 0 when all is."""


_keepers: list[Keeper] = []


def register(keeper: Keeper) -> None:
    """From now on hand on to this keeper as well."""
    if keeper not in _keepers:
        _keepers.append(keeper)


def known_ways(actor: Any = None) -> list[str]:
    """What may stand behind “consent.” here, if that person brings it in."""
    keepers = [k for k in _keepers if actor is None or actor.has_perm(k.permission)]
    return sorted({way for keeper in keepers for way in keeper.ways})


def label(way: str) -> str:
    """What a way of reaching people is called; its code where nobody keeps it."""
    return next((str(k.ways[way]) for k in _keepers if way in k.ways), way)


def refusal(targets: Collection[str], actor: Any = None) -> str:
    """Why a mapping's ``consent.*`` cannot be kept, in a sentence; “” if it can.

    ``actor`` is the person who brings the file in, None for a command.
    """
    ways = [name.removeprefix(CONSENT) for name in targets if name.startswith(CONSENT)]
    known = known_ways()
    unknown = sorted(set(ways) - set(known))
    forbidden = sorted(set(ways) - set(known_ways(actor)) - set(unknown))
    if not unknown and not forbidden:
        return ""
    if not unknown:
        return _(
            "Only somebody who keeps consents may bring %(names)s in; leave it out, or "
            "ask the privacy officer."
        ) % {"names": ", ".join(CONSENT + way for way in forbidden)}
    if not known:
        return _("Nothing that is installed here keeps consent.")
    words = {"names": ", ".join(unknown), "known": ", ".join(known)}
    return _("There is no consent to %(names)s; there is to %(known)s.") % words


def hand_on(
    part: pa.Table, customer_ids: pa.Array, *, at: datetime, import_id: int
) -> dict[str, list[int]]:
    """Give the keepers what the columns ``consent.*`` of a chunk say.

    Answers what of it was new: way → customers with a yes, and with a no.
    """
    new: dict[str, list[int]] = {}
    for name in part.column_names:
        if not name.startswith(CONSENT):
            continue
        said = part[name].combine_chunks()
        rows = np.flatnonzero(np.asarray(said.is_valid()))
        if len(rows):
            ids = customer_ids.take(pa.array(rows)).to_numpy(zero_copy_only=False)
            granted = said.drop_null().to_numpy(zero_copy_only=False)
            way = name.removeprefix(CONSENT)
            for keeper in _keepers:
                if way in keeper.ways:
                    found = keeper.take(Told(way, ids, granted, at, import_id))
                    new[way] = [found.n_yes, found.n_no]
    return new


def take_back(import_id: int) -> int:
    """Some of what that import alone told is forgotten; 0 when all is."""
    return sum(keeper.give_back(import_id) or 0 for keeper in _keepers)

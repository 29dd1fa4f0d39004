"""Which message or ad a purchase is credited to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

NOBODY: Final = -1


@dataclass(frozen=True)
class Moments:
    """Who and when, one row each: purchases, or touches. Times numbers or datetimes."""

    person: NDArray[Any]
    at: NDArray[Any]

    def __post_init__(self) -> None:
        if self.person.shape != self.at.shape or self.person.ndim != 1:
            raise ValueError("Every row needs one person and one time.")


@dataclass(frozen=True)
class Credit:
    """What each touch brought: purchases and their amount, in the touches' order."""

    n_purchases: NDArray[np.int64]
    amount: NDArray[np.float64]


def last_touch(
    purchases: Moments, touches: Moments, *, window: Any
) -> NDArray[np.int64]:
    """Return, per purchase, the row of the person's last touch before it, or NOBODY.

    A touch counts from its own instant to `window` after it, both included; of several
    at one instant the last row counts. Rows may come in any order.
    """
    if not touches.person.size or not purchases.person.size:
        return np.full(purchases.person.size, NOBODY, np.int64)
    n_touches = touches.person.size
    key = _person_then_time(
        np.concatenate([touches.person, purchases.person]),
        np.concatenate([touches.at, purchases.at]),
    )
    order = key[:n_touches].argsort(kind="stable")
    found = key[:n_touches][order].searchsorted(key[n_touches:], side="right") - 1
    rows = order[found]  # -1 picks some row: it is another person's, or later
    same = touches.person[rows] == purchases.person
    gap = purchases.at - touches.at[rows]
    credited = (found >= 0) & same & (gap <= window)
    return np.where(credited, rows, NOBODY)


def credit(rows: NDArray[np.int64], amounts: ArrayLike, n_touches: int) -> Credit:
    """Return what each of `n_touches` brought, from the answer of `last_touch`."""
    hit = rows != NOBODY
    earned = np.asarray(amounts, dtype=np.float64)[hit]
    counts = np.bincount(rows[hit], minlength=n_touches)
    sums = np.bincount(rows[hit], weights=earned, minlength=n_touches)
    return Credit(counts, sums.astype(np.float64))


def _person_then_time(person: NDArray[Any], at: NDArray[Any]) -> NDArray[np.int64]:
    """Return one number per row that sorts by person, then time."""
    _, who = np.unique(person, return_inverse=True)
    times, when = np.unique(at, return_inverse=True)
    return who.astype(np.int64) * times.size + when

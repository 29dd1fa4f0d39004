"""Memory and time of a run before it begins, from its shape; refused above the budget.

The constants are measured on the two data sets of ``docs/methods`` and made-up ones of
a million interactions (2 cores; ``python benchmarks/guarding.py`` measures them again
and shows estimate beside truth). They are meant to be right within a factor of two or
three: enough to tell an afternoon from a coffee, and 30 GB from 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.engine import recommenders
from segmentation.engine.interactions import Interactions
from segmentation.services import jobs

MB = 1e6
LINE_BYTES = 170  # a line of the log: read, cut into three parts, weighed
CELL_BYTES = 12  # of a CSR matrix
SCORES_MB = 100  # dense scores of a block of customers, and their ranking
TENSORFLOW_MB = 700
AT_LEAST_SECONDS = 1  # to start, and to write
LISTED_BYTES = 50 * 16  # of a customer


@dataclass(frozen=True)
class Shape:
    """How large the data are."""

    users: int
    items: int
    cells: int  # different pairs of them
    lines: int

    @classmethod
    def of(cls, data: Interactions) -> Shape:
        """The shape of interactions."""
        cells = data.user_items.nnz
        return cls(len(data.users), len(data.items), cells, len(data))

    @property
    def item_pairs(self) -> float:
        """Products that a history times its transpose takes; some are ten times longer
        than the mean."""
        return 3.0 * self.cells**2 / max(self.users, 1)

    @property
    def user_pairs(self) -> float:
        """The same of items: popular ones are in very many histories."""
        return 6.0 * self.cells**2 / max(self.items, 1)


@dataclass(frozen=True)
class Cost:
    """Of one fit: bytes at its peak, seconds; and seconds for each cell of scores."""

    bytes: float
    seconds: float
    score_seconds: float = 5e-9


Params = Mapping[str, Any]


def _counted(shape: Shape, params: Params) -> Cost:
    return Cost(60.0 * shape.cells, 4e-7 * shape.lines, 1e-10)


def _item_neighbours(shape: Shape, params: Params) -> Cost:
    kept = shape.items * min(params["n_neighbors"], shape.items)
    return Cost(
        4 * CELL_BYTES * shape.cells + 3 * CELL_BYTES * kept, 4e-9 * shape.item_pairs
    )


def _user_neighbours(shape: Shape, params: Params) -> Cost:
    kept = shape.users * min(params["n_neighbors"], shape.users)
    return Cost(
        5 * CELL_BYTES * shape.cells + 3 * CELL_BYTES * kept, 4e-9 * shape.user_pairs
    )


def _regressed(copies: int, seconds: float) -> Callable[[Shape, Params], Cost]:
    def cost(shape: Shape, params: Params) -> Cost:
        room = np.sqrt(params["memory_mib"] * 2**20 / (4 * copies))
        kept = min(shape.items, float(room))
        rare = shape.items - kept
        return Cost(
            4.0 * copies * kept**2 + 100 * CELL_BYTES * rare,
            seconds * kept**3 + 1e-10 * rare * kept * 300 + 4e-9 * shape.item_pairs,
        )

    return cost


def _als(shape: Shape, params: Params) -> Cost:
    width = params["n_factors"]
    tables = 4.0 * width * (shape.users + shape.items)
    return Cost(
        3 * tables + 4 * CELL_BYTES * shape.cells,
        7e-9 * params["iterations"] * width * shape.cells
        + 2e-10 * params["iterations"] * width**2 * (shape.users + shape.items),
    )


def _mf(shape: Shape, params: Params) -> Cost:
    width = 1 + params["n_factors"]
    rows = shape.users + shape.items
    return Cost(
        8.0 * 4 * width * rows + 100 * shape.cells,
        params["iterations"] * (4e-9 * width**2 * shape.cells + 2e-8 * width**2 * rows),
    )


def _rating_neighbours(shape: Shape, params: Params) -> Cost:
    return Cost(120.0 * shape.cells + 400 * MB, 1e-7 * shape.cells, 2e-7)


def _ncf(shape: Shape, params: Params) -> Cost:
    layers = 0 if params["network"] == "gmf" else sum(params["layers"])
    width = params["n_factors"] + layers
    tables = 4.0 * width * (shape.users + shape.items)
    draws = params["epochs"] * shape.cells * (1 + params["n_negatives"])
    return Cost(
        6 * tables + TENSORFLOW_MB * MB,
        8 + draws * (3e-9 * width + 2e-12 * tables),
        5e-9 if params["network"] == "gmf" else 6e-8,
    )


def _towers(shape: Shape, params: Params) -> Cost:
    width = params["n_factors"]
    tables = 4.0 * width * (shape.users + shape.items)
    return Cost(
        8 * tables + 80 * shape.cells + TENSORFLOW_MB * MB,
        8 + params["epochs"] * (8e-9 * width * shape.cells + 1e-9 * tables),
    )


def _described(shape: Shape, params: Params) -> Cost:
    # A title, a description and a few labels are some hundred terms an item at most.
    return Cost(4000.0 * shape.items, 5e-5 * shape.items, 4e-8)


COSTS: dict[str, Callable[[Shape, Params], Cost]] = {
    "popularity": _counted,
    "personal_frequency": _counted,
    "item_knn": _item_neighbours,
    "rp3beta": _item_neighbours,
    "user_knn": _user_neighbours,
    "ease": _regressed(3, 7e-11),
    "slim": _regressed(7, 6e-10),
    "als": _als,
    "mf": _mf,
    "rating_knn": _rating_neighbours,
    "ncf": _ncf,
    "towers": _towers,
    "content": _described,
    "rules": _counted,
}


def cost(algorithm: str, params: Params, shape: Shape) -> Cost:
    """Of one fit; a method nobody measured costs as one with vectors does.

    Of several models in one, all are kept, and each is asked for the lists.
    """
    model = recommenders.create(algorithm, **params)
    members = getattr(model, "members", ())
    if members:
        told = getattr(model, "member_params", None) or {}
        each = [cost(name, told.get(name, {}), shape) for name in members]
        return Cost(
            sum(one.bytes for one in each),
            sum(one.seconds for one in each),
            sum(one.score_seconds for one in each),
        )
    usual = {"n_factors": 64, "iterations": 15}
    return COSTS.get(algorithm, _als)(shape, usual | model.params)


def estimate(
    algorithm: str, tried: list[dict[str, Any]], shape: Shape, *, more_fits: int = 0
) -> dict[str, Any]:
    """What a run would take: megabytes at its peak, seconds in all, and the budget.

    Every candidate is fitted once, the chosen one twice more, and ``more_fits`` times.
    """
    costs = [cost(algorithm, params, shape) for params in tried]
    lines = LINE_BYTES * shape.lines
    largest = max(each.bytes for each in costs)
    lists = LISTED_BYTES * shape.users
    slowest = max(each.seconds for each in costs)
    cells = float(shape.users) * shape.items
    scored = sum(each.score_seconds for each in costs) * cells
    scored += (2 + more_fits) * max(each.score_seconds for each in costs) * cells
    seconds = sum(each.seconds for each in costs) + (2 + more_fits) * slowest + scored
    seconds += AT_LEAST_SECONDS
    return {
        "memory_mb": round((lines + largest + lists) / MB + SCORES_MB),
        "seconds": round(seconds + 3e-6 * shape.lines, 1),
        "budget_memory_mb": conf.train_memory_mb(),
        "budget_minutes": conf.train_minutes(),
        "users": shape.users,
        "items": shape.items,
        "pairs": shape.cells,
    }


def refuse_above(estimated: Mapping[str, Any]) -> None:
    """Refused, with what could be done, where a run would be above the budget."""
    words: dict[str, Any] = dict(estimated)
    if estimated["memory_mb"] > estimated["budget_memory_mb"]:
        raise jobs.Refused(
            _(
                "This would need about %(memory_mb)d MB of memory for %(users)d "
                "customers and %(items)d items, and %(budget_memory_mb)d MB may be "
                "used. Raise min_lines, choose a smaller model, or set "
                "STRATA_TRAIN_MEMORY_MB."
            )
            % words
        )
    words["minutes"] = estimated["seconds"] / 60
    if words["minutes"] > estimated["budget_minutes"]:
        raise jobs.Refused(
            _(
                "This would take about %(minutes)d minutes for %(users)d customers and "
                "%(items)d items, and %(budget_minutes)d may be used. Raise min_lines, "
                "tell the parameters instead of having them chosen, or set "
                "STRATA_TRAIN_MINUTES."
            )
            % words
        )

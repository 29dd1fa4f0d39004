"""Events that name items or customers nobody told us of, when those are refused.

They are looked for while the file is read, so that the refusals stand in the rejects
file with their own cells, and a killed import that goes on refuses the same lines.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.utils.translation import gettext_lazy

from segmentation.engine import mapping
from segmentation.models import ImportJob, ImportKind
from segmentation.services import catalog
from segmentation.services.importing.rules import REJECT, Rules

_NOTHING = mapping.Rejects(np.empty(0, np.int64), [], [], [])
_WHY = {
    "item": gettext_lazy("item is not known, and the rules refuse unknown items"),
    "customer": gettext_lazy(
        "customer is not known, and the rules refuse unknown customers"
    ),
}

Ask = Callable[[pa.Array], pa.Array]  # distinct names → those that we know


class Unknown:
    """Remembers which names are known, so that each is asked for once."""

    def __init__(self, job: ImportJob, rules: Rules) -> None:
        self._asks: dict[str, Ask] = {}
        if job.kind != ImportKind.EVENTS:
            return
        if rules.unknown_items == REJECT:
            self._asks["item"] = catalog.known_items
        if rules.unknown_customers == REJECT:
            self._asks["customer"] = partial(catalog.known_customers, job.source)
        self._asked = {name: pa.array([], pa.string()) for name in self._asks}
        self._known = dict(self._asked)

    def parted(self, clean: mapping.Canonical) -> tuple[pa.Table, mapping.Rejects]:
        """The rows that stay, and those that name what is unknown."""
        table = clean.table
        bad = np.zeros(table.num_rows, dtype=bool)
        parts: list[tuple[np.ndarray, str]] = []
        for name in self._asks:
            rows = np.flatnonzero(self._mask(name, table[name]) & ~bad)
            bad[rows] = True
            parts.append((rows, name))
        if not bad.any():
            return table, _NOTHING
        values = [v for rows, name in parts for v in table[name].take(rows).to_pylist()]
        names = [name for rows, name in parts for _row in rows]
        positions = clean.kept[np.concatenate([rows for rows, _name in parts])]
        reasons = [str(_WHY[name]) for name in names]
        kept = table.filter(pa.array(~bad))
        return kept, mapping.Rejects(positions, names, values, reasons)

    def _mask(self, name: str, column: pa.ChunkedArray) -> np.ndarray:
        column = column.combine_chunks()
        distinct = pc.unique(column).drop_null()
        fresh = distinct.filter(pc.invert(pc.is_in(distinct, self._asked[name])))
        if len(fresh):
            self._asked[name] = pa.concat_arrays([self._asked[name], fresh])
            found = self._asks[name](fresh).cast(pa.string())
            self._known[name] = pa.concat_arrays([self._known[name], found])
        known = pc.is_in(column, self._known[name])
        return np.asarray(column.is_valid()) & ~np.asarray(known)

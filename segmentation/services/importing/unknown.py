"""Events that name items or customers nobody told us of: counted, or refused.

They are looked for while the file is read, so that the refusals stand in the rejects
file with their own cells, and a killed import that goes on refuses the same lines.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation.engine import mapping
from segmentation.engine.mapping.rows import OF_FIELD
from segmentation.engine.sentences import Sentence, gettext_noop
from segmentation.models import ImportJob, ImportKind
from segmentation.services import catalog
from segmentation.services.importing.rules import REJECT, Rules

_NOTHING = mapping.Rejects(np.empty(0, np.int64), [], [], [])
_WHY = {
    "item": gettext_noop("is not known, and the rules refuse unknown items"),
    "customer": gettext_noop("is not known, and the rules refuse unknown customers"),
}
_NOBODY = {
    "customer": gettext_noop("is nobody whom this source told us of"),
    "same_as": gettext_noop("is nobody whom this source told us of"),
    "visitor": gettext_noop("was never here"),
}

Ask = Callable[[pa.Array], pa.Array]  # distinct names → those that we know


class Unknown:
    """Remembers which names are known, so that each is asked for once.

    ``n_lines`` counts, per field, the lines that name something unknown.
    """

    def __init__(self, job: ImportJob, rules: Rules) -> None:
        self.n_lines: dict[str, int] = {}
        self._kind = job.kind
        why = _NOBODY if job.kind == ImportKind.LINKS else _WHY
        self._why = {
            name: Sentence(OF_FIELD, field=name, why=Sentence(text))
            for name, text in why.items()
        }
        rule_of = {"item": rules.unknown_items, "customer": rules.unknown_customers}
        self._refused = {name for name, rule in rule_of.items() if rule == REJECT}
        if job.kind == ImportKind.LINKS:
            self._refused = set(_NOBODY)
        self._source = job.source.name
        self._asked: dict[str, pa.Array] = {}  # by what is asked for
        self._known: dict[str, pa.Array] = {}

    def parted(self, clean: mapping.Canonical) -> tuple[pa.Table, mapping.Rejects]:
        """The rows that stay, and those that name what is unknown."""
        table = clean.table
        bad = np.zeros(table.num_rows, dtype=bool)
        parts: list[tuple[np.ndarray, str]] = []
        for name, mask in self._masks(table).items():
            self.n_lines[name] = self.n_lines.get(name, 0) + int(mask.sum())
            if name not in self._refused:
                continue
            rows = np.flatnonzero(mask & ~bad)
            bad[rows] = True
            parts.append((rows, name))
        if not bad.any():
            return table, _NOTHING
        values = [v for rows, name in parts for v in table[name].take(rows).to_pylist()]
        names = [name for rows, name in parts for _row in rows]
        positions = clean.kept[np.concatenate([rows for rows, _name in parts])]
        reasons: list[str] = [self._why[name] for name in names]
        kept = table.filter(pa.array(~bad))
        return kept, mapping.Rejects(positions, names, values, reasons)

    def _masks(self, table: pa.Table) -> dict[str, np.ndarray]:
        """For each field: which rows name something unknown."""
        if self._kind == ImportKind.EVENTS:
            items = table["item"].combine_chunks()
            return {
                "item": self._mask("item", catalog.known_items, items),
                "customer": self._of_sources(table["customer"], table["source"]),
            }
        if self._kind == ImportKind.LINKS:
            visitors = table["visitor"].combine_chunks()
            return {
                "customer": self._of_sources(table["customer"], table["source"]),
                "same_as": self._of_sources(table["same_as"], table["same_source"]),
                "visitor": self._mask("visitor", catalog.known_visitors, visitors),
            }
        return {}

    def _of_sources(
        self, customers: pa.ChunkedArray, sources: pa.ChunkedArray
    ) -> np.ndarray:
        """Which rows name a customer that the row's source never told us of."""
        customers = customers.combine_chunks()
        sources = pc.fill_null(sources.combine_chunks(), self._source)
        unknown = np.zeros(len(customers), dtype=bool)
        for name in pc.unique(sources).to_pylist():
            own = pc.if_else(pc.equal(sources, name), customers, None)
            ask = partial(catalog.known_customers, name)
            unknown |= self._mask(f"customer {name}", ask, own)
        return unknown

    def _mask(self, what: str, ask: Ask, column: pa.Array) -> np.ndarray:
        nothing = pa.array([], pa.string())
        asked = self._asked.get(what, nothing)
        distinct = pc.unique(column).drop_null()
        fresh = distinct.filter(pc.invert(pc.is_in(distinct, asked)))
        if len(fresh):
            self._asked[what] = pa.concat_arrays([asked, fresh])
            known = self._known.get(what, nothing)
            found = ask(fresh).cast(pa.string())
            self._known[what] = pa.concat_arrays([known, found])
        known = pc.is_in(column, self._known.get(what, nothing))
        return np.asarray(column.is_valid()) & ~np.asarray(known)

"""What an operator should hear of a file although nothing is wrong with it."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from django.utils.translation import gettext_lazy

from segmentation.engine import cleaning, mapping

_WORDS = {
    "decimal_ids": gettext_lazy(
        "{n:,} ids in “{column}” are written like 17850.0; they are taken as 17850."
    ),
    "short_ids": gettext_lazy(
        "{n:,} ids in “{column}” were shortened by a spreadsheet (1.2E+12); several "
        "may have become one. Export the file again with that column as text."
    ),
}


class Notices:
    """Looks at the columns of ids of each chunk."""

    def __init__(self, plan: mapping.Plan) -> None:
        self._headers = sorted(
            {
                header
                for target, column in plan.columns.items()
                if mapping.role_of(plan.kind, target) == cleaning.ID
                for header in column.headers
            }
        )
        self._found: Counter[tuple[str, str]] = Counter()

    def add(self, chunk: pa.Table) -> None:
        for header in self._headers:
            raw = chunk[header].combine_chunks()
            for name, n in cleaning.notices(raw, cleaning.ID).items():
                self._found[name, header] += n

    def told(self) -> list[str]:
        return [
            str(_WORDS[name]).format(n=n, column=header)
            for (name, header), n in sorted(self._found.items())
        ]

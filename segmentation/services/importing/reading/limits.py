"""How much one file may hold: each limit can be set, each has its sentence."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from django.utils.translation import gettext as _

from segmentation import conf
from segmentation.services.importing.reading.layout import Unreadable

MB = 2**20


def refuse_size(n_bytes: int) -> None:
    limit = conf.import_limit("MAX_MB")
    if n_bytes > limit * MB:
        raise Unreadable(
            _(
                "The file has %(n)d MB; at most %(limit)d MB are read "
                "(STRATA_IMPORT_MAX_MB). Split it into several files."
            )
            % {"n": -(-n_bytes // MB), "limit": limit}
        )


def refuse_expanded(n_bytes: int) -> None:
    limit = conf.import_limit("MAX_EXPANDED_MB")
    if n_bytes > limit * MB:
        raise Unreadable(
            _(
                "Unpacked, the file has more than %(limit)d MB "
                "(STRATA_IMPORT_MAX_EXPANDED_MB). Split it into several files."
            )
            % {"limit": limit}
        )


def refuse_rows(n_rows: int) -> None:
    limit = conf.import_limit("MAX_ROWS")
    if n_rows > limit:
        raise Unreadable(
            _(
                "The file has more than %(limit)d rows (STRATA_IMPORT_MAX_ROWS). "
                "Split it into several files."
            )
            % {"limit": limit}
        )


def refuse_columns(n_columns: int) -> None:
    limit = conf.import_limit("MAX_COLUMNS")
    if n_columns > limit:
        raise Unreadable(
            _(
                "The file has %(n)d columns; at most %(limit)d are read "
                "(STRATA_IMPORT_MAX_COLUMNS). Export only the columns you need, and "
                "see that the delimiter is the right one."
            )
            % {"n": n_columns, "limit": limit}
        )


def refuse_cells(chunk: pa.Table, n_before: int) -> None:
    """Refuse a chunk with a cell that is too long; ``n_before`` rows came earlier."""
    limit = conf.import_limit("MAX_CELL")
    if chunk.get_total_buffer_size() <= limit:
        return
    for name in chunk.column_names:
        column = chunk[name]
        if not (
            pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        ):
            continue
        if (pc.max(pc.binary_length(column)).as_py() or 0) <= limit:
            continue  # bytes are never fewer than characters
        lengths = pc.utf8_length(column)
        if (longest := pc.max(lengths).as_py()) > limit:
            row = pc.index(lengths, longest).as_py() + n_before
            raise long_cell(row, name, longest)


def long_cell(row: int, column: str, n: int) -> Unreadable:
    return Unreadable(
        _(
            "Row %(row)d has a cell of %(n)d characters (column “%(column)s”); at most "
            "%(limit)d are read (STRATA_IMPORT_MAX_CELL). Is a quote missing?"
        )
        % {
            "row": row,
            "n": n,
            "column": column,
            "limit": conf.import_limit("MAX_CELL"),
        }
    )

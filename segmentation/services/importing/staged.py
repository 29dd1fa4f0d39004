"""The canonical rows of a file on the disk, read a part at a time.

They are not memory-mapped: the pages of a map count as memory of the process, and a
file of five million lines must not need more than one of one million.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

PEOPLE = ["customer", "source"]
NAMES_ROWS = 200_000  # whose names are looked at together


class StagedRows:
    """An Arrow file; ``num_rows`` is known without reading it."""

    def __init__(self, path: Path, num_rows: int) -> None:
        self._path = path
        self.num_rows = num_rows

    def all(self) -> pa.Table:
        with pa.OSFile(str(self._path)) as source:
            return pa.ipc.open_file(source).read_all()

    def parts(self, size: int, start: int = 0) -> Iterator[pa.Table]:
        """The rows from ``start`` on, ``size`` at a time."""
        waiting: list[pa.RecordBatch] = []
        for batch in self._batches():
            if start >= batch.num_rows:
                start -= batch.num_rows
                continue
            waiting.append(batch.slice(start))
            start = 0
            while sum(each.num_rows for each in waiting) >= size:
                table = pa.Table.from_batches(waiting)
                yield table.slice(0, size).combine_chunks()
                waiting = table.slice(size).to_batches()
        if any(each.num_rows for each in waiting):
            yield pa.Table.from_batches(waiting).combine_chunks()

    def names(self) -> pa.Table:
        """What events name, each once: customers with their source, visitors, items.

        The columns are of equal length; null fills the shorter ones.
        """
        people = pa.schema([(n, pa.string()) for n in PEOPLE]).empty_table()
        others = {name: pa.array([], pa.string()) for name in ("visitor", "item")}
        for table in self.parts(NAMES_ROWS):
            people = _distinct(pa.concat_tables([people, table.select(PEOPLE)]))
            for name, known in others.items():
                both = pa.chunked_array([known, table[name].combine_chunks()])
                others[name] = pc.unique(both)
        columns = {name: people[name].combine_chunks() for name in PEOPLE} | others
        longest = max(map(len, columns.values()))
        return pa.table({name: _padded(c, longest) for name, c in columns.items()})

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(self._path)) as source:
            reader = pa.ipc.open_file(source)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)


def _distinct(table: pa.Table) -> pa.Table:
    return table.group_by(table.column_names).aggregate([])


def _padded(column: pa.Array, n: int) -> pa.Array:
    return pa.concat_arrays([column, pa.nulls(n - len(column), column.type)])

"""The keys of a whole file of events, on the disk: 16 bytes a row, in file order.

Lines without an id are told apart by counting equal ones, so all of a file must be
looked at. That is done in partitions by key: memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from segmentation.engine import keys
from segmentation.services.importing.staged import StagedRows

PARTITION_ROWS = 500_000
PART_ROWS = 50_000
ROW_BYTES = 16


class FileKeys:
    """Keys of the rows of one file; ``drop`` removes them from the disk."""

    def __init__(self, path: Path, n_rows: int) -> None:
        self._path = path
        self.n_rows = n_rows

    def part(self, start: int, n: int) -> keys.Lanes:
        return _read(self._path, start, n)

    def partitions(self) -> Iterator[keys.Lanes]:
        """All keys, half a million at a time; equal ones come together."""
        n = _n_partitions(self.n_rows)
        for number in range(n):
            yield np.concatenate(
                [
                    block[block[:, 0] % np.uint64(n) == number]
                    for _start, block in _blocks(self._path)
                ]
                or [np.empty((0, 2), np.uint64)]
            )

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)


def make(
    path: Path,
    rows: StagedRows,
    source_name: str,
    *,
    is_one: bool,
    tell: Callable[[int], None],
) -> FileKeys:
    """Write the keys of all rows to a file; ``is_one``: equal lines are one event.

    ``tell`` hears how many rows are done.
    """
    raw = path.with_suffix(".raw")
    unnamed = np.zeros(rows.num_rows, dtype=bool)
    start = 0
    with raw.open("wb") as file:
        for part in rows.parts(PART_ROWS):
            end = start + part.num_rows
            file.write(keys.of_events(part, source_name).tobytes())
            unnamed[start:end] = np.asarray(part["event_id"].is_null())
            start = end
            tell(end)
    where, ordinals = (_NONE, _NONE) if is_one else _repeated(raw, unnamed)
    with path.open("wb") as file:
        for start, lanes in _blocks(raw):
            end = start + len(lanes)
            ordinal = np.zeros(len(lanes), np.uint64)
            first, last = np.searchsorted(where, [start, end])
            ordinal[where[first:last] - start] = ordinals[first:last]
            mine = unnamed[start:end]
            if mine.any():
                lanes[mine] = keys.counted(lanes[mine], ordinal[mine])
            file.write(lanes.tobytes())
    raw.unlink()
    return FileKeys(path, rows.num_rows)


_NONE = np.empty(0, np.int64)


def _repeated(path: Path, unnamed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where lines stand that were said before, in order, and how often before."""
    where, ordinals = [_NONE], [np.empty(0, np.uint64)]
    n = _n_partitions(len(unnamed))
    for number in range(n):
        rows, lanes = [_NONE], [np.empty(0, np.uint64)]
        for start, block in _blocks(path):
            mine = block[:, 0] % np.uint64(n) == number
            mine &= unnamed[start : start + len(block)]
            rows.append(np.flatnonzero(mine) + start)
            lanes.append(block[mine, 0])
        found = keys.ordinals(np.concatenate(lanes))
        again = found > 0
        where.append(np.concatenate(rows)[again])
        ordinals.append(found[again])
    places, counts = np.concatenate(where), np.concatenate(ordinals)
    order = np.argsort(places)
    return places[order], counts[order]


def _n_partitions(n_rows: int) -> int:
    return max(1, -(-n_rows // PARTITION_ROWS))


def _blocks(path: Path) -> Iterator[tuple[int, keys.Lanes]]:
    n_rows = path.stat().st_size // ROW_BYTES
    for start in range(0, n_rows, PART_ROWS):
        yield start, _read(path, start, min(PART_ROWS, n_rows - start))


def _read(path: Path, start: int, n: int) -> keys.Lanes:
    lanes = np.fromfile(path, np.uint64, 2 * n, offset=start * ROW_BYTES)
    return lanes.reshape(-1, 2)

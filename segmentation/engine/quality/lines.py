"""Equal lines of a file, counted in the same memory however long it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.util import hash_array

from segmentation.engine.quality.log import Flags, starts

Hashes = NDArray[np.uint64]

KEPT = 250_000  # 4 MB; a longer file is judged by a sample of its lines
LONG_TEXT = 200  # bytes

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_RNG = np.random.default_rng(20_170_101)
_OF_BYTE = _RNG.integers(1, 2**64, 256, np.uint64)
_OF_PLACE = _RNG.integers(0, 2**63, LONG_TEXT, np.uint64) * np.uint64(2) + np.uint64(1)


class Lines:
    """Counts equal lines by their hashes.

    When there are too many hashes, only those that end in ever more zero bits are kept:
    equal lines have equal hashes, so a sample of hashes has all copies of its lines
    (distinct sampling, Gibbons 2001), and a file without copies is never said to have
    any.
    """

    def __init__(self) -> None:
        self._bits = 0
        self._hashes = np.empty(0, np.uint64)  # distinct, sorted
        self._copies = np.empty(0, np.int64)  # lines of each

    def add(self, columns: list[pa.Array]) -> None:
        hashes = self._sampled(_line_hashes(columns))
        both = np.concatenate([self._hashes, hashes])
        counts = np.concatenate([self._copies, np.ones(len(hashes), np.int64)])
        order = np.argsort(both, kind="stable")
        both = both[order]
        begins = np.flatnonzero(starts(both))
        self._hashes = both[begins]
        self._copies = np.add.reduceat(counts[order], begins) if len(both) else counts
        while len(self._hashes) > KEPT:
            self._bits += 1
            kept = self._is_sampled(self._hashes)
            self._hashes, self._copies = self._hashes[kept], self._copies[kept]

    def report(self) -> dict[str, Any]:
        n = int((self._copies - 1).sum()) << self._bits
        return {"duplicates": n, "is_estimate": self._bits > 0}

    def _sampled(self, hashes: Hashes) -> Hashes:
        return hashes[self._is_sampled(hashes)]

    def _is_sampled(self, hashes: Hashes) -> Flags:
        return (hashes & np.uint64((1 << self._bits) - 1)) == 0


def _line_hashes(columns: list[pa.Array]) -> Hashes:
    """Sixty-four bits of each line; only for comparing lines of one run."""
    lines: Hashes = np.zeros(len(columns[0]) if columns else 0, np.uint64)
    for column in columns:
        if column.null_count == len(column):
            continue
        lines = lines * _FACTOR + _hashes(column)
    # What is sampled are the last bits: let them depend on all others.
    lines = (lines ^ (lines >> np.uint64(30))) * _FACTOR
    return lines ^ (lines >> np.uint64(31))


def _hashes(column: pa.Array) -> Hashes:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _text_hashes(column)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy()
    return np.asarray(hash_array(values))


def _text_hashes(column: pa.Array) -> Hashes:
    """Short texts by the sum of their bytes' numbers, each times one of its place."""
    column = pc.fill_null(column, "\x00").cast(pa.string())
    offsets = np.frombuffer(column.buffers()[1], np.int32)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    lengths = np.diff(offsets)
    longest = int(lengths.max(initial=0))
    if longest > LONG_TEXT:
        encoded = column.dictionary_encode()
        texts = encoded.dictionary.to_numpy(zero_copy_only=False)
        return np.asarray(hash_array(texts))[encoded.indices.to_numpy()]
    hashes: Hashes = (lengths + 1).astype(np.uint64) * _FACTOR
    filled = np.flatnonzero(lengths)
    if len(filled):
        raw = np.frombuffer(column.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
        begins = offsets[:-1][filled] - offsets[0]
        place = np.arange(len(raw)) - np.repeat(begins, lengths[filled])
        hashes[filled] += np.add.reduceat(_OF_BYTE[raw] * _OF_PLACE[place], begins)
    return hashes

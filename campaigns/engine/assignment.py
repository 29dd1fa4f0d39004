"""Who falls where: the same person, the same bucket, for ever and on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ids = NDArray[np.integer] | Sequence[int] | Sequence[str]

HELD_OUT: Final = -1

# The finaliser of splitmix64 (Steele, Lea & Flood 2014). Never change a constant here:
# every running campaign would deal its people anew.
_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


def bucket(ids: Ids, salt: str) -> NDArray[np.float64]:
    """Return one number in [0, 1) per id, uniform, and independent between salts.

    Ids are integers (about 10 ns each) or texts (about 1 µs each); 5 and "5" are two
    ids. TypeError for anything else.
    """
    hashes = _mixed(_mixed(_words(ids) + _GAMMA) ^ _word(salt))
    # 53 bits are what a float64 holds: more would round some up to 1.0.
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def assign(
    buckets: ArrayLike, holdout_share: float, shares: Sequence[float]
) -> NDArray[np.int16]:
    """Return the arm of each bucket: an index into `shares`, or HELD_OUT (-1).

    The holdout takes its share of all; `shares` divide the rest in proportion.
    ValueError for shares that cannot be dealt.
    """
    weights = np.asarray(shares, dtype=np.float64)
    if not 0 <= holdout_share <= 1:
        raise ValueError("The holdout share must be within 0 and 1.")
    if not weights.size or (weights < 0).any() or not 0 < weights.sum() < np.inf:
        raise ValueError("The variants' shares must be positive in sum, none negative.")
    edges = holdout_share + (1 - holdout_share) * weights.cumsum() / weights.sum()
    # Rounding must not leave a crack above the last arm that has a share.
    edges[np.flatnonzero(weights)[-1] :] = 1.0
    edges = np.concatenate([[holdout_share], edges])
    return (edges.searchsorted(buckets, side="right") - 1).astype(np.int16)


def _words(ids: Ids) -> NDArray[np.uint64]:
    """Return one 64-bit word per id."""
    array = np.asarray(ids)
    if array.dtype.kind in "iu":
        return array.astype(np.uint64, casting="unsafe")
    if not array.size:
        return np.empty(0, np.uint64)
    texts = array.tolist()
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("Ids must be integers, or texts.")
    return np.fromiter(map(_word, texts), np.uint64, count=len(texts))


def _word(text: str) -> np.uint64:
    digest = blake2b(text.encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return each word with every bit depending on every other."""
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))

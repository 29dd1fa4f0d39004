"""Whether two trainings are about the same thing: a hash of what they saw."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from scipy import sparse

from segmentation.engine.interactions import Interactions


def mark(*parts: Interactions | sparse.csr_matrix | str) -> str:
    """Hash of interactions (who, what, how much, when), of targets and of words."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        for array in _arrays(part):
            digest.update(str((array.dtype, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _arrays(part: Interactions | sparse.csr_matrix | str) -> list[np.ndarray[Any, Any]]:
    if isinstance(part, str):
        return [np.frombuffer(part.encode(), np.uint8)]
    if isinstance(part, Interactions):
        own = [part.users.ids, part.items.ids]
        log = [part.user_row, part.item_row, part.weight, part.rating, part.timestamp]
        return own + [array for array in log if array is not None]
    return [part.indptr, part.indices, part.data]

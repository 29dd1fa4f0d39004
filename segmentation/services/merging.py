"""Folders of lists into one: arrays of owners merged by owner, from file to file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

OWNERS = "owner_ids"
ROWS = 50_000  # copied at a time
# About items or about all; a coincidence of lengths must not mix them up.
SHARED = {"popular_ids", "buyers", "rebuy_item_ids", "rebuy_days"}


def merge(former: Path, parts: Sequence[Path], target: Path) -> None:
    """Write ``former`` with what ``parts`` say anew of their owners to ``target``.

    An array with a row for each owner is merged by owner; one that no part wrote, or
    that is not about owners, is taken over as it is. Owners ascend everywhere, and an
    owner is in one part at most. Who was erased meanwhile is left out.
    """
    target.mkdir(parents=True)
    folders = [former, *parts]
    # Whoever was erased has the id of the one before, or 0: the first row is theirs.
    known = [np.unique(_load(each, OWNERS), return_index=True) for each in folders]
    owners = np.unique(np.concatenate([ids[ids > 0] for ids, _rows in known]))
    n_rows = [len(_load(each, OWNERS)) for each in folders]
    for path in sorted(former.glob("*.npy")):
        name = path.stem
        arrays = [_load(each, name) for each in folders if _has(each, name)]
        is_about_owners = name not in SHARED and [len(a) for a in arrays] == n_rows
        if not is_about_owners:
            shutil.copyfile(path, target / path.name)
            continue
        made = np.lib.format.open_memmap(
            target / path.name,
            mode="w+",
            dtype=arrays[0].dtype,
            shape=(len(owners), *arrays[0].shape[1:]),
        )
        for (ids, rows), array in zip(known, arrays, strict=True):
            kept = ids > 0
            _place(made, np.searchsorted(owners, ids[kept]), array, rows[kept])
        made.flush()
        del made


def drop(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _has(folder: Path, name: str) -> bool:
    return (folder / f"{name}.npy").exists()


def _load(folder: Path, name: str) -> np.ndarray:
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def _place(
    made: np.ndarray, at: np.ndarray, source: np.ndarray, rows: np.ndarray
) -> None:
    for start in range(0, len(at), ROWS):
        block = slice(start, start + ROWS)
        made[at[block]] = source[rows[block]]

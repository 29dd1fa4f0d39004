"""A fitted model as a folder of .npy files and a manifest; never pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FORMAT = 1
MANIFEST = "manifest.json"
USERS = "user_ids"
PERSONAL = ("user_vectors_", "user_items_", "ranked_")  # their rows are users
CSR_PARTS = ("indptr", "indices", "data")


class BadArtifact(ValueError):
    """The folder does not hold a model that can be read."""


class UnknownFormat(BadArtifact):
    """The model was written in a format that this version does not know."""


def write(
    folder: Path, algorithm: str, params: dict[str, Any], state: dict[str, Any]
) -> None:
    """Write arrays and CSR matrices; the manifest last, so it vouches for all."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, dict[str, Any]] = {}
    matrices: dict[str, list[int]] = {}
    for name, value in state.items():
        parts = {name: value}
        if sparse.issparse(value):
            matrices[name] = list(value.shape)
            parts = {f"{name}.{part}": getattr(value, part) for part in CSR_PARTS}
        for file_name, array in parts.items():
            np.save(folder / f"{file_name}.npy", array, allow_pickle=False)
            arrays[file_name] = {"shape": list(array.shape), "dtype": array.dtype.str}
    manifest = {
        "format": FORMAT,
        "algorithm": algorithm,
        "params": params,
        "arrays": arrays,
        "matrices": matrices,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder; BadArtifact or UnknownFormat where unusable."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadArtifact(
            f"There is no model in {folder}: {MANIFEST} is missing."
        ) from None
    except ValueError:
        raise BadArtifact(f"The {MANIFEST} in {folder} is not JSON.") from None
    if content.get("format") != FORMAT:
        raise UnknownFormat(
            f"The model in {folder} has format {content.get('format')}, this version "
            f"reads format {FORMAT}. Train the model again or use a newer version."
        )
    return dict(content)


def forget(folder: Path, ids: NDArray[Any]) -> int:
    """Make users unknown to a stored model, in place; answers how many it knew.

    Their ids become ones that nobody has (below 0), their rows zeros. Processes that
    have the arrays mapped see it at once.
    """
    content = manifest(folder)
    users = np.load(folder / f"{USERS}.npy", mmap_mode="r+")
    rows = np.flatnonzero(np.isin(users, ids))
    for row in rows.tolist():
        for name in PERSONAL:
            if name in content["matrices"]:
                indptr = np.load(folder / f"{name}.indptr.npy", mmap_mode="r")
                span = slice(int(indptr[row]), int(indptr[row + 1]))
                for part in ("indices", "data"):
                    _zero(folder / f"{name}.{part}.npy", span)
            elif name in content["arrays"]:
                _zero(folder / f"{name}.npy", slice(row, row + 1))
    users[rows] = -1 - rows  # last: a deed that is killed finds them again
    users.flush()
    return len(rows)


def _zero(path: Path, span: slice) -> None:
    array = np.load(path, mmap_mode="r+")
    if array.size:
        array[span] = 0
        array.flush()


def read(folder: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Memory-mapped arrays and CSR matrices by name, checked against the manifest."""
    arrays = {
        name: _array(folder / f"{name}.npy", facts)
        for name, facts in content["arrays"].items()
    }
    for name, shape in content["matrices"].items():
        indptr, indices, data = (arrays.pop(f"{name}.{part}") for part in CSR_PARTS)
        matrix = sparse.csr_matrix(tuple(shape), dtype=data.dtype)
        # Set, not passed: the constructor would read and may copy every page.
        matrix.indptr, matrix.indices, matrix.data = indptr, indices, data
        arrays[name] = matrix
    return arrays


def _array(path: Path, facts: dict[str, Any]) -> NDArray[Any]:
    try:
        # Copy on write: compiled code wants writable memory, the file stays as it is.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadArtifact(f"The array {path.name} cannot be read: {error}") from None
    if list(array.shape) != facts["shape"] or array.dtype.str != facts["dtype"]:
        raise BadArtifact(f"The array {path.name} is not the one its manifest names.")
    return np.asarray(array)

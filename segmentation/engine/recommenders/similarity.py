"""Weighted vectors and the nearest of them: what user and item kNN share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from implicit import nearest_neighbours
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine.recommenders.base import BLOCK_CELLS

WEIGHTINGS = ("cosine", "tfidf", "bm25")


@dataclass(frozen=True)
class Weighting:
    """How counts become vectors whose products are similarities.

    TF-IDF and BM25 weigh a column by how few rows it has. BM25 saturates with `k1`,
    discounts long rows by `b`, and is not normalised; the others are divided by
    length ** (2 power), which for .5 is the cosine.
    """

    name: str
    k1: float
    b: float
    power: float

    def learn(self, vectors: sparse.csr_matrix) -> NDArray[np.float64]:
        """What `apply` needs to know of all rows: column weights, then mean length."""
        n_rows, n_columns = vectors.shape
        rows_of = np.bincount(vectors.indices, minlength=n_columns)
        mean_length = vectors.data.sum() / n_rows
        return np.append(np.log(n_rows) - np.log1p(rows_of), mean_length)

    def apply(
        self, vectors: sparse.csr_matrix, learned: NDArray[np.float64]
    ) -> sparse.csr_matrix:
        """The rows weighted; they need not be those that were learned from."""
        found = vectors.astype(np.float64)
        column_weights, mean_length = learned[:-1], learned[-1]
        if self.name == "bm25":
            owner = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
            length = np.bincount(owner, found.data, minlength=found.shape[0])
            norm = self.k1 * (1 - self.b + self.b * length / mean_length)
            found.data *= (self.k1 + 1) / (norm[owner] + found.data)
            found.data *= column_weights[found.indices]
            return found
        if self.name == "tfidf":
            found.data = np.sqrt(found.data) * column_weights[found.indices]
        square = np.asarray(found.multiply(found).sum(axis=1)).ravel()
        scale = np.where(square > 0, np.maximum(square, 1e-24) ** -self.power, 0.0)
        return sparse.csr_matrix(sparse.diags(scale) @ found)


def nearest(
    vectors: sparse.csr_matrix, k: int, *, shrinkage: float = 0.0
) -> sparse.csr_matrix:
    """Similarity of each row to its k most similar ones and to itself (n x n)."""
    if shrinkage:
        return similarities(vectors, vectors, k + 1, shrinkage=shrinkage)
    # The same in C++ with all threads. A row finds itself, too: one more than asked.
    finder = nearest_neighbours.ItemItemRecommender(K=k + 1)
    finder.fit(vectors.T.tocsr(), show_progress=False)
    found: sparse.csr_matrix = finder.similarity.astype(np.float32)
    found.eliminate_zeros()
    return found


def similarities(
    rows: sparse.csr_matrix,
    others: sparse.csr_matrix,
    k: int,
    *,
    shrinkage: float = 0.0,
) -> sparse.csr_matrix:
    """The k largest positive products of each row with the others (B x n).

    Shrinkage multiplies by n / (n + shrinkage), n being the columns two rows share
    (Bell & Koren 2007): a likeness seen once says little.
    """
    step = max(1, BLOCK_CELLS // max(others.shape[0], 1))
    blocks = [sparse.csr_matrix((0, others.shape[0]), dtype=np.float32)]
    for start in range(0, rows.shape[0], step):
        part = rows[start : start + step]
        products = (part @ others.T).tocsr()
        if shrinkage:
            products = products.multiply(_trust(part, others, shrinkage)).tocsr()
        blocks.append(largest(products, k))
    return sparse.vstack(blocks, format="csr")


def _trust(
    rows: sparse.csr_matrix, others: sparse.csr_matrix, shrinkage: float
) -> sparse.csr_matrix:
    shared = (_ones(rows) @ _ones(others).T).tocsr()
    shared.data /= shared.data + shrinkage
    return shared


def _ones(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    cells = (np.ones(matrix.nnz), matrix.indices, matrix.indptr)
    return sparse.csr_matrix(cells, shape=matrix.shape)


def largest(matrix: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """The k largest positive values of each row; ties go to the lower column."""
    owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, owner))
    owner, columns, values = owner[order], matrix.indices[order], matrix.data[order]
    rank = np.arange(len(owner)) - matrix.indptr[owner]
    kept = (rank < k) & (values > 0)
    cells: Any = (values[kept].astype(np.float32), (owner[kept], columns[kept]))
    return sparse.csr_matrix(cells, shape=matrix.shape)

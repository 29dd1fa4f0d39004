"""Items that the same people take (implicit's neighbour search in C++)."""

from __future__ import annotations

from typing import Any

import numpy as np
from implicit import nearest_neighbours
from numpy.typing import NDArray
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import OnEpoch, Recommender, require
from segmentation.engine.recommenders.topn import TopN

WEIGHTINGS = ("cosine", "tfidf", "bm25")
COUNTS = ("log", "linear")


class ItemKNN(Recommender):
    """Score of an item: sum over the history of count (or log1p of it) x similarity.

    Similarity of two items: the product of their weighted user columns (cosine,
    TF-IDF, or BM25 with K1 and B), kept for the `n_neighbors` best of each item.
    """

    algorithm = "item_knn"
    has_similar = True
    learned = ("similarity_",)

    similarity_: sparse.csr_matrix  # items x items; the diagonal is the item itself

    def __init__(
        self,
        weighting: str = "bm25",
        n_neighbors: int = 100,
        counts: str = "log",
        k1: float = 1.2,
        b: float = 0.25,
    ) -> None:
        self.weighting = weighting
        self.n_neighbors = n_neighbors
        self.counts = counts
        self.k1 = k1
        self.b = b

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        if purpose == "again":
            habit = {"n_neighbors": 500, "counts": "linear", "k1": 50.0, "b": 0.1}
            return [habit, {"counts": "linear"}]
        if purpose in ("discover", "similar"):
            return [{}, {"n_neighbors": 500, "b": 0.1}, {"weighting": "tfidf"}]
        return []

    def _check_params(self) -> None:
        require(
            self.weighting in WEIGHTINGS,
            f"weighting must be one of {', '.join(WEIGHTINGS)}.",
        )
        require(self.counts in COUNTS, f"counts must be one of {', '.join(COUNTS)}.")
        require(self.n_neighbors >= 1, "n_neighbors must be at least 1.")
        require(self.k1 >= 0, "k1 must be 0 or more.")
        require(0 <= self.b <= 1, "b must be from 0 to 1.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        # An item finds itself, too: one more than asked for.
        finder = nearest_neighbours.ItemItemRecommender(K=self.n_neighbors + 1)
        finder.fit(self._weighted(data.user_items), show_progress=False)
        self.similarity_ = finder.similarity.astype(np.float32)
        self.similarity_.eliminate_zeros()

    def _weighted(self, user_items: sparse.csr_matrix) -> sparse.csr_matrix:
        item_users = self._counted(user_items).T
        if self.weighting == "bm25":
            item_users = nearest_neighbours.bm25_weight(item_users, self.k1, self.b)
        else:
            if self.weighting == "tfidf":
                item_users = nearest_neighbours.tfidf_weight(item_users)
            item_users = nearest_neighbours.normalize(item_users)
        return item_users.T.tocsr()

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        found = self._counted(self.user_items_[rows]) @ self.similarity_
        scores = np.full(found.shape, -np.inf, np.float32)
        owner = np.repeat(np.arange(len(rows)), np.diff(found.indptr))
        scores[owner, found.indices] = np.where(found.data > 0, found.data, -np.inf)
        return scores

    def _similar(self, rows: NDArray[np.int64], n: int) -> TopN:
        owner, place = topn.spread(self.similarity_.indptr, rows)
        items, scores = self.similarity_.indices[place], self.similarity_.data[place]
        other = (items != rows[owner]) & (scores > 0)
        owner, items, scores = owner[other], items[other], scores[other]
        order = np.lexsort((items, -scores, owner))
        return topn.pack(owner[order], items[order], scores[order], len(rows), n)

    def _counted(self, user_items: sparse.csr_matrix) -> sparse.csr_matrix:
        if self.counts == "linear":
            return user_items
        damped = user_items.copy()
        damped.data = np.log1p(user_items.data)
        return damped

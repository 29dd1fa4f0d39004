"""The methods to beat, as their own libraries do them: what ours are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import ElasticNet
from threadpoolctl import threadpool_limits

from segmentation.engine import recommenders
from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import Recommender
from segmentation.engine.recommenders.linear import Linear


class ElasticNetSLIM(Linear):
    """SLIM as it was written (Ning & Karypis 2011): an elastic net for each item."""

    algorithm = "slim of scikit-learn"

    def __init__(self, alpha: float = 0.05, l1_ratio: float = 0.01) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.counts = "linear"

    def _fit(self, data: Any, validation: Any, on_epoch: Any) -> None:
        net = ElasticNet(
            alpha=self.alpha,
            l1_ratio=self.l1_ratio,
            positive=True,
            fit_intercept=False,
            max_iter=100,
            tol=1e-4,
        )
        taken = data.user_items.tocsc().astype(np.float64)
        columns = []
        for item in range(taken.shape[1]):
            place = slice(taken.indptr[item], taken.indptr[item + 1])
            goal = np.asarray(taken[:, [item]].todense()).ravel()
            own = taken.data[place].copy()
            taken.data[place] = 0  # an item must not explain itself
            columns.append(net.fit(taken, goal).sparse_coef_.T.tocsc())
            taken.data[place] = own
        self.similarity_ = sparse.hstack(columns).tocsr().astype(np.float32)


class Implicit(Recommender):
    """A model of the library implicit behind our contract."""

    learned = ("model_",)

    def _made(self) -> Any:
        raise NotImplementedError

    def _fit(self, data: Any, validation: Any, on_epoch: Any) -> None:
        self.model_ = self._made()
        with threadpool_limits(1, "blas"):
            self.model_.fit(data.user_items, show_progress=False)

    def _recommend(
        self, rows: NDArray[np.int64], n: int, exclude_seen: bool, allowed: Any
    ) -> topn.TopN:
        assert allowed is None or len(allowed), "the whole catalogue is ranked"
        items, scores = self.model_.recommend(
            rows, self.user_items_[rows], N=n, filter_already_liked_items=exclude_seen
        )
        named = (items >= 0) & (scores > np.finfo(np.float32).min)
        return topn.TopN(np.where(named, items, -1), np.where(named, scores, 0))


class ImplicitALS(Implicit):
    """Confidence 1 + alpha x weight."""

    algorithm = "als of implicit"

    def __init__(
        self,
        n_factors: int = 32,
        regularization: float = 1.0,
        alpha: float = 1.0,
        iterations: int = 15,
        seed: int = 7,
    ) -> None:
        self.n_factors = n_factors
        self.regularization = regularization
        self.alpha = alpha
        self.iterations = iterations
        self.seed = seed

    def _made(self) -> Any:
        return AlternatingLeastSquares(
            factors=self.n_factors,
            regularization=self.regularization,
            alpha=self.alpha,
            iterations=self.iterations,
            random_state=self.seed,
            num_threads=0,
        )


class ImplicitCosine(Implicit):
    """Item-kNN by cosine."""

    algorithm = "item_knn of implicit"

    def __init__(self, n_neighbors: int = 10) -> None:
        self.n_neighbors = n_neighbors

    def _made(self) -> Any:
        return CosineRecommender(K=self.n_neighbors)


PEERS = {kind.algorithm: kind for kind in (ElasticNetSLIM, ImplicitALS, ImplicitCosine)}


def create(name: str, **params: Any) -> Recommender:
    """A peer by its name, or one of our own methods."""
    return (
        PEERS[name](**params) if name in PEERS else recommenders.create(name, **params)
    )

"""Items like those of the history by what the catalogue says, also untouched ones."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from segmentation.engine import evaluation
from segmentation.engine.catalogue import Catalogue
from segmentation.engine.interactions import DataError, Interactions
from segmentation.engine.recommenders import topn
from segmentation.engine.recommenders.base import OnEpoch, Recommender, require
from segmentation.engine.recommenders.linear import COUNTS, damped
from segmentation.engine.recommenders.spaces import Choice, Real, Space
from segmentation.engine.recommenders.topn import TopN

# Scripts written without spaces: Han, Hiragana, Katakana, and the marks between them.
UNSPACED = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
TOKEN = re.compile(f"[{UNSPACED}]+|[^\\W_{UNSPACED}]+")
IS_UNSPACED = re.compile(f"[{UNSPACED}]")
GRAMS = (2, 3, 4)
N_BINS, VALUES_A_BIN = 8, 3  # of a number, by quantiles: at most, at least


class Content(Recommender):
    """Score = cosine of an item with the sum of the history's items, by content.

    An item is three blocks, each of length 1 times its weight: TF-IDF of the words of
    title and description, of labels (category, brand, attributes), and numbers by
    quantiles, near ones sharing a place. Chinese and Japanese text counts by pieces of
    two to four characters.
    """

    algorithm = "content"
    has_similar = True
    folds_in = True
    has_reasons = True
    names_untouched = True
    learned = ("features_",)

    features_: sparse.csr_matrix  # items x terms, rows of length 1 or empty

    def __init__(
        self,
        text_weight: float = 1.0,
        label_weight: float = 1.0,
        number_weight: float = 0.3,
        counts: str = "log",
    ) -> None:
        self.text_weight = text_weight
        self.label_weight = label_weight
        self.number_weight = number_weight
        self.counts = counts

    @classmethod
    def space(cls) -> Space:
        return {
            "text_weight": Real(0.0, 2.0),
            "label_weight": Real(0.1, 2.0),  # at least one of them counts
            "number_weight": Real(0.0, 2.0),
            "counts": Choice(COUNTS),
        }

    def _check_params(self) -> None:
        require(self.counts in COUNTS, f"counts must be one of {', '.join(COUNTS)}.")
        for name in ("text_weight", "label_weight", "number_weight"):
            require(getattr(self, name) >= 0, f"{name} must be 0 or more.")

    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        known = data.catalogue
        if known is None:
            raise DataError(
                "There is no catalogue: content needs titles or attributes."
            )
        assert len(known) == len(data.items), "one place for each item row"
        blocks = [
            (self.text_weight, _tfidf(known.texts, words)),
            (self.label_weight, _tfidf(known.labels, _as_they_are)),
            (self.number_weight, _numbers(known)),
        ]
        used = [weight * _unit(block) for weight, block in blocks if block is not None]
        found = sparse.hstack(used, format="csr") if used else None
        if found is None or not found.nnz:
            raise DataError("The catalogue says nothing about any item.")
        found.eliminate_zeros()
        self.features_ = sparse.csr_matrix(_unit(found), dtype=np.float32)

    def _nameable(self) -> NDArray[np.bool_]:
        return np.diff(self.features_.indptr) > 0

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._scores_for(self.user_items_[rows])

    def _scores_for(self, histories: sparse.csr_matrix) -> NDArray[np.float32]:
        profiles = _unit(damped(histories, self.counts) @ self.features_)
        scores = np.asarray((profiles @ self.features_.T).toarray(), np.float32)
        # Nothing in common is no reason to show an item.
        return np.where(scores > 0, scores, np.float32(-np.inf))

    def _contributions(
        self, histories: sparse.csr_matrix, item_rows: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        history = damped(histories, self.counts)
        length = sparse.linalg.norm(history @ self.features_, axis=1)
        alike = self.features_[item_rows] @ self.features_.T
        scale = sparse.diags(1 / np.maximum(length, 1e-12))
        return sparse.csr_matrix(scale @ history.multiply(alike))

    def _similar(self, rows: NDArray[np.int64], n: int) -> TopN:
        scores = (self.features_[rows] @ self.features_.T).toarray()
        scores[np.arange(len(rows)), rows] = 0
        return topn.best(np.where(scores > 0, scores, np.float32(-np.inf)), n)


def words(text: str) -> list[str]:
    """Lower-case words; of text without spaces its pieces of two to four characters."""
    found: list[str] = []
    for token in TOKEN.findall(text.lower()):
        if not IS_UNSPACED.match(token) or len(token) == 1:
            found.append(token)
            continue
        for size in GRAMS:
            found += [token[at : at + size] for at in range(len(token) - size + 1)]
    return found


def _as_they_are(labels: list[str]) -> list[str]:
    return labels


def _tfidf(documents: list[Any], analyzer: Any) -> sparse.csr_matrix | None:
    try:
        vectorizer = TfidfVectorizer(analyzer=analyzer, sublinear_tf=True)
        return sparse.csr_matrix(vectorizer.fit_transform(documents))
    except ValueError:  # not a word in all of them
        return None


def _numbers(catalogue: Catalogue) -> sparse.csr_matrix | None:
    """Each number between the two quantiles around it: near ones share them."""
    blocks = []
    for values in catalogue.numbers.values():
        known = np.flatnonzero(np.isfinite(values))
        n_values = len(np.unique(values[known]))
        if n_values < 2:
            continue
        n_bins = min(max(n_values // VALUES_A_BIN, 1), N_BINS)
        edges = np.unique(np.quantile(values[known], np.linspace(0, 1, n_bins + 1)))
        at = np.interp(values[known], edges, np.arange(len(edges)))
        low = np.minimum(at.astype(np.int64), len(edges) - 2)
        cells: Any = (
            np.concatenate([1 - (at - low), at - low]),
            (np.concatenate([known, known]), np.concatenate([low, low + 1])),
        )
        blocks.append(sparse.csr_matrix(cells, shape=(len(values), len(edges))))
    return sparse.hstack(blocks, format="csr") if blocks else None


def _unit(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows of length 1; empty ones stay empty."""
    length = np.asarray(sparse.linalg.norm(matrix, axis=1)).ravel()
    scale = np.where(length > 0, 1 / np.maximum(length, 1e-12), 0.0)
    return sparse.csr_matrix(sparse.diags(scale) @ matrix)

"""The contract of every recommender: fit, recommend, similar items, save and load."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from segmentation.engine import evaluation
from segmentation.engine.interactions import EmptyData, IdMap, Interactions, TooSmall
from segmentation.engine.recommenders import artifact, reasons, topn
from segmentation.engine.recommenders.reasons import Reasons
from segmentation.engine.recommenders.spaces import Space
from segmentation.engine.recommenders.topn import TopN

# on_epoch(epoch, n_epochs, loss, metric); epochs count from 1, unknown numbers are NaN.
OnEpoch = Callable[[int, int, float, float], None]
ItemMask = ArrayLike | None

BLOCK_CELLS = 1 << 23  # 32 MiB of float32 scores at a time


class NotFitted(RuntimeError):
    """The model was asked before it learned."""


class BadParameter(ValueError):
    """A parameter is unknown or out of range."""


class Unsupported(ValueError):
    """This kind of model cannot do what was asked."""


class Recommender(ABC):
    """Parameters in `__init__`, learned names end in `_`, rows in and rows out.

    A user row of -1, and for personal models a user without history, gets an empty
    list. Fewer candidates than n give a shorter list.
    """

    algorithm: ClassVar[str]
    is_personal: ClassVar[bool] = True
    recommends_new: ClassVar[bool] = True  # can name an item the user never had
    has_vectors: ClassVar[bool] = False
    has_similar: ClassVar[bool] = False
    folds_in: bool = False  # answers histories it was not fitted on
    has_reasons: bool = False  # a score is a sum over the history
    predicts_ratings: ClassVar[bool] = False
    names_untouched: ClassVar[bool] = False  # can name an item that nobody had
    learned: ClassVar[tuple[str, ...]]  # names of the arrays and matrices to keep

    users_: IdMap
    items_: IdMap
    user_items_: sparse.csr_matrix  # users x items, what was seen

    @classmethod
    def candidates(cls, purpose: str) -> list[dict[str, Any]]:
        """Parameters worth trying on validation for a purpose; none: not for this."""
        return []

    @classmethod
    def space(cls) -> Space:
        """What a search may try beside them; empty: nothing else."""
        return {}

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as they were given."""
        return {name: getattr(self, name) for name in _signature(type(self))}

    @property
    def refit_params(self) -> dict[str, Any]:
        """The parameters to fit again with on more data, without a validation."""
        return self.params

    def fit(
        self,
        data: Interactions,
        *,
        validation: evaluation.Holdout | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Learn from the interactions; DataError where there is too little of them.

        `validation` serves models that stop early; `on_epoch` may raise to cancel.
        """
        self._check_params()
        _check(data)
        self.users_, self.items_ = data.users, data.items
        self.user_items_ = data.user_items
        self._fit(data, validation, on_epoch)
        return self

    def recommend(
        self,
        user_rows: ArrayLike,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        item_mask: ItemMask = None,
    ) -> TopN:
        """The n best items of each user; `item_mask` is a mask or the allowed rows."""
        self._require_fitted()
        rows = np.asarray(user_rows, np.int64).reshape(-1)
        allowed = self._allowed(item_mask)
        top = topn.empty(len(rows), n)
        answered = np.flatnonzero(self._has_answer(rows))
        step = self._block_rows()
        for start in range(0, len(answered), step):
            block = answered[start : start + step]
            part = self._recommend(rows[block], n, exclude_seen, allowed)
            top.items[block], top.scores[block] = part
        return top

    def recommend_for(
        self,
        histories: sparse.csr_matrix,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        item_mask: ItemMask = None,
    ) -> TopN:
        """Lists for histories (B x items, weights) of people known or not: a fold-in.

        The model stays as it is. An empty history gets an empty list.
        """
        self._require(self.folds_in, "cannot answer a history that it did not learn")
        allowed = self._allowed(item_mask)
        top = topn.empty(histories.shape[0], n)
        answered = np.flatnonzero(np.diff(histories.indptr) > 0)
        step = self._block_rows()
        for start in range(0, len(answered), step):
            block = answered[start : start + step]
            part = histories[block]
            best = _best(
                self._scores_for(part), n, part if exclude_seen else None, allowed
            )
            top.items[block], top.scores[block] = best
        return top

    @property
    def folds_log(self) -> bool:
        """Whether `recommend_log` can answer people whom the fit did not know so."""
        return self.folds_in

    def recommend_log(
        self, data: Interactions, n: int = 10, *, exclude_seen: bool = True
    ) -> TopN:
        """Lists for the users of another log over the same items, row by row.

        A fold-in of the log's matrix; a model that weighs by time takes its times.
        """
        return self.recommend_for(data.user_items, n, exclude_seen=exclude_seen)

    def reasons(
        self, histories: sparse.csr_matrix, item_rows: ArrayLike, m: int = 3
    ) -> Reasons:
        """The m items of each history that speak most for one item (row -1: none)."""
        self._require(self.has_reasons, "does not know reasons")
        rows = np.asarray(item_rows, np.int64).reshape(-1)
        assert len(rows) == histories.shape[0], "one item for each history"
        asked = np.flatnonzero(rows >= 0)
        parts = self._contributions(histories[asked], rows[asked])
        return reasons.largest(parts, asked, len(rows), m)

    def predict(
        self, user_rows: ArrayLike, item_rows: ArrayLike
    ) -> NDArray[np.float32]:
        """The rating of each pair; for an unknown row (-1) what is known without it."""
        self._require(self.predicts_ratings, "does not predict ratings")
        users = np.asarray(user_rows, np.int64).reshape(-1)
        items = np.asarray(item_rows, np.int64).reshape(-1)
        return self._predict(users, items)

    def similar_items(self, item_rows: ArrayLike, n: int = 10) -> TopN:
        """The n items most like each given one, itself left out."""
        self._require_fitted()
        rows = np.asarray(item_rows, np.int64).reshape(-1)
        top = topn.empty(len(rows), n)
        known = np.flatnonzero(rows >= 0)
        step = self._block_rows()
        for start in range(0, len(known), step):
            block = known[start : start + step]
            top.items[block], top.scores[block] = self._similar(rows[block], n)
        return top

    def save(self, folder: str | Path) -> None:
        """Write the model as .npy files and a manifest that np.load can memory-map."""
        self._require_fitted()
        state: dict[str, Any] = {
            "user_ids": self.users_.ids,
            "item_ids": self.items_.ids,
            "user_items_": self.user_items_,
        }
        for name in self.learned:
            if getattr(self, name, None) is not None:
                state[name] = getattr(self, name)
        artifact.write(Path(folder), self.algorithm, self.params, state)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model of a folder; BadArtifact or UnknownFormat where it is unusable."""
        content = artifact.manifest(Path(folder))
        if content["algorithm"] != cls.algorithm:
            raise artifact.BadArtifact(
                f"The model in {folder} is {content['algorithm']}, not {cls.algorithm}."
            )
        model = cls(**content["params"])
        state = artifact.read(Path(folder), content)
        model.users_ = IdMap(state.pop("user_ids"))
        model.items_ = IdMap(state.pop("item_ids"))
        for name, value in state.items():
            setattr(model, name, value)
        return model

    def _check_params(self) -> None:  # noqa: B027 (not every model has limits)
        """Raise BadParameter where a parameter is out of range."""

    @abstractmethod
    def _fit(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None: ...

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores B x items of one block, -inf where an item is no candidate."""
        raise NotImplementedError

    def _scores_for(self, histories: sparse.csr_matrix) -> NDArray[np.float32]:
        """The same for histories that need not be those of the fit."""
        raise NotImplementedError

    def _contributions(
        self, histories: sparse.csr_matrix, item_rows: NDArray[np.int64]
    ) -> sparse.csr_matrix:
        """What each item of a history adds to the score of one item (B x items)."""
        raise NotImplementedError

    def _predict(
        self, users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        raise NotImplementedError

    def _recommend(
        self,
        rows: NDArray[np.int64],
        n: int,
        exclude_seen: bool,
        allowed: NDArray[np.int64] | None,
    ) -> TopN:
        seen = self.user_items_[rows] if exclude_seen else None
        return _best(self._scores(rows), n, seen, allowed)

    def _similar(self, rows: NDArray[np.int64], n: int) -> TopN:
        raise Unsupported(f"{self.algorithm} does not know which items are alike.")

    def _block_rows(self) -> int:
        return max(1, BLOCK_CELLS // len(self.items_))

    def _has_answer(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not self.is_personal:
            return rows >= 0
        return (rows >= 0) & (np.diff(self.user_items_.indptr)[rows] > 0)

    def _allowed(self, item_mask: ItemMask) -> NDArray[np.int64] | None:
        """Rows that may be named, None for all that there are."""
        n_items = len(self.items_)
        had = self._nameable()
        if item_mask is None:
            return None if had.all() else np.flatnonzero(had)
        mask = np.asarray(item_mask)
        if mask.dtype == bool:
            if mask.shape != (n_items,):
                raise BadParameter("An item mask needs one value for each item.")
            return np.flatnonzero(mask & had)
        rows = np.unique(mask.astype(np.int64))
        rows = rows[rows >= 0]
        return rows[had[rows]]

    def _nameable(self) -> NDArray[np.bool_]:
        """Items of which the model knows something: those that somebody had."""
        kept = self.__dict__.get("_had")  # one list must not count them all again
        if kept is None or kept[0] is not self.user_items_:
            seen = np.bincount(self.user_items_.indices, minlength=len(self.items_))
            kept = self.__dict__["_had"] = (self.user_items_, seen > 0)
        found: NDArray[np.bool_] = kept[1]
        return found

    def _require(self, able: bool, inability: str) -> None:
        if not able:
            raise Unsupported(f"{self.algorithm} {inability}.")
        self._require_fitted()

    def _require_fitted(self) -> None:
        if not hasattr(self, self.learned[0]):
            raise NotFitted(f"Fit or load the {self.algorithm} model before asking it.")


def cosine(vectors: NDArray[np.float32], rows: NDArray[np.int64], n: int) -> TopN:
    """The n vectors with the largest cosine to each given row, itself left out."""
    norms = np.linalg.norm(vectors, axis=1)
    unit = vectors / np.maximum(norms, np.finfo(np.float32).tiny)[:, None]
    scores = unit[rows] @ unit.T
    scores[:, norms == 0] = -np.inf
    scores[norms[rows] == 0] = -np.inf
    scores[np.arange(len(rows)), rows] = -np.inf
    return topn.best(scores, n)


def require(condition: bool, sentence: str) -> None:
    """Raise BadParameter with the sentence unless the condition holds."""
    if not condition:
        raise BadParameter(sentence)


def construct(kind: type[Recommender], params: dict[str, Any]) -> Recommender:
    """A model with these parameters; BadParameter names those it does not know."""
    unknown = sorted(set(params) - set(_signature(kind)))
    if unknown:
        raise BadParameter(
            f"{kind.algorithm} has no parameter {', '.join(unknown)}; "
            f"it knows {', '.join(_signature(kind)) or 'none'}."
        )
    for name, value in params.items():
        _check_type(name, value, inspect.signature(kind).parameters[name])
    model = kind(**params)
    model._check_params()
    return model


def _check_type(name: str, value: Any, parameter: inspect.Parameter) -> None:
    """A value has the type of its default: 8 is a number, "8" and true are none."""
    default = parameter.default
    if value is None and "None" in str(parameter.annotation):
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, str):
        require(isinstance(value, str), f"{name} must be a text, not {value!r}.")
    elif isinstance(default, int) and not isinstance(default, bool):
        whole = number and isinstance(value, int)
        require(whole, f"{name} must be a whole number, not {value!r}.")
    elif isinstance(default, float):
        finite = number and math.isfinite(value)
        require(finite, f"{name} must be a number, not {value!r}.")


def _signature(kind: type[Recommender]) -> Iterable[str]:
    return list(inspect.signature(kind).parameters)


def _best(
    scores: NDArray[np.float32],
    n: int,
    seen: sparse.csr_matrix | None,
    allowed: NDArray[np.int64] | None,
) -> TopN:
    if seen is not None:
        owner = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
        scores[owner, seen.indices] = -np.inf
    if allowed is None:
        return topn.best(scores, n)
    return _renamed(topn.best(scores[:, allowed], n), allowed)


def _renamed(top: TopN, allowed: NDArray[np.int64]) -> TopN:
    items = np.where(top.items >= 0, allowed[top.items] if len(allowed) else -1, -1)
    return TopN(items.astype(np.int32), top.scores)


def _check(data: Interactions) -> None:
    matrix = data.user_items
    if not matrix.nnz:
        raise EmptyData("There are no interactions to learn from.")
    if np.count_nonzero(np.diff(matrix.indptr)) < 2:
        raise TooSmall("All interactions are of one user: at least two are needed.")
    if (matrix.indices == matrix.indices[0]).all():
        raise TooSmall("All interactions are with one item: at least two are needed.")

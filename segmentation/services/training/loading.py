"""Rows → the parts of a training: learn, choose, judge, and everything."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from django.utils.translation import gettext as _

from segmentation import frames, queries
from segmentation.engine import evaluation, recommenders
from segmentation.engine.catalogue import Catalogue
from segmentation.engine.interactions import DataError, IdMap, Interactions
from segmentation.engine.signals import NONE, Lines, Weighting
from segmentation.models import Kind, ModelRun
from segmentation.services.training import labelling, splitting, telling
from segmentation.services.training.telling import PROTOCOL

__all__ = ["PROTOCOL", "Data", "Ratings", "load", "snapshot"]


@dataclass(frozen=True, eq=False)
class Ratings:
    """What ratings are judged by, beside rankings; one per customer and item."""

    validation: Interactions
    test: Interactions
    log: pd.DataFrame
    seed: int
    n_folds: int | None = None  # of a k-fold

    def folds(self) -> Iterator[tuple[Interactions, Interactions]]:
        """Train and test of each fold, over the maps of all ratings."""
        assert self.n_folds is not None, "only of a k-fold"
        whole = Interactions.from_frame(self.log)
        for parts in evaluation.k_fold(self.log, self.n_folds, seed=self.seed):
            train, test = (
                Interactions.from_frame(part, whole.users, whole.items)
                for part in parts
            )
            yield train, test


@dataclass(frozen=True, eq=False)
class Data:
    """The parts of a training over one catalogue, weighed when they are asked for.

    ``user_labels`` and ``item_labels``: name of a grouping → a label for each user row
    of ``train``, each item row. Each part that learns, ``fit``, ``train`` and
    ``everything``, has ``rating`` where there are ratings and ``catalogue`` where the
    method reads it.
    """

    validation_truth: Any
    test_truth: Any
    protocol: dict[str, Any]
    weighting: Weighting
    fit_lines: Lines
    train_lines: Lines
    all_lines: Lines
    ratings: Ratings | None = None
    user_labels: dict[str, np.ndarray] = field(default_factory=dict)
    item_labels: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def fit(self) -> Interactions:
        """What is learned from before the choice."""
        return self.fit_lines.weighed(self.weighting)

    @cached_property
    def train(self) -> Interactions:
        """All before the judged part."""
        return self.train_lines.weighed(self.weighting)

    @cached_property
    def everything(self) -> Interactions:
        """All there is, for the model that goes live."""
        return self.all_lines.weighed(self.weighting)

    def weighted(
        self,
        weights: Mapping[str, float] | None = None,
        half_life: float | None = None,
        amount: str | None = None,
    ) -> Data:
        """The same parts with other weights, without another look at the database.

        ``weights`` by kind, such as ``{"view": 0.1}``; others as they were asked for.
        What is judged by stays the same.
        """
        kinds = dict(self.weighting.kinds)
        if weights is not None and int(Kind.RATING) not in kinds:
            named = {int(telling.KINDS[name]): w for name, w in weights.items()}
            kinds = {kind: w for kind, w in (kinds | named).items() if w > 0}
        weighting = Weighting(kinds, half_life, amount or NONE)
        return dataclasses.replace(self, weighting=weighting)

    @property
    def chosen(self) -> dict[str, Any]:
        """What the weights are made of, as parameters of a run."""
        names = {kind: Kind(kind).name.lower() for kind in self.weighting.kinds}
        present = set(np.unique(self.all_lines.kind).tolist())
        weights = self.weighting.kinds.items()
        return {
            "kind_weights": {names[k]: w for k, w in weights if k in present},
            "half_life_days": self.weighting.half_life_days,
            "amount": self.weighting.amount,
        }


def load(run: ModelRun) -> Data:
    """Read a run's data once; DataError, in a sentence, where there is too little."""
    told = telling.protocol(run.algorithm, run.params)
    known, told = _read(run.algorithm, told)
    log = known.as_of().to_pandas()
    if log.empty:
        raise DataError(_("There is no behaviour to learn from; import events first."))
    parts, told = splitting.parts(known, log, told, run.seed)
    enough = _enough(parts.train, told["min_lines"])
    wide = reads_catalogue(run.algorithm, run.params)
    # Judged are those who took something of the catalogue before (protocol P2).
    users = _users(parts.train, enough)
    items = _with_untouched(enough) if wide else enough
    train = Lines.from_frame(parts.train, users, items)
    fit = Lines.from_frame(parts.fit, users, items)
    whole = _enough(log, told["min_lines"])
    everything = Lines.from_frame(
        log, _users(log, whole), _with_untouched(whole) if wide else whole
    )
    if wide:
        fit, train, everything = (_described(each) for each in (fit, train, everything))
    validation, test = (
        evaluation.truth(part[enough.rows(part["item_id"]) >= 0], users, items)
        for part in (parts.validation, parts.test)
    )
    return Data(
        validation_truth=validation,
        test_truth=test,
        protocol=_plain(told),
        weighting=_weighting(run.algorithm, told),
        fit_lines=fit,
        train_lines=train,
        all_lines=everything,
        ratings=_ratings(parts, log, train, told, run.seed),
        user_labels=labelling.of_users(train.log, told["period_days"]),
        item_labels=labelling.of_items(items),
    )


def reads_catalogue(algorithm: str, params: Mapping[str, Any]) -> bool:
    """Whether the method, or one inside it, can name items that nobody had."""
    names = [algorithm, *params.get("members", ())]
    known = [name for name in names if name in recommenders.names()]
    return any(recommenders.kind(name).names_untouched for name in known)


def _read(
    algorithm: str, told: dict[str, Any]
) -> tuple[frames.Interest, dict[str, Any]]:
    """The log of the signal that was told, or that there is; with ``signal`` named."""
    signal = told["signal"]
    if recommenders.kind(algorithm).predicts_ratings:
        signal = telling.RATINGS
    if signal != telling.RATINGS:
        kinds = list(telling.weights_by_kind(told["kind_weights"]))
        known = frames.interest(kinds=kinds, also=["amount"])
        if len(known.lines) or signal == telling.BEHAVIOUR:
            return known, told | {"signal": telling.BEHAVIOUR}
    known = frames.interest(kinds=[Kind.RATING], also=["amount", frames.RATING])
    if not len(known.lines) and signal == telling.RATINGS:
        raise DataError(
            _(
                "There are no ratings to learn from; import events of the kind rating "
                "with a value, or choose a method that learns from behaviour."
            )
        )
    return known, told | {"signal": telling.RATINGS}


def _weighting(algorithm: str, told: dict[str, Any]) -> Weighting:
    kinds = telling.weights_by_kind(told["kind_weights"])
    if told["signal"] == telling.RATINGS:
        kinds = {int(Kind.RATING): 1.0}
    half_life = told["half_life_days"]
    return Weighting(
        kinds,
        None if telling.has_half_life(algorithm) else half_life,
        told["amount"] or NONE,
    )


def _enough(log: pd.DataFrame, min_lines: float) -> IdMap:
    """Items with enough lines to say anything about them."""
    ids, counts = np.unique(log["item_id"].to_numpy(), return_counts=True)
    enough = ids[counts >= int(min_lines)]
    if not len(enough):
        raise DataError(
            _("No item has %(n)d events; lower min_lines or import more.")
            % {"n": int(min_lines)}
        )
    return IdMap(enough)


def _users(log: pd.DataFrame, items: IdMap) -> IdMap:
    return IdMap(np.unique(log.loc[items.rows(log["item_id"]) >= 0, "user_id"]))


def _with_untouched(items: IdMap) -> IdMap:
    """The items, and all others that are for sale."""
    return IdMap(np.union1d(items.ids, queries.available_items()))


def _described(lines: Lines) -> Lines:
    items = lines.log.items
    known = Catalogue.from_frame(frames.catalogue(items.ids), items)
    return dataclasses.replace(
        lines, log=dataclasses.replace(lines.log, catalogue=known)
    )


def _ratings(
    parts: frames.Parts, log: pd.DataFrame, train: Lines, told: dict, seed: int
) -> Ratings | None:
    if frames.RATING not in log:
        return None
    users, items = train.log.users, train.log.items
    validation, test = (
        Interactions.from_frame(part.assign(weight=1.0), users, items)
        for part in (parts.validation, parts.test)
    )
    kept = log[items.rows(log["item_id"]) >= 0].assign(weight=1.0)
    n_folds = told["folds"] if told["split"] == telling.FOLDS else None
    return Ratings(validation, test, kept, seed, n_folds)


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in told.items()
    }


def snapshot(data: Interactions) -> dict[str, Any]:
    """What a run was made from: counts, the newest instant, a hash of all of it."""
    digest = hashlib.blake2b(digest_size=16)
    matrix = data.user_items
    assert data.timestamp is not None, "the log always has times"
    arrays = [data.users.ids, data.items.ids, matrix.indptr, matrix.indices]
    arrays += [matrix.data, *([] if data.rating is None else [data.rating])]
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    newest = float(np.max(data.timestamp)) * 86_400
    return {
        "users": len(data.users),
        "items": len(data.items),
        "lines": len(data.weight),
        "pairs": int(matrix.nnz),
        "quarantined": len(queries.quarantined()),
        "left_out": len(queries.left_out()),
        "newest": datetime.fromtimestamp(newest, UTC).isoformat(),
        "hash": digest.hexdigest(),
    }

"""What models of several models share: members by name, kept in folders of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from segmentation.engine import evaluation, recommenders
from segmentation.engine.interactions import Interactions
from segmentation.engine.recommenders.base import (
    ItemMask,
    OnEpoch,
    Recommender,
    require,
)

MEMBERS = "members"


class Composite(Recommender):
    """Members by name with their parameters, saved in folders below its own."""

    members: tuple[str, ...]
    member_params: dict[str, dict[str, Any]] | None
    members_: list[Recommender]

    def _check_params(self) -> None:
        names = recommenders.names()
        require(len(self.members) >= 1, "members must be one name or more.")
        for name in self.members:
            require(name in names, f"members must be among {', '.join(names)}.")
            inside = issubclass(recommenders.kind(name), Composite)
            require(not inside, f"members must be single models, not {name}.")

    @property
    def refit_params(self) -> dict[str, Any]:
        """The parameters with those of the members that learned when to stop."""
        inside = zip(self.members, self.members_, strict=True)
        own = {name: model.refit_params for name, model in inside}
        return {**self.params, "member_params": own}

    def _fit_members(
        self,
        data: Interactions,
        validation: evaluation.Holdout | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        told = self.member_params or {}
        self._take(
            [
                recommenders.create(name, **told.get(name, {})).fit(
                    data, validation=validation, on_epoch=on_epoch
                )
                for name in self.members
            ]
        )

    def _take(self, members: list[Recommender]) -> None:
        """What a model of several can do is what all of them can."""
        self.members_ = members
        personal = [model for model in members if model.is_personal]
        self.folds_in = all(model.folds_in for model in members)
        self.has_reasons = bool(personal) and all(m.has_reasons for m in personal)

    def save(self, folder: str | Path) -> None:
        """Write the members first, each as its own model, then what joins them."""
        self._require_fitted()
        for at, model in enumerate(self.members_):
            model.save(Path(folder) / MEMBERS / str(at))
        super().save(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        model = super().load(folder)
        folders = [Path(folder) / MEMBERS / str(at) for at in range(len(model.members))]
        model._take([recommenders.load(each) for each in folders])
        return model

    def _allowed(self, item_mask: ItemMask) -> NDArray[np.int64] | None:
        """Left to the members: one may name what another may not."""
        if item_mask is None:
            return None
        mask = np.asarray(item_mask)
        return np.flatnonzero(mask) if mask.dtype == bool else np.unique(mask)

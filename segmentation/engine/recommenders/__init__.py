"""The recommenders by name, each imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from segmentation.engine.recommenders import artifact, base

# Dotted paths, for laziness: ncf and towers need TensorFlow.
RECOMMENDERS = {
    "popularity": "popularity.Popularity",
    "personal_frequency": "frequency.PersonalFrequency",
    "user_knn": "knn.UserKNN",
    "item_knn": "knn.ItemKNN",
    "rp3beta": "rp3beta.RP3beta",
    "ease": "ease.EASE",
    "slim": "slim.SLIM",
    "als": "als.ALS",
    "ncf": "ncf.NCF",
    "mf": "mf.MF",
    "rating_knn": "rating_knn.RatingKNN",
    "towers": "towers.Towers",
    "content": "content.Content",
    "rules": "rules.Rules",
    "blend": "blend.Blend",
    "cold_start": "cold_start.ColdStart",
}


class UnknownRecommender(ValueError):
    """No recommender has this name."""


def names() -> list[str]:
    """The names that `create` knows, simplest first."""
    return list(RECOMMENDERS)


def kind(name: str) -> type[base.Recommender]:
    """The class behind a name, for its flags and its `candidates`."""
    if name not in RECOMMENDERS:
        raise UnknownRecommender(
            f"There is no recommender {name}; there are {', '.join(RECOMMENDERS)}."
        )
    module, _, attribute = RECOMMENDERS[name].partition(".")
    found: type[base.Recommender] = getattr(
        import_module(f"{__name__}.{module}"), attribute
    )
    return found


def create(name: str, **params: Any) -> base.Recommender:
    """An unfitted model; UnknownRecommender or BadParameter where it cannot be."""
    return base.construct(kind(name), params)


def load(folder: str | Path) -> base.Recommender:
    """The fitted model of a folder; BadArtifact where none can be read."""
    return kind(artifact.manifest(Path(folder))["algorithm"]).load(folder)

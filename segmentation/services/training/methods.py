"""What a person calls each method, what it does in a line, and what it is for.

Written down, not asked of the classes: a web page that lists the methods must not
import all that they need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.engine import recommenders
from segmentation.models import Purpose

AGAIN, DISCOVER, TASTE, SIMILAR = Purpose.values
LISTS = (AGAIN, DISCOVER)
ALL = (AGAIN, DISCOVER, TASTE, SIMILAR)
ALIKE = (AGAIN, DISCOVER, SIMILAR)


@dataclass(frozen=True)
class Method:
    """``does`` is a line for people; ``purposes`` are those that it can serve."""

    label: Any
    group: Any
    does: Any
    purposes: tuple[str, ...]


_COMMON = gettext_lazy("What is simple")
_BEHAVIOUR = gettext_lazy("Learn from behaviour")
_RATINGS = gettext_lazy("Learn from ratings")
_KNOWLEDGE = gettext_lazy("Know the catalogue")
_SEVERAL = gettext_lazy("Several in one")

METHODS = {
    "popularity": Method(
        gettext_lazy("Popularity"),
        _COMMON,
        gettext_lazy("What most customers take; the same for everybody."),
        LISTS,
    ),
    "personal_frequency": Method(
        gettext_lazy("Personal frequency"),
        _COMMON,
        gettext_lazy("What this customer takes most often, the recent counting more."),
        (AGAIN,),
    ),
    "user_knn": Method(
        gettext_lazy("Customer kNN"),
        _BEHAVIOUR,
        gettext_lazy("What the customers take who are most like this one."),
        LISTS,
    ),
    "item_knn": Method(
        gettext_lazy("Item kNN"),
        _BEHAVIOUR,
        gettext_lazy("Items that the same customers take; every reason can be shown."),
        ALIKE,
    ),
    "rp3beta": Method(
        gettext_lazy("RP3beta walks"),
        _BEHAVIOUR,
        gettext_lazy("Walks from item to customer to item, away from what is popular."),
        ALIKE,
    ),
    "ease": Method(
        gettext_lazy("EASE"),
        _BEHAVIOUR,
        gettext_lazy("Each item from all others, in one closed step; strong, no seed."),
        ALIKE,
    ),
    "slim": Method(
        gettext_lazy("SLIM"),
        _BEHAVIOUR,
        gettext_lazy("As EASE, with few and positive weights: slower, easy to read."),
        ALIKE,
    ),
    "als": Method(
        gettext_lazy("ALS matrix factorisation"),
        _BEHAVIOUR,
        gettext_lazy("A vector for each customer and item; large shops, segments."),
        ALL,
    ),
    "ncf": Method(
        gettext_lazy("Neural CF"),
        _BEHAVIOUR,
        gettext_lazy("Vectors learned by a network, with early stopping."),
        ALL,
    ),
    "mf": Method(
        gettext_lazy("Matrix factorisation of ratings"),
        _RATINGS,
        gettext_lazy("Predicts ratings from biases and vectors."),
        ALL,
    ),
    "rating_knn": Method(
        gettext_lazy("kNN of ratings"),
        _RATINGS,
        gettext_lazy("Predicts ratings from those of neighbours, around baselines."),
        LISTS,
    ),
    "towers": Method(
        gettext_lazy("Two towers over ratings"),
        _RATINGS,
        gettext_lazy("A network over rating vectors; new customers need no training."),
        ALL,
    ),
    "content": Method(
        gettext_lazy("Content"),
        _KNOWLEDGE,
        gettext_lazy(
            "Items like those of the history by title, category, brand, price."
        ),
        ALIKE,
    ),
    "rules": Method(
        gettext_lazy("Rules of an expert"),
        _KNOWLEDGE,
        gettext_lazy("If somebody has this category, show that one."),
        LISTS,
    ),
    "blend": Method(
        gettext_lazy("Blend"),
        _SEVERAL,
        gettext_lazy("A weighted sum of several models, weights from validation."),
        LISTS,
    ),
    "cold_start": Method(
        gettext_lazy("Chain for new customers"),
        _SEVERAL,
        gettext_lazy("The first model that has an answer; the last is popularity."),
        LISTS,
    ),
}


def label(algorithm: str) -> str:
    """What a person calls a method; one that somebody added keeps its own name."""
    known = METHODS.get(algorithm)
    return str(known.label) if known else algorithm


def does(algorithm: str) -> str:
    """One line on what a method does."""
    known = METHODS.get(algorithm)
    return str(known.does) if known else ""


def purposes(algorithm: str) -> tuple[str, ...]:
    """What a method can serve; of one that somebody added nothing is known before."""
    known = METHODS.get(algorithm)
    return known.purposes if known else ALL


def grouped() -> list[tuple[str, list[tuple[str, str]]]]:
    """Choices of a form: group → (name, label), simplest first."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in recommenders.names():
        known = METHODS.get(name)
        group = str(known.group) if known else _("Others")
        groups.setdefault(group, []).append((name, label(name)))
    return list(groups.items())


def unfit(algorithm: str, purpose: str) -> str:
    """Why a method cannot serve a purpose, in a sentence; empty: it can."""
    kind = recommenders.kind(algorithm)
    words = {"name": algorithm}
    if purpose == Purpose.TASTE and not kind.has_vectors:
        return (
            _("%(name)s has no customer vectors, so it cannot serve “taste”; use als.")
            % words
        )
    if purpose == Purpose.SIMILAR and not kind.has_similar:
        return (
            _("%(name)s does not know which items are alike; use item_knn or als.")
            % words
        )
    if purpose == Purpose.DISCOVER and not kind.recommends_new:
        return (
            _("%(name)s only ranks what somebody already bought; it cannot discover.")
            % words
        )
    return ""

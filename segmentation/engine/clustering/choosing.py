"""How many clusters: the votes of silhouette, elbow and stability, and who decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.clustering import sampling, silhouette, stability
from segmentation.engine.clustering.base import (
    ClusteringRefused,
    Labels,
    Vectors,
    distinct,
    means,
)

# Kaufman & Rousseeuw 1990, p. 88: below .25 a silhouette shows no islands.
ISLANDS: Final = 0.25
# An elbow is clear if the fall breaks off there, or if the curve bends that deep and
# does break there a little. Data without clusters (uniform, Gaussian, 2 to 64
# dimensions) stay below, separated blobs reach 5 to 40 and iris .80 with 1.46.
CLEAR_BREAK: Final = 2.5
CLEAR_DEPTH: Final = 0.7
SOME_BREAK: Final = 1.25

# Draws of shuffled data that a division is compared with, and how much better it must
# be than the best of them to be more than chance.
CHANCE_DRAWS: Final = 9
CHANCE_ROWS: Final = 2_000
BEYOND_CHANCE: Final = 0.005

Rule = Literal["silhouette", "elbow", "bend"]
Structure = Literal["islands", "continuum", "none"]


@dataclass(frozen=True)
class Choice:
    """The number of clusters, the votes (elbow None: not clear), and what decided."""

    k: int
    silhouette_k: int
    elbow_k: int | None
    rule: Rule


@dataclass(frozen=True)
class Judged:
    """Which of the divisions was chosen, what it rests on, and the curves."""

    at: int
    scores: dict[str, Any]
    curve: list[dict[str, Any]]


def check(n_clusters: int | Literal["auto"], k_min: int, k_max: int) -> None:
    """Raise ValueError unless these can be the numbers of clusters to try."""
    fixed = n_clusters != "auto"
    if fixed and (not isinstance(n_clusters, int) or n_clusters < 2):
        raise ValueError('n_clusters is "auto", or a number of at least 2.')
    if not 2 <= k_min <= k_max:
        raise ValueError("k_min is at least 2, k_max at least k_min.")


def possible(
    rows: Vectors, n_clusters: int | Literal["auto"], k_min: int, k_max: int
) -> list[int]:
    """Return the numbers of clusters to try; ClusteringRefused if there is none."""
    least, most = k_min, k_max
    if n_clusters != "auto":
        least = most = n_clusters
    if len(rows) <= least:
        raise ClusteringRefused(
            "too_few", f"{len(rows)} customers cannot be divided into {least} segments."
        )
    different = distinct(rows, most + 1)
    if different == 1:
        raise ClusteringRefused(
            "all_equal",
            "All customers have the same vector: there is nothing to divide by.",
        )
    if different < least:
        raise ClusteringRefused(
            "too_few_different",
            f"There are only {different} different vectors among {len(rows)} "
            f"customers: too few for {least} segments.",
        )
    return list(range(least, min(most, different, len(rows) - 1) + 1))


def judge(
    rows: Vectors,
    ks: Sequence[int],
    labelings: Sequence[Labels],
    *,
    divide: stability.Divide,
    seed: int,
    given: bool,
) -> Judged:
    """Judge the divisions of the same rows into ks, and choose unless k was given.

    `divide` is how other rows are divided alike, for the stability.
    """
    inertias = [_inertia(rows, labels) for labels in labelings]
    scores = silhouette.silhouettes(rows, labelings)
    agreements = stability.agreements(rows, ks, labelings, divide, seed)
    choice = None
    if not given:
        total = _inertia(rows, np.zeros(len(rows), np.int32))
        choice = choose(ks, scores, inertias, total)
    at = ks.index(choice.k) if choice else 0
    chance = silhouette_by_chance(rows, ks[at], divide, seed)
    return Judged(
        at,
        {
            "silhouette": scores[at],
            "inertia": inertias[at],
            "stability": agreements[at],
            "elbow_k": choice.elbow_k if choice else None,
            "silhouette_k": choice.silhouette_k if choice else None,
            "stability_k": stability.vote(ks, agreements) if choice else None,
            "rule": choice.rule if choice else "given",
            "n_sample": len(rows),
            "silhouette_by_chance": chance,
            "structure": _structure(max(scores), scores[at], chance),
        },
        [
            {"k": k, "inertia": inertia, "silhouette": score, "stability": agreement}
            for k, inertia, score, agreement in zip(
                ks, inertias, scores, agreements, strict=True
            )
        ],
    )


def silhouette_by_chance(
    rows: Vectors, k: int, divide: stability.Divide, seed: int
) -> list[float]:
    """Return silhouettes of k clusters in data without any, the largest last.

    Each column is shuffled for itself: what each says stays, what they say together
    goes. Every other draw shuffles along the main directions of the rows instead.
    Lengths stay as they were.
    """
    rng = np.random.default_rng(seed)
    few = rows[sampling.drawn(len(rows), CHANCE_ROWS, seed)]
    middle = few.mean(axis=0)
    main = np.linalg.svd(few - middle, full_matrices=False)[2]
    as_told = np.eye(few.shape[1], dtype=np.float32)
    length = np.linalg.norm(few, axis=1, keepdims=True)
    found = []
    for number in range(CHANCE_DRAWS):
        axes = main if number % 2 else as_told
        mixed = rng.permuted((few - middle) @ axes.T, axis=0) @ axes + middle
        norm = np.linalg.norm(mixed, axis=1, keepdims=True)
        mixed = (mixed * length / np.where(norm > 0, norm, 1)).astype(np.float32)
        labels = divide(mixed, [k])[0](mixed)
        if len(np.unique(labels)) > 1:
            found += silhouette.silhouettes(mixed, [labels])
    return sorted(found)


def _structure(best: float, chosen: float, chance: Sequence[float]) -> Structure:
    if best >= ISLANDS:
        return "islands"
    beyond = not chance or chosen > chance[-1] + BEYOND_CHANCE
    return "continuum" if beyond else "none"


def _inertia(rows: Vectors, labels: Labels) -> float:
    gaps = rows - means(rows, labels)[labels]
    return float(np.einsum("ij,ij->", gaps, gaps, dtype=np.float64))


def choose(
    ks: Sequence[int],
    silhouettes: Sequence[float],
    inertias: Sequence[float],
    total_inertia: float,
) -> Choice:
    """Return the number of clusters; `total_inertia` is that of one cluster.

    1. "silhouette": some division shows islands (at least .25): the best one decides.
    2. "elbow": customers are a continuum, where the best silhouette is nearly always
       the smallest k, but the inertia has a clear elbow.
    3. "bend": a continuum without one. Any number is right; the point of the inertia
       curve from which further segments add less is a useful one.
    """
    silhouette_k = ks[int(np.argmax(silhouettes))]
    curve = [1, *ks], [total_inertia, *inertias]
    elbow_k = elbow(*curve)
    if max(silhouettes) >= ISLANDS:
        return Choice(silhouette_k, silhouette_k, elbow_k, "silhouette")
    if elbow_k is not None:
        return Choice(elbow_k, silhouette_k, elbow_k, "elbow")
    return Choice(max(bend(*curve), ks[0]), silhouette_k, None, "bend")


def elbow(ks: Sequence[int], inertias: Sequence[float]) -> int | None:
    """Return the k at which the falling curve clearly breaks off, or None.

    The deepest of Kneedle's bends that is clear: without clusters inertia is a power
    of k, a straight line on log axes, and bends too; a real elbow breaks that line.
    """
    depth = _depth(ks, inertias)
    inner = depth[1:-1]
    peaks = np.flatnonzero((inner >= depth[:-2]) & (inner > depth[2:])) + 1
    for at in peaks[np.argsort(-depth[peaks], kind="stable")]:
        broke = _break(ks[at - 1 : at + 2], inertias[at - 1 : at + 2])
        clear = CLEAR_BREAK if depth[at] < CLEAR_DEPTH else SOME_BREAK
        if broke >= clear and depth[at] >= depth.max() / 2:
            return ks[at]
    return None


def _break(ks: Sequence[int], inertias: Sequence[float]) -> float:
    """Return how many times steeper the curve falls before the middle of three points.

    On log axes; infinite where nothing is left to fall, or the curve even rises, as it
    may, k-means being no exact search.
    """
    if inertias[1] <= 0 or inertias[2] >= inertias[1]:
        return np.inf
    before, after = np.diff(np.log(inertias)) / np.diff(np.log(ks))
    return float(before / after)


def bend(ks: Sequence[int], inertias: Sequence[float]) -> int:
    """Return the k of the deepest bend (Kneedle, Satopää et al. 2011, section III)."""
    return ks[int(_depth(ks, inertias).argmax())]


def _depth(ks: Sequence[int], inertias: Sequence[float]) -> NDArray[np.float64]:
    """Return how far each point lies below the falling diagonal, both axes 0 to 1."""
    k, inertia = np.asarray(ks, np.float64), np.asarray(inertias, np.float64)
    across = (k - k[0]) / max(k[-1] - k[0], 1)
    fall = inertia.max() - inertia.min()
    return 1 - (inertia - inertia.min()) / (fall or 1) - across

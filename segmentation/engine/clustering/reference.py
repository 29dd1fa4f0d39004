"""Two groups around one customer: those who are like them, and the rest."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from segmentation.engine.clustering import silhouette
from segmentation.engine.clustering.base import (
    Anchors,
    ClusteringRefused,
    Clusters,
    anchored,
    means,
    prepared,
    require_difference,
)
from segmentation.engine.clustering.threshold import chord


class Reference:
    """Customers whose cosine to the customer in row `reference` is at least `tau`.

    As everywhere the larger group is number 0; `scores["alike"]` says which is theirs.
    """

    def __init__(
        self,
        *,
        n_clusters: Literal["auto", 2] = "auto",
        reference: int = 0,
        tau: float = 0.5,
        seed: int = 7,
        unit_length: bool = True,
    ) -> None:
        if n_clusters not in ("auto", 2):
            raise ValueError("There are two groups: like the reference, and the rest.")
        if reference < 0:
            raise ValueError("reference is the row of a customer, at least 0.")
        if not -1 < tau <= 1:
            raise ValueError("tau is a cosine above -1, at most 1.")
        if not unit_length:
            raise ValueError("A cosine compares directions: unit_length is true.")
        self.reference = reference
        self.tau = tau
        self.seed = seed

    def fit(self, vectors: ArrayLike) -> Clusters:
        """Divide the rows; ClusteringRefused where one group would be empty."""
        rows = prepared(vectors, unit_length=True)
        require_difference(rows, 2)
        if self.reference >= len(rows):
            raise ClusteringRefused(
                "no_reference", f"There is no customer in row {self.reference}."
            )
        center = rows[[self.reference]]
        if not center.any():
            raise ClusteringRefused(
                "no_reference", "Nothing is known of the customer to compare with."
            )
        radius = chord(self.tau)
        near = np.linalg.norm(rows - center, axis=1) <= radius
        if near.all():
            raise ClusteringRefused(
                "all_alike", f"All are as alike as {self.tau}: take a larger tau."
            )
        alike = int(near.sum() * 2 < len(rows))
        anchors = Anchors(
            center, np.array([alike], np.int32), radius=radius, outside=1 - alike
        )
        labels = anchored(rows, anchors)
        scores = {
            "silhouette": silhouette.of_sample(rows, labels, self.seed),
            "inertia": None,
            "elbow_k": None,
            "silhouette_k": None,
            "stability_k": None,
            "rule": "reference",
            "tau": self.tau,
            "alike": alike,
            "n_sample": len(rows),
        }
        return Clusters(labels, means(rows, labels), scores, [], True, anchors)

"""Ways of dividing customers by their vectors: a name, a class, one contract.

A new one is a file with a class that has `fit(vectors) -> Clusters`, and a line here;
the contract tests then run on it by themselves.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from segmentation.engine.clustering.base import Clusterer, ClusteringRefused, Clusters

__all__ = [
    "CLUSTERERS",
    "Clusterer",
    "ClusteringRefused",
    "Clusters",
    "create",
    "names",
]

CLUSTERERS: Final = {
    "kmeans": "segmentation.engine.clustering.kmeans.KMeans",
    "hierarchical": "segmentation.engine.clustering.hierarchical.Hierarchical",
    "dbscan": "segmentation.engine.clustering.dbscan.DBSCAN",
    "threshold": "segmentation.engine.clustering.threshold.Threshold",
    "reference": "segmentation.engine.clustering.reference.Reference",
}


def create(name: str, **params: Any) -> Clusterer:
    """Return the clusterer of that name; KeyError if there is none."""
    if name not in CLUSTERERS:
        raise KeyError(
            f"There is no clusterer {name!r}; there is {', '.join(names())}."
        )
    # By path, so that scikit-learn is loaded by those who cluster and nobody else.
    module, _, attribute = CLUSTERERS[name].rpartition(".")
    clusterer: Clusterer = getattr(import_module(module), attribute)(**params)
    return clusterer


def names() -> list[str]:
    """Return the names that `create` knows."""
    return list(CLUSTERERS)

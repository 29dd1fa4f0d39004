"""Curves of a training as TensorBoard reads them: one run a fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segmentation.engine.recommenders.neural import tensorflow

TAGS = {"loss": "loss", "metric": "validation/ndcg"}


def write(folder: Path, curve: Iterable[Mapping[str, float]]) -> None:
    """Write points with epoch and step, and where known loss and metric.

    Points of one step are one fit, which gets a folder of its own.
    """
    tf = tensorflow()
    fits: dict[float, list[Mapping[str, float]]] = {}
    for point in curve:
        fits.setdefault(point["step"], []).append(point)
    for number, points in enumerate(fits.values(), start=1):
        writer = tf.summary.create_file_writer(str(folder / f"fit-{number:03}"))
        with writer.as_default():
            for point in points:
                for name, tag in TAGS.items():
                    if name in point:
                        _scalar(tf, tag, point[name], int(point["epoch"]))
        writer.close()


def _scalar(tf: Any, tag: str, value: float, step: int) -> None:
    """What `tf.summary.scalar` writes, which needs TensorBoard installed."""
    kinds = tf.compat.v1.SummaryMetadata
    plugin = kinds.PluginData(plugin_name="scalars")
    metadata = kinds(plugin_data=plugin, data_class=1)
    tf.summary.write(tag, tf.constant(value, tf.float32), step=step, metadata=metadata)

"""TensorFlow, found when it is first needed, and the step that its networks share.

The only file that imports it: a model of a network is NumPy arrays once it has learned.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Kingma & Ba 2015


def tensorflow() -> Any:
    """The module; importing it takes seconds, so it is done while fitting only."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # else it chats on stderr
    import tensorflow as tf

    return tf


def begin(weights: Sequence[Any]) -> list[list[Any]]:
    """Weights with their first and second moments: what a step takes and gives."""
    tf = tensorflow()
    parts = [tf.constant(part) for part in weights]
    return [parts, *([tf.zeros_like(part) for part in parts] for _ in range(2))]


def adam(
    state: Any, gradients: Sequence[Any], number: Any, rate: Any, decays: Sequence[Any]
) -> list[list[Any]]:
    """The state after step `number` (from 0) of Adam.

    Each weight also shrinks by rate x its decay (decoupled, Loshchilov 2019).
    """
    tf = tensorflow()
    time = tf.cast(number + 1, tf.float32)
    pace = rate * tf.sqrt(1 - BETA_2**time) / (1 - BETA_1**time)
    updated = []
    for weight, first, second, gradient, decay in zip(
        *state, gradients, decays, strict=True
    ):
        first = BETA_1 * first + (1 - BETA_1) * gradient
        second = BETA_2 * second + (1 - BETA_2) * gradient * gradient
        move = pace * first / (tf.sqrt(second) + EPSILON)
        updated.append((weight * (1 - rate * decay) - move, first, second))
    return [list(parts) for parts in zip(*updated, strict=True)]

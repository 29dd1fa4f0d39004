"""How far a training is, and what each part of it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from segmentation.models import ModelRun
from segmentation.services import jobs

TELL_SECONDS = 1.0  # the page asks about so often how a network learns


@dataclass
class Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        spent = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self.seconds[name] = round(spent, 3)


class Steps:
    """Progress of a run in steps; epochs of a network count between them."""

    def __init__(self, run: ModelRun, held: jobs.Held) -> None:
        self.run = run
        self.held = held
        self.total = 5
        self.done = -1
        self.curve: list[dict[str, float]] = []
        self._message = ""
        self._told_monotonic = 0.0

    def go(self, message: str) -> None:
        self.done += 1
        self._message = message
        self.held.progress(self.done, self.total, message=message)

    def pulse(self, *_epoch: float) -> None:
        """A sign of life of something that is learned beside the run itself."""
        self.held.progress(self.done, self.total)

    def resume(self, done: int, curve: list[dict[str, float]]) -> None:
        """Go on after so many steps that an earlier attempt had finished."""
        self.done = done
        self.curve = [point for point in curve if point["step"] <= done]

    def epoch(self, epoch: int, n_epochs: int, loss: float, metric: float) -> None:
        point = {"epoch": epoch, "loss": loss, "metric": metric, "step": self.done}
        self.curve.append({k: v for k, v in point.items() if v == v})
        now = time.monotonic()
        if now - self._told_monotonic >= TELL_SECONDS:
            self._told_monotonic = now
            self.held.write(curve=self.curve)
        self.held.progress(
            self.done,
            self.total,
            message=f"{self._message} · "
            + _("epoch %(n)d of %(total)d") % {"n": epoch, "total": n_epochs},
        )

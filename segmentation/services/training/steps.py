"""How far a training is, and what each part of it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from segmentation.models import ModelRun
from segmentation.services import jobs


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

    def go(self, message: str) -> None:
        self.done += 1
        self._message = message
        self.held.progress(self.done, self.total, message=message)

    def epoch(self, epoch: int, n_epochs: int, loss: float, metric: float) -> None:
        point = {"epoch": epoch, "loss": loss, "metric": metric, "step": self.done}
        self.curve.append({k: v for k, v in point.items() if v == v})
        self.held.progress(
            self.done,
            self.total,
            message=f"{self._message} · "
            + _("epoch %(n)d of %(total)d") % {"n": epoch, "total": n_epochs},
        )

"""A process that dies by SIGKILL at one exact point of a deed with a model.

It loads Django once; each line on its standard input is a deed, a point and a row, done
by a forked child that kills itself there. Answers what the child died of.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

PROGRAM = """
import os, signal, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsys_project.settings")
import django
django.setup()
from segmentation import tasks
from segmentation.models import ListRefresh, ModelRun
from segmentation.services import (
    artifacts, audit, gating, jobs, refreshing, registry, training
)

def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)

def then_die(deed):
    def done(*args, **more):
        deed(*args, **more)
        die()
    return done

def at(point):
    write = jobs.Held.write
    if point == "before the folder is published":
        artifacts._publish = die
    elif point == "before the row names the folder":
        artifacts._publish = then_die(artifacts._publish)
    elif point == "before the row is done":
        jobs.Held.finish = die
    elif point == "before the switch is committed":
        audit.record = then_die(audit.record)
        jobs.Held.write = lambda held, **f: (write(held, **f), "counts" in f and die())
    else:
        raise ValueError(point)

def train(pk):
    tasks.perform(ModelRun.objects.get(pk=pk), training.train)

def refresh(pk):
    tasks.perform(ListRefresh.objects.get(pk=pk), refreshing.refresh)

def promote(pk):
    gating.go_live(ModelRun.objects.get(pk=pk), overrule="to die of it")

def roll_back(pk):
    gating.roll_back(ModelRun.objects.get(pk=pk))

for line in sys.stdin:
    deed, point, pk = line.strip().split("; ")
    child = os.fork()
    if not child:
        at(point)
        globals()[deed](int(pk))
        os._exit(3)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Dying:
    """The process, as a context manager."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Dying:
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def do(self, deed: str, point: str, pk: int) -> None:
        """Begin the deed and die at the point; fails where it came to its end."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{deed}; {point}; {pk}\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status

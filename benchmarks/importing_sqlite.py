"""What a whole import and its undo cost on SQLite, while other processes write.

    python benchmarks/importing_sqlite.py [--sqlite-rows 1000000 --rounds 3]

A CSV of events through the importer, against ``executemany`` of the same rows into the
same indexed table, in turn. The import and the undo run alone and beside four processes
that each record ten events twenty times a second; the reference runs alone, and once a
round beside the same processes. Told are ratios of medians, the longest write
transaction of import and undo, and how long the writers waited. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))
N_WRITERS = 4

WRITER = """
import json, pathlib, sys, time
from datetime import UTC, datetime
import django
django.setup()
from segmentation.models import Source
from segmentation.services import events
source = Source.objects.get(name="shop")
number, stop = sys.argv[1], pathlib.Path(sys.argv[2])
took, n = [], 0
print("ready", flush=True)
sys.stdin.readline()
while not stop.exists():
    rows = [
        {"customer": f"c{(n + i) % 50}", "item": f"i{i}", "kind": "view",
         "event_id": f"w{number}-{time.time()}-{n + i}"} for i in range(10)
    ]
    start = time.perf_counter()
    events.record_events(rows, source=source, now=datetime.now(UTC))
    took.append(time.perf_counter() - start)
    n += 10
    time.sleep(0.05)
print(json.dumps(took))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sqlite-rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--here", default="", help=argparse.SUPPRESS)
    parser.add_argument("--path", default="", help=argparse.SUPPRESS)
    options, _others = parser.parse_known_args()
    if options.here:
        answer = _step(options.here, Path(options.path))
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as folder:
        told = _measured(Path(folder), options.sqlite_rows, options.rounds)
    sys.stdout.write(json.dumps({"benchmark": "importing_sqlite", **told}) + "\n")


def _measured(folder: Path, n: int, rounds: int) -> dict[str, Any]:
    import importing

    path = folder / f"{n}.csv"
    importing.write_apart(path, n)
    shop = _Shop(folder)
    shop.run("migrate", path)
    told: dict[str, list[dict[str, Any]]] = {}
    waits: dict[str, list[float]] = {"import": [], "undo": []}

    def keep(name: str, answer: dict[str, Any]) -> None:
        told.setdefault(name, []).append(answer)
        sys.stderr.write(f"{name}: {answer}\n")

    for _round in range(rounds):
        for step in ("executemany", "import", "undo", "dry_run"):
            shop.run("empty" if step in ("executemany", "import") else "nothing", path)
            keep(step, shop.run(step, path))
        for step in ("executemany", "import", "undo"):
            shop.run("nothing" if step == "undo" else "empty", path)
            with shop.writers() as waited:
                answer = shop.run(step, path)
            keep(f"{step} beside", answer)
            waits.get(step, []).extend(waited)
    return _answer(n, rounds, told, waits)


def _answer(
    n: int,
    rounds: int,
    told: dict[str, list[dict[str, Any]]],
    waits: dict[str, list[float]],
) -> dict[str, Any]:
    seconds = {
        name: statistics.median(answer["seconds"] for answer in answers)
        for name, answers in told.items()
    }
    longest = {
        name: max(answer["longest_write_seconds"] for answer in answers)
        for name, answers in told.items()
        if not name.startswith(("executemany", "dry_run"))
    }
    plain = seconds["executemany"]
    return {
        "rows": n,
        "rounds": rounds,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "import_beside_by_executemany": round(seconds["import beside"] / plain, 2),
        "import_by_executemany": round(seconds["import"] / plain, 2),
        "import_beside_by_executemany_beside": round(
            seconds["import beside"] / seconds["executemany beside"], 2
        ),
        "dry_run_by_import": round(seconds["dry_run"] / seconds["import"], 2),
        "longest_write_seconds": longest,
        "writers": {
            step: {
                "writes": len(waited),
                "p99_seconds": round(sorted(waited)[int(len(waited) * 0.99)], 3),
                "longest_seconds": round(max(waited), 3),
            }
            for step, waited in waits.items()
        },
        "peak_memory_mb": max(a["peak_memory_mb"] for a in told["import"]),
    }


class _Shop:
    """One SQLite database, and the processes that work on it."""

    def __init__(self, folder: Path) -> None:
        self._stop = folder / "stop"
        self._env = os.environ | {"STRATA_HOME": str(folder / "home")}
        (folder / "home").mkdir()
        self._env |= {"DJANGO_SETTINGS_MODULE": "recsys_project.settings"}
        self._env |= {"PYTHONPATH": str(ROOT), "STRATA_HTTPS": "0"}

    def run(self, step: str, path: Path) -> dict[str, Any]:
        """A step of this file in a process of its own."""
        words = [sys.executable, __file__, "--here", step, "--path", str(path)]
        done = subprocess.run(words, env=self._env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    @contextmanager
    def writers(self) -> Iterator[list[float]]:
        """Others write in the meantime; the list then holds what each write took."""
        self._stop.unlink(missing_ok=True)
        waited: list[float] = []
        others = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(number), str(self._stop)],
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(N_WRITERS)
        ]
        try:
            for other in others:
                assert other.stdout is not None and other.stdin is not None
                other.stdout.readline()
            for other in others:
                other.stdin.write("go\n")  # type: ignore[union-attr]
                other.stdin.flush()  # type: ignore[union-attr]
            yield waited
        finally:
            self._stop.touch()
            said = [other.communicate()[0] for other in others]
        if any(other.returncode for other in others):
            raise SystemExit("A writer failed: is the database locked?")
        for text in said:
            waited += json.loads(text.splitlines()[-1])


def _step(name: str, path: Path) -> dict[str, Any]:
    import django

    django.setup()
    longest = _watch_transactions()
    answer = STEPS[name](path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return answer | {
        "cpu_seconds": round(time.process_time(), 2),
        "longest_write_seconds": round(longest[0], 3),
        "peak_memory_mb": peak,
    }


def _watch_transactions() -> list[float]:
    """How long the longest transaction held the file, from its lock to its end."""
    from django.db import connections

    kind: Any = type(connections["default"])
    longest = [0.0]
    start, commit = kind._start_transaction_under_autocommit, kind._commit

    def timed_start(self: Any) -> None:
        start(self)  # it waits for the lock in here
        self.held_since = time.perf_counter()

    def timed_commit(self: Any) -> None:
        # SQLite copies its log into the file in here too, when nobody waits for it.
        commit(self)
        held = time.perf_counter() - self.held_since
        longest[0] = max(longest[0], held)

    kind._start_transaction_under_autocommit = timed_start
    kind._commit = timed_commit
    return longest


def _migrate(_path: Path) -> dict[str, Any]:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return {}


def _empty(_path: Path) -> dict[str, Any]:
    """No events, nobody and nothing; the writers' shop is there."""
    from django.db import connection

    from segmentation.models import (
        Customer,
        Event,
        EventClaim,
        Identity,
        ImportJob,
        Item,
        Source,
        UndoJob,
    )

    for model in (UndoJob, EventClaim, Event, Identity, Customer, Item, ImportJob):
        model.objects.all()._raw_delete("default")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    Source.objects.get_or_create(name="shop")
    return {}


def _import(path: Path, *, dry_run: bool = False) -> dict[str, Any]:
    from segmentation import tasks
    from segmentation.services import importing

    job = importing.create_job("events", path, columns={}, dry_run=dry_run)
    start = time.perf_counter()
    tasks.perform(job, importing.run_import)
    seconds = time.perf_counter() - start
    assert job.rows_new == job.rows_read, job.rows_new
    return {"seconds": round(seconds, 2)}


def _undo(_path: Path) -> dict[str, Any]:
    """What the last import brought is taken back."""
    from segmentation import tasks
    from segmentation.models import Event, ImportJob
    from segmentation.services import importing

    job = ImportJob.objects.filter(is_dry_run=False).latest("pk")
    undo = importing.create_undo(job)
    start = time.perf_counter()
    tasks.perform(undo, importing.run_undo)
    seconds = time.perf_counter() - start
    assert not Event.objects.filter(import_id=undo.job_id).exists()
    return {"seconds": round(seconds, 2), "rows_removed": undo.rows_removed}


def _executemany(path: Path) -> dict[str, Any]:
    import bulk as bare

    rows = bare._events(sum(1 for _line in path.open("rb")) - 1)
    start = time.perf_counter()
    bare._executemany(rows)
    return {"seconds": round(time.perf_counter() - start, 2)}


STEPS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "migrate": _migrate,
    "empty": _empty,
    "nothing": lambda _path: {},
    "import": _import,
    "dry_run": lambda path: _import(path, dry_run=True),
    "undo": _undo,
    "executemany": _executemany,
}

if __name__ == "__main__":
    main()

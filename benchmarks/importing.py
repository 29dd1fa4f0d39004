"""What a whole import costs, beside the bare way of each database.

    python -m tests.servers -- python benchmarks/importing.py

PostgreSQL: a CSV of events through the importer, against one COPY of the same rows
into the same table and into the same columns without key or index; peak memory, the
dry run, and the undo. SQLite: against ``executemany`` while four other processes write.
Each figure is of a process of its own. Prints one JSON object.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))
N_WRITERS = 4

WRITER = """
import json, sys, time
from datetime import UTC, datetime
import django
django.setup()
from segmentation.models import Source
from segmentation.services import events
source = Source.objects.get(name="shop")
number, end = sys.argv[1], float(sys.argv[2])
took, n = [], 0
print("ready", flush=True)
sys.stdin.readline()
while not (stop := __import__("pathlib").Path(sys.argv[3])).exists():
    rows = [
        {"customer": f"c{(n + i) % 50}", "item": f"i{i}", "kind": "view",
         "event_id": f"w{number}-{n + i}"} for i in range(10)
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
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--many", type=int, default=5_000_000)
    parser.add_argument("--sqlite-rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("postgres", "sqlite"))
    parser.add_argument("--here", default="", help=argparse.SUPPRESS)
    parser.add_argument("--path", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        answer = STEPS[options.here](Path(options.path))
        answer["peak_memory_mb"] = (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        )
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    answers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as folder:
        if options.only != "sqlite":
            answers["postgres"] = _postgres(Path(folder), options)
        if options.only != "postgres":
            answers["sqlite"] = _sqlite(Path(folder), options)
    sys.stdout.write(json.dumps({"benchmark": "importing", **answers}) + "\n")


def _postgres(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Ratios of medians, of the same file in turn; memory of 1 M and of 5 M."""
    run = _runner(folder, postgres=True)
    sizes = sorted({options.rows, options.many})
    paths = {n: _written(run, folder, n) for n in sizes}
    many = paths[sizes[-1]]
    times: dict[str, list[float]] = {"import": [], "copy": [], "copy_bare": []}
    peak = 0
    for _round in range(options.rounds):
        for name in times:
            told = run(name, many)
            times[name].append(told["seconds"])
            if name == "import":
                peak = max(peak, told["peak_memory_mb"])
    medians = {name: statistics.median(values) for name, values in times.items()}
    dry = run("dry_run", paths[sizes[0]])
    small = run("import", paths[sizes[0]])
    undone = run("undo", paths[sizes[0]])
    return {
        "rows": sizes[-1],
        "seconds": {name: round(value, 2) for name, value in medians.items()},
        "import_by_copy": round(medians["import"] / medians["copy"], 2),
        "import_by_copy_bare": round(medians["import"] / medians["copy_bare"], 2),
        "peak_memory_mb": peak,
        "rows_of_the_small_file": sizes[0],
        "peak_memory_mb_small": small["peak_memory_mb"],
        "memory_by_small": round(peak / small["peak_memory_mb"], 3),
        "import_seconds_small": small["seconds"],
        "dry_run_seconds": dry["seconds"],
        "dry_run_by_import": round(dry["seconds"] / small["seconds"], 2),
        "undo_seconds": undone["seconds"],
    }


def _sqlite(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    run = _runner(folder, postgres=False)
    path = _written(run, folder, options.sqlite_rows)
    dry = run("dry_run", path)
    alone = run("import", path)
    bare = [run("executemany", path)["seconds"] for _round in range(options.rounds)]
    busy, waits = _beside_writers(folder, run, path)
    undone = run("undo", path)
    plain = statistics.median(bare)
    return {
        "rows": options.sqlite_rows,
        "seconds_alone": alone["seconds"],
        "seconds_beside_writers": busy["seconds"],
        "executemany_seconds": round(plain, 2),
        "import_by_executemany": round(busy["seconds"] / plain, 2),
        "alone_by_executemany": round(alone["seconds"] / plain, 2),
        "writers_p99_seconds": round(waits[int(len(waits) * 0.99)], 3),
        "writers_longest_seconds": round(waits[-1], 3),
        "writes": len(waits),
        "peak_memory_mb": alone["peak_memory_mb"],
        "dry_run_by_import": round(dry["seconds"] / alone["seconds"], 2),
        "undo_seconds": undone["seconds"],
        "undo_longest_write_seconds": undone["longest_write_seconds"],
    }


def _runner(folder: Path, *, postgres: bool) -> Callable[..., dict[str, Any]]:
    """A step of this file in a process of its own, on one database."""
    home = folder / ("postgres" if postgres else "sqlite")
    home.mkdir()
    env = os.environ | {"STRATA_HOME": str(home), "STRATA_HTTPS": "0"}
    env |= {"DJANGO_SETTINGS_MODULE": "recsys_project.settings"}
    env |= {"PYTHONPATH": str(ROOT)}
    if postgres:
        url = os.environ["TEST_POSTGRES_URL"]
        env |= {"DATABASE_URL": f"{url}/postgres", "SECRET_KEY": "x" * 50}
        env |= {"REDIS_URL": os.environ["TEST_REDIS_URL"] + "/0"}
        env |= {"PUBLIC_URL": "http://127.0.0.1:8000"}

    def run(step: str, path: Path) -> dict[str, Any]:
        words = [sys.executable, __file__, "--here", step, "--path", str(path)]
        done = subprocess.run(words, env=env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        sys.stderr.write(f"{step} {path.name}: {told}\n")
        return told

    run.env = env  # type: ignore[attr-defined]
    return run


def _beside_writers(
    folder: Path, run: Any, path: Path
) -> tuple[dict[str, Any], list[float]]:
    """The import while four processes write; and how long each of their writes took."""
    stop = folder / "stop"
    run("empty", path)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number), "0", str(stop)],
            env=run.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(N_WRITERS)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None and writer.stdin is not None
            writer.stdout.readline()
        for writer in writers:
            writer.stdin.write("go\n")  # type: ignore[union-attr]
            writer.stdin.flush()  # type: ignore[union-attr]
        told = run("import_beside", path)
    finally:
        stop.touch()
        said = [writer.communicate()[0] for writer in writers]
    if any(writer.returncode for writer in writers):
        raise SystemExit("A writer failed: is the database locked?")
    return told, sorted(t for text in said for t in json.loads(text.splitlines()[-1]))


def _written(run: Any, folder: Path, n: int) -> Path:
    """A CSV of purchases with prices, times and orders, made once."""
    path = folder / f"{n}.csv"
    if not path.exists():
        _write(path, n)
    run("migrate", path)
    return path


def _write(path: Path, n: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    rng = np.random.default_rng(1)
    start = np.datetime64("2025-01-01T00:00:00", "s")
    with path.open("wb") as file:
        for at in range(0, n, 500_000):
            m = min(500_000, n - at)
            part = pa.table(
                {
                    "customer": np.char.add(
                        "c", rng.integers(0, 50_000, m).astype(str)
                    ),
                    "item": np.char.add("i", rng.integers(0, 20_000, m).astype(str)),
                    "kind": np.full(m, "purchase"),
                    "occurred_at": start + rng.integers(0, 31_000_000, m),
                    "quantity": rng.integers(1, 4, m),
                    "price": rng.random(m).round(2),
                    "order": np.char.add("o", (np.arange(at, at + m) // 3).astype(str)),
                }
            )
            options = pyarrow.csv.WriteOptions(include_header=at == 0)
            pyarrow.csv.write_csv(part, file, options)


def _django() -> None:
    import django

    django.setup()


def _migrate(_path: Path) -> dict[str, Any]:
    _django()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return {}


def _empty(_path: Path) -> dict[str, Any]:
    """No events and no imports; the writers' shop and customers are there."""
    _django()
    from django.db import connection

    from segmentation.models import Event, EventClaim, ImportJob, Source, UndoJob

    UndoJob.objects.all().delete()
    ImportJob.objects.all().delete()
    EventClaim.objects.all()._raw_delete("default")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("TRUNCATE segmentation_event")
            cursor.execute("DROP TABLE IF EXISTS bare")
            cursor.execute("CREATE TABLE bare AS TABLE segmentation_event")
            cursor.execute("CHECKPOINT")
        else:
            Event.objects.all()._raw_delete("default")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    Source.objects.get_or_create(name="shop")
    return {}


def _import(path: Path, *, empty: bool = True, dry_run: bool = False) -> dict[str, Any]:
    _django()
    if empty:
        _empty(path)
    from segmentation import tasks
    from segmentation.services import importing

    job = importing.create_job("events", path, columns={}, dry_run=dry_run)
    start = time.perf_counter()
    tasks.perform(job, importing.run_import)
    seconds = time.perf_counter() - start
    assert job.rows_new == job.rows_read, job.rows_new
    return {"seconds": round(seconds, 2), "rows": job.rows_new}


def _undo(path: Path) -> dict[str, Any]:
    """What the last import left is taken back; the longest transaction too."""
    _django()
    from segmentation import tasks
    from segmentation.models import Event, ImportJob
    from segmentation.services import importing, jobs

    undo = importing.create_undo(ImportJob.objects.filter(is_dry_run=False).last())
    held_since: list[float] = []
    longest = [0.0]
    guard, progress = jobs.Held.guard, jobs.Held.progress

    def timed_guard(self: Any) -> None:
        guard(self)
        held_since.append(time.perf_counter())

    def timed_progress(self: Any, *told: Any, **words: Any) -> None:
        if held_since:
            longest[0] = max(longest[0], time.perf_counter() - held_since.pop())
        progress(self, *told, **words)

    jobs.Held.guard, jobs.Held.progress = timed_guard, timed_progress  # type: ignore
    start = time.perf_counter()
    tasks.perform(undo, importing.run_undo)
    seconds = time.perf_counter() - start
    assert not Event.objects.filter(import_id=undo.job_id).exists()
    return {
        "seconds": round(seconds, 2),
        "rows_removed": undo.rows_removed,
        "longest_write_seconds": round(longest[0], 3),
    }


def _bare(way: str) -> Callable[[Path], dict[str, Any]]:
    def measure(path: Path) -> dict[str, Any]:
        _django()
        _empty(path)
        import bulk as bare

        n = sum(1 for _line in path.open("rb")) - 1
        rows = bare._events(n)
        ways = {
            "copy": bare._copy("segmentation_event"),
            "copy_bare": bare._copy("bare"),
            "executemany": bare._executemany,
        }
        start = time.perf_counter()
        ways[way](rows)
        return {"seconds": round(time.perf_counter() - start, 2)}

    return measure


STEPS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "migrate": _migrate,
    "empty": _empty,
    "import": _import,
    "import_beside": lambda path: _import(path, empty=False),
    "dry_run": lambda path: _import(path, dry_run=True),
    "undo": _undo,
    **{way: _bare(way) for way in ("copy", "copy_bare", "executemany")},
}

if __name__ == "__main__":
    main()
